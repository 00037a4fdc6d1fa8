/** Draws the entities: arrows where a heading is known, dots elsewhere, trails behind them. */

import type { Map as MapView } from "maplibre-gl";
import { type Entities, type Entity, type Position, drawnAt, gliding } from "./entities";
import { show } from "./map";
import { bandOf } from "./speed";

/** Above so many entities they jump, and trails are left out. */
const MOST_GLIDING = 2_000;
const GLIDE_FRAME_MS = 66;
const FRAME_MS = 250;
const TRAIL_FRAME_MS = 1_000;
/** Slower than this (m/s), a trail is only noise of the receiver. */
const TRAIL_SPEED = 0.5;

export class Drawing {
  /** Set while cells stand for the entities. */
  hidden = false;
  selected: string | undefined;
  private changed = true;
  private wasHidden = false;
  private drawn = 0;
  private trailsDrawn = 0;
  /** Until when something glides. */
  private until = 0;

  constructor(
    private readonly map: MapView,
    private readonly entities: Entities,
  ) {
    entities.onFolded(() => this.touch());
    const frame = (): void => {
      this.frame(performance.now());
      window.requestAnimationFrame(frame);
    };
    frame();
  }

  /** Something changed that is to be drawn. */
  touch(): void {
    this.changed = true;
  }

  private frame(now: number): void {
    const few = this.entities.all.size <= MOST_GLIDING && !this.hidden;
    const wait = few ? GLIDE_FRAME_MS : FRAME_MS;
    if (!(this.changed || (few && now < this.until)) || now - this.drawn < wait) return;
    this.changed = false;
    this.drawn = now;
    this.drawEntities(now, few);
    if (few && now - this.trailsDrawn > TRAIL_FRAME_MS) {
      this.trailsDrawn = now;
      this.drawTrails();
    }
    if (!few && this.trailsDrawn > 0) {
      this.trailsDrawn = 0;
      show(this.map, "trails", []);
    }
  }

  private drawEntities(now: number, few: boolean): void {
    const features: GeoJSON.Feature[] = [];
    let glides = false;
    if (!this.hidden) {
      for (const entity of this.entities.all.values()) {
        glides ||= few && gliding(entity, now);
        features.push(featureOf(entity, few ? drawnAt(entity, now) : entity.at));
      }
    }
    if (glides) this.until = now + FRAME_MS;
    if (!this.hidden || !this.wasHidden) show(this.map, "entities", features);
    this.wasHidden = this.hidden;
    const selected = this.entities.all.get(this.selected ?? "");
    const ring = selected ? [pointAt(few ? drawnAt(selected, now) : selected.at, {})] : [];
    show(this.map, "selected", ring);
  }

  private drawTrails(): void {
    const features: GeoJSON.Feature[] = [];
    for (const entity of this.entities.all.values()) {
      if (entity.trail.length === 0 || (entity.speed ?? 1) < TRAIL_SPEED) continue;
      features.push({
        type: "Feature",
        properties: { colour: bandOf(entity.speed).colour },
        geometry: { type: "LineString", coordinates: [...entity.trail, entity.at] },
      });
    }
    show(this.map, "trails", features);
  }
}

function featureOf(entity: Entity, at: Position): GeoJSON.Feature {
  const band = bandOf(entity.speed);
  const properties: Record<string, unknown> = { key: entity.key, colour: band.colour };
  if (entity.heading !== undefined && (entity.speed === undefined || band.name !== "still")) {
    properties["heading"] = entity.heading;
    properties["icon"] = `arrow ${band.name}`;
  }
  return pointAt(at, properties);
}

function pointAt(at: Position, properties: Record<string, unknown>): GeoJSON.Feature {
  return { type: "Feature", properties, geometry: { type: "Point", coordinates: at } };
}

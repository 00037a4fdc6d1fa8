/** The live entities: their latest rows, where they are drawn, and where they have been. */

import type { Listener, Row } from "./client";

export type Position = [lon: number, lat: number];

export interface Entity {
  readonly key: string;
  row: Row;
  at: Position;
  /** Where it was drawn when `at` arrived, and when that was. */
  from: Position;
  since: number;
  heading: number | undefined;
  speed: number | undefined;
  moved: boolean;
  /** Positions before `at`, oldest first. */
  trail: Position[];
}

const TRAIL = 24;
/** A change of place is drawn as a glide of so long; longer than most gaps between frames. */
const GLIDE_MS = 900;
/** A jump further than this (degrees) is drawn as a jump. */
const FARTHEST = 0.2;

export class Entities implements Listener {
  readonly all = new Map<string, Entity>();
  moved = 0;
  /** The latest event time of the rows that came last: a replay that starts over goes back. */
  latest: number | undefined;
  private latestOfFrame: number | undefined;
  private readonly listeners = new Set<(whole: boolean) => void>();

  onFolded(listener: (whole: boolean) => void): void {
    this.listeners.add(listener);
  }

  folded(whole: boolean): void {
    this.latest = this.latestOfFrame ?? this.latest;
    this.latestOfFrame = undefined;
    for (const listener of this.listeners) listener(whole);
  }

  upsert(key: string, row: Row): void {
    const lon = number(row["lon"]);
    const lat = number(row["lat"]);
    if (lon === undefined || lat === undefined) return;
    const time = number(row["ts_ms"]);
    if (time !== undefined) {
      this.latestOfFrame = Math.max(this.latestOfFrame ?? time, time);
    }
    const heading = number(row["heading"]);
    const state = {
      row,
      heading: heading !== undefined && heading >= -360 && heading <= 360 ? heading : undefined,
      speed: number(row["speed"]),
    };
    const at: Position = [lon, lat];
    const known = this.all.get(key);
    if (!known) {
      this.all.set(key, { key, ...state, at, from: at, since: 0, moved: false, trail: [] });
      return;
    }
    Object.assign(known, state);
    if (known.at[0] !== lon || known.at[1] !== lat) this.move(known, at);
  }

  remove(key: string): void {
    if (this.all.get(key)?.moved) this.moved -= 1;
    this.all.delete(key);
  }

  private move(entity: Entity, to: Position): void {
    if (!entity.moved) {
      entity.moved = true;
      this.moved += 1;
    }
    const now = performance.now();
    entity.from = drawnAt(entity, now);
    entity.since = now;
    entity.trail.push(entity.at);
    if (entity.trail.length > TRAIL) entity.trail.shift();
    entity.at = to;
  }
}

/** Where an entity is drawn now. */
export function drawnAt(entity: Entity, now: number): Position {
  const part = (now - entity.since) / GLIDE_MS;
  const [fromLon, fromLat] = entity.from;
  const [lon, lat] = entity.at;
  const far = Math.abs(lon - fromLon) > FARTHEST || Math.abs(lat - fromLat) > FARTHEST;
  if (part >= 1 || far) return entity.at;
  return [fromLon + (lon - fromLon) * part, fromLat + (lat - fromLat) * part];
}

/** Whether an entity is still on its way to where it is. */
export function gliding(entity: Entity, now: number): boolean {
  return now - entity.since < GLIDE_MS;
}

export function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Counts entities per H3 cell, coarser the further out the map is zoomed. */

import { cellToBoundary, cellToParent, getResolution, isValidCell, latLngToCell } from "h3-js";
import type { Map as MapView } from "maplibre-gl";
import type { Drawing } from "./drawing";
import type { Entities, Entity } from "./entities";
import { nameOnHover, show } from "./map";
import { count } from "./text";

export type Mode = "auto" | "on" | "off";

/** In `auto`, cells stand for the entities below this zoom when there are many. */
const ZOOM = 6;
const MANY = 1_000;
const REDRAW_MS = 1_000;

export class Cells {
  private mode: Mode = "auto";
  private shown = false;

  constructor(
    private readonly map: MapView,
    private readonly entities: Entities,
    private readonly drawing: Drawing,
  ) {
    map.on("zoomend", () => this.draw());
    nameOnHover(map, "cells", (cell) => (this.shown ? `${count(Number(cell["n"]))} here` : ""));
    window.setInterval(() => this.draw(), REDRAW_MS);
  }

  setMode(mode: Mode): void {
    this.mode = mode;
    this.draw();
  }

  draw(): void {
    const zoom = this.map.getZoom();
    const far = zoom < ZOOM && this.entities.all.size >= MANY;
    const wanted = this.mode === "on" || (this.mode === "auto" && far);
    const hidden = wanted && far;
    if (this.drawing.hidden !== hidden) {
      this.drawing.hidden = hidden;
      this.drawing.touch();
    }
    if (wanted) show(this.map, "cells", this.counted(resolutionAt(zoom)));
    else if (this.shown) show(this.map, "cells", []);
    this.shown = wanted;
  }

  private counted(resolution: number): GeoJSON.Feature[] {
    const counts = new Map<string, number>();
    for (const entity of this.entities.all.values()) {
      const cell = cellOf(entity, resolution);
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
    }
    const most = Math.max(1, ...counts.values());
    return [...counts].map(([cell, n]) => ({
      type: "Feature",
      properties: { n, part: Math.log1p(n) / Math.log1p(most) },
      geometry: { type: "Polygon", coordinates: [unwrapped(cellToBoundary(cell, true))] },
    }));
  }
}

function resolutionAt(zoom: number): number {
  return Math.min(9, Math.max(1, Math.floor(zoom * 0.75)));
}

function cellOf(entity: Entity, resolution: number): string {
  const cell = entity.row["cell"];
  if (typeof cell === "string" && isValidCell(cell) && getResolution(cell) >= resolution) {
    return cellToParent(cell, resolution);
  }
  return latLngToCell(entity.at[1], entity.at[0], resolution);
}

/** A ring that crosses the antimeridian goes on past 180 degrees instead of around the world. */
function unwrapped(ring: number[][]): number[][] {
  const first = ring[0]?.[0] ?? 0;
  return ring.map(([lon = 0, lat = 0]) => {
    const turns = Math.round((first - lon) / 360);
    return [lon + 360 * turns, lat];
  });
}

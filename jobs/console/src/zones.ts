/** The zones in force in the job: drawn as they change, and asked for their names. */

import type { Map as MapView } from "maplibre-gl";
import type { Listener, Row } from "./client";
import { nameOnHover, show } from "./map";

export class Zones implements Listener {
  /** A feature per zone, by the name that the job knows it by. */
  private readonly all = new Map<string, GeoJSON.Feature>();
  private changed = false;

  constructor(private readonly map: MapView) {
    nameOnHover(map, "zones", (zone) => String(zone["name"]));
  }

  upsert(key: string, row: Row): void {
    this.all.set(key, row as unknown as GeoJSON.Feature);
    this.changed = true;
  }

  remove(key: string): void {
    this.all.delete(key);
    this.changed = true;
  }

  folded(whole: boolean): void {
    if (!whole || !this.changed) return;
    this.changed = false;
    show(this.map, "zones", [...this.all.values()]);
  }

  /** What people call a zone. */
  name(id: string): string {
    return String(this.all.get(id)?.properties?.["name"] ?? id);
  }

  /** What people call all of them. */
  names(): string[] {
    return [...this.all.keys()].map((id) => this.name(id));
  }
}

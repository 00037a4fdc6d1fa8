/** The job's zones: drawn once, and asked for their names. */

import type { Map as MapView } from "maplibre-gl";
import { nameOnHover, show } from "./map";

/** Draws the zones, names the one under the pointer, and tells names from ids. */
export async function loadZones(map: MapView): Promise<(id: string) => string> {
  const names = new Map<string, string>();
  const answer = await fetch("zones");
  const zones = (await answer.json()) as GeoJSON.FeatureCollection;
  const drawn = zones.features.map((zone, at) => {
    // The job names a zone by the same rule.
    const id = zone.properties?.["id"] ?? zone.id ?? zone.properties?.["name"] ?? at;
    const name = String(zone.properties?.["name"] ?? id);
    names.set(String(id), name);
    return { ...zone, properties: { name } };
  });
  show(map, "zones", drawn);
  nameOnHover(map, "zones", (zone) => String(zone["name"]));
  return (id) => names.get(id) ?? id;
}

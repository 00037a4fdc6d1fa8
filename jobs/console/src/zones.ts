/** The job's zones: drawn once, and asked for their names. */

import * as maplibre from "maplibre-gl";
import type { Map as MapView } from "maplibre-gl";
import { ENTITY_LAYERS, show } from "./map";

/** Draws the zones, names the one under the pointer, and tells names from ids. */
export async function loadZones(map: MapView): Promise<(id: string) => string> {
  const names = new Map<string, string>();
  const answer = await fetch("zones");
  if (answer.ok) {
    const zones = (await answer.json()) as GeoJSON.FeatureCollection;
    zones.features.forEach((zone, at) => {
      const id = zone.properties?.["id"] ?? zone.id ?? zone.properties?.["name"] ?? at;
      names.set(String(id), String(zone.properties?.["name"] ?? id));
    });
    show(map, "zones", zones.features);
    nameOnHover(map);
  }
  return (id) => names.get(id) ?? id;
}

function nameOnHover(map: MapView): void {
  const label = new maplibre.Popup({ closeButton: false, closeOnClick: false, offset: 8 });
  map.on("mousemove", "zones", (event) => {
    const above = map.queryRenderedFeatures(event.point, { layers: ENTITY_LAYERS });
    const names = (event.features ?? []).map((zone) => zone.properties["name"] as unknown);
    const text = [...new Set(names)].filter((name) => typeof name === "string").join(" · ");
    if (above.length > 0 || text === "") label.remove();
    else label.setLngLat(event.lngLat).setText(text).addTo(map);
  });
  map.on("mouseleave", "zones", () => label.remove());
}

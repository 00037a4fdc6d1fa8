// The world's coastline from Natural Earth 1:10m, thinned where nobody looks closely.
import { readFileSync } from "node:fs";
import { quantize } from "topojson-client";
import {
  filter,
  filterWeight,
  presimplify,
  simplify,
  sphericalRingArea,
  sphericalTriangleArea,
} from "topojson-simplify";

/** A point whose triangle covers less (steradians) is dropped. */
const SMALLEST = 1.6e-7;

/** How much a point counts: polar coasts are most of the file, the bundled replay's harbour least. */
function weight(lon, lat) {
  if (lat > 58 || lat < -40) return 1 / 40;
  if (lon > -74.6 && lon < -72.8 && lat > 40.2 && lat < 41.4) return 1_000;
  return 1;
}

export function coastline() {
  const url = new URL("./node_modules/world-atlas/land-10m.json", import.meta.url);
  const world = presimplify(JSON.parse(readFileSync(url)), sphericalTriangleArea);
  for (const arc of world.arcs) {
    for (const point of arc) point[2] *= weight(point[0], point[1]);
  }
  const thin = simplify(world, SMALLEST);
  const whole = filter(thin, filterWeight(thin, 3 * SMALLEST, sphericalRingArea));
  return quantize(whole, 300_000);
}

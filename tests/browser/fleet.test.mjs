// The quick start in a real browser: `fleet` over the bundled ships, seen through its map.

import assert from "node:assert";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");

/** Where the zones of this run are, which the map's test changes. */
const zonesIn = (work) => join(work, "zones.geojson");

/** Starts fleet and resolves with its process and the address it names. */
function startFleet(work) {
  const job = ["run", "--quiet", "--locked", "--package", "waystream", "--", "run", "fleet"];
  const places = ["--listen", "127.0.0.1:0", "--checkpoints", join(work, "checkpoints")];
  const zones = ["--set", `zones=${zonesIn(work)}`];
  const fleet = spawn("cargo", [...job, ...places, ...zones], { cwd: root, detached: true });
  return new Promise((resolve, reject) => {
    let said = "";
    fleet.stderr.on("data", (data) => {
      said += data;
      const url = said.match(/http:\/\/\S+/);
      if (url) resolve({ fleet, url: url[0] });
    });
    fleet.on("exit", (code) => reject(new Error(`fleet ended with ${code}: ${said}`)));
  });
}

test("ships move on the map, a crossing appears, and other zones are drawn", { timeout: 300_000 }, async () => {
  const work = mkdtempSync(join(tmpdir(), "waystream-map-"));
  copyFileSync(join(root, "jobs/data/harbour_zones.geojson"), zonesIn(work));
  const { fleet, url } = await startFleet(work);
  try {
    const seen = spawnSync("node", [join(here, "map.mjs"), url, join(work, "map.png"), zonesIn(work)], { encoding: "utf8" });
    assert.equal(seen.status, 0, seen.stdout + seen.stderr);
  } finally {
    fleet.removeAllListeners("exit");
    // Its pipes close when the job itself is gone, which is after its final checkpoint.
    const gone = once(fleet, "close");
    process.kill(-fleet.pid, "SIGTERM");
    await gone;
    rmSync(work, { recursive: true, force: true });
  }
});

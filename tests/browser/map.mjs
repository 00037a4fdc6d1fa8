// Opens the live map in a real browser: entities come, move, cross zones and answer to a click.
//
//   node map.mjs http://127.0.0.1:7700 [screenshot.png [zones.geojson]]
//
// Zones of the job that are given are changed, to see the map follow.
// CHROMIUM names the browser (default /usr/bin/chromium). Exit 0: all seen; 1: what was not.
import { readFileSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000);
const FEWEST = 10;
const [url, screenshot, zones] = process.argv.slice(2);
if (!url) {
  console.error("usage: node map.mjs URL [SCREENSHOT.png [ZONES.geojson]]");
  process.exit(1);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-dev-shm-usage",
  ],
});
let failed = false;
const complaints = [];
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  watch(page, new URL(url).host);
  await see(page);
  if (complaints.length > 0) throw new Error("everything was seen, but:");
} catch (error) {
  failed = true;
  console.error(`FAILED: ${[error.message, ...complaints].join("\n  ")}`);
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);

/** Collects what a page that works has none of. */
function watch(page, host) {
  page.on("pageerror", (error) => complaints.push(`error on the page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const { protocol, host: asked } = new URL(request.url());
    const remote = protocol.startsWith("http") && asked !== host;
    if (remote) complaints.push(`the page asked ${asked}: it must work with no network`);
  });
}

async function see(page) {
  await page.goto(url, { waitUntil: "load" });
  await step("the map is drawn", () => page.waitForSelector("body[data-ready]", { state: "attached", timeout: PATIENCE_MS }));
  await step(`${FEWEST} entities or more`, () => until(page, (n) => window.__waystream.entities >= n, FEWEST));
  await step("the connection is live", () => page.waitForSelector('#connection[data-state="live"]', { timeout: PATIENCE_MS }));

  const before = await positions(page);
  await step("entities move", () =>
    until(
      page,
      (was) => {
        const moved = was.filter(([key, lon, lat]) => {
          const at = window.__waystream.position(key);
          return at && (at[0] !== lon || at[1] !== lat);
        });
        return moved.length >= 2;
      },
      before,
    ),
  );
  await step("a crossing in the ticker", () =>
    page.waitForSelector('#ticker li[data-kind="enter"], #ticker li[data-kind="exit"]', { timeout: PATIENCE_MS }),
  );
  const name = await step("a click shows an entity", () => clickOne(page, before));
  const shown = await page.textContent("#entity-fields");
  await step(`its fields change as it lives (${name})`, () =>
    until(page, (was) => document.getElementById("entity-fields").textContent !== was, shown),
  );
  const counts = await page.evaluate(() => {
    const { entities, moved, crossings } = window.__waystream;
    return { entities, moved, crossings };
  });
  console.log(`seen: ${JSON.stringify(counts)}`);
  if (screenshot) {
    await page.waitForTimeout(1_500);
    await page.screenshot({ path: screenshot });
    console.log(`screenshot: ${screenshot}`);
  }
  if (zones) await step("other zones are drawn", () => changeZones(page));
}

/** Leaves one zone of the file and calls it something else. */
async function changeZones(page) {
  const collection = JSON.parse(readFileSync(zones, "utf8"));
  const names = collection.features.map((zone) => zone.properties.name ?? zone.properties.id);
  await until(page, (count) => window.__waystream.zones.length === count, names.length);
  const [first] = collection.features;
  first.properties.name = "Another Name";
  writeFileSync(zones, JSON.stringify({ ...collection, features: [first] }));
  await until(page, () => window.__waystream.zones.join() === "Another Name");
}

async function step(name, look) {
  const begun = Date.now();
  try {
    const seen = await look();
    console.log(`ok: ${name} (${Date.now() - begun} ms)`);
    return seen;
  } catch (error) {
    throw new Error(`not seen: ${name}: ${error.message.split("\n")[0]}`, { cause: error });
  }
}

function until(page, condition, argument) {
  return page.waitForFunction(condition, argument, { timeout: PATIENCE_MS, polling: 200 });
}

function positions(page) {
  return page.evaluate(() => window.__waystream.keys().map((key) => [key, ...window.__waystream.position(key)]));
}

/** Clicks entities that no panel covers, those that moved first, until one shows its fields. */
async function clickOne(page, before) {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    const spots = await page.evaluate((was) => {
      const old = new Map(was.map(([key, lon, lat]) => [key, `${lon} ${lat}`]));
      const moved = (key) => Number(old.get(key) !== window.__waystream.position(key).join(" "));
      return window.__waystream
        .keys()
        .sort((a, b) => moved(b) - moved(a))
        .map((key) => window.__waystream.pixel(key))
        .filter(({ x, y }) => document.elementFromPoint(x, y)?.tagName === "CANVAS")
        .slice(0, 20);
    }, before);
    for (const { x, y } of spots) {
      await page.mouse.click(x, y);
      const shown = await page.waitForSelector("#entity-fields tr", { timeout: 1_500 }).catch(() => null);
      if (shown) return page.textContent("#entity-name");
    }
    await page.waitForTimeout(300);
  }
  throw new Error("no click opened a panel");
}

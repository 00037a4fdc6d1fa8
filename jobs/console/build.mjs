// Builds dist/: one bundle, MapLibre's worker, the style, the coastline; all of it gzipped.
//
//   node build.mjs           writes dist/ and licenses/
//   node build.mjs --check   writes nothing; exits 1 if they are not what the sources give
import { build } from "esbuild";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { coastline } from "./coastline.mjs";

const out = new URL("./dist/", import.meta.url);
const here = (path) => new URL(path, import.meta.url);

const common = { bundle: true, minify: true, write: false, legalComments: "none" };
const [script, style] = await Promise.all([
  build({
    ...common,
    entryPoints: ["src/main.ts"],
    format: "esm",
    target: "es2022",
    mainFields: ["browser", "module", "main"],
  }),
  build({ ...common, entryPoints: ["src/style.css"], loader: { ".svg": "dataurl" } }),
]);

const licenses = readLicenses();
const files = {
  "index.html": readFileSync(here("./src/index.html")),
  "app.js": script.outputFiles[0].contents,
  "app.css": style.outputFiles[0].contents,
  "maplibre-gl-worker.mjs": withoutSourceMap(
    readFileSync(here("./node_modules/maplibre-gl/dist/maplibre-gl-worker.mjs")),
  ),
  "land.json": Buffer.from(JSON.stringify(coastline())),
  "licenses.txt": Buffer.from(
    Object.entries(licenses)
      .map(([name, text]) => `${name}\n${"=".repeat(name.length)}\n${text}`)
      .join("\n"),
  ),
};
if (process.argv.includes("--check")) check();
else write();

function write() {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
  let raw = 0;
  let zipped = 0;
  for (const [name, content] of Object.entries(files)) {
    const gzip = gzipSync(content, { level: 9 });
    writeFileSync(new URL(`${name}.gz`, out), gzip);
    raw += content.length;
    zipped += gzip.length;
    console.log(name.padEnd(24), String(content.length).padStart(9), String(gzip.length).padStart(9));
  }
  console.log("total".padEnd(24), String(raw).padStart(9), String(zipped).padStart(9));
  for (const [name, text] of Object.entries(licenses)) writeFileSync(licenseFile(name), text);
}

/** Compares what was zipped: one compressor's bytes are not another's. */
function check() {
  const stale = [];
  const same = (file, content, read) => existsSync(file) && Buffer.compare(read(readFileSync(file)), content) === 0;
  for (const [name, content] of Object.entries(files)) {
    if (!same(new URL(`${name}.gz`, out), content, gunzipSync)) stale.push(`dist/${name}.gz`);
  }
  for (const [name, text] of Object.entries(licenses)) {
    if (!same(licenseFile(name), Buffer.from(text), (read) => read)) stale.push(`licenses/${name}.txt`);
  }
  const built = Object.keys(files).map((name) => `${name}.gz`);
  stale.push(...readdirSync(out).filter((name) => !built.includes(name)).map((name) => `dist/${name}`));
  if (stale.length > 0) {
    console.error(`not what the sources give: ${stale.join(", ")}; run \`npm run build\` in jobs/console`);
    process.exit(1);
  }
  console.log(`${built.length} files in dist are what the sources give`);
}

function withoutSourceMap(script) {
  return Buffer.from(script.toString().replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"));
}

function licenseFile(name) {
  return here(`./licenses/${name}.txt`);
}

/** The text of each package's licence, by the package's name. */
function readLicenses() {
  const paths = [
    "maplibre-gl/LICENSE.txt",
    "h3-js/LICENSE",
    "topojson-client/LICENSE",
    "world-atlas/LICENSE",
  ];
  return Object.fromEntries(
    paths.map((path) => [
      path.split("/")[0],
      `${readFileSync(here(`./node_modules/${path}`), "utf8").trim()}\n`,
    ]),
  );
}

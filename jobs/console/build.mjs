// Builds dist/: one bundle, MapLibre's worker, the style, the coastline; all of it gzipped.
import { build } from "esbuild";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
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

const files = {
  "index.html": readFileSync(here("./src/index.html")),
  "app.js": script.outputFiles[0].contents,
  "app.css": style.outputFiles[0].contents,
  "maplibre-gl-worker.mjs": readFileSync(
    here("./node_modules/maplibre-gl/dist/maplibre-gl-worker.mjs"),
  ),
  "land.json": Buffer.from(JSON.stringify(coastline())),
  "licenses.txt": licenses(),
};

rmSync(out, { recursive: true, force: true });
mkdirSync(out);
let raw = 0;
let zipped = 0;
for (const [name, content] of Object.entries(files)) {
  const gzip = gzipSync(withoutSourceMap(name, content), { level: 9 });
  writeFileSync(new URL(`${name}.gz`, out), gzip);
  raw += content.length;
  zipped += gzip.length;
  console.log(name.padEnd(24), String(content.length).padStart(9), String(gzip.length).padStart(9));
}
console.log("total".padEnd(24), String(raw).padStart(9), String(zipped).padStart(9));

function withoutSourceMap(name, content) {
  if (!name.endsWith(".mjs")) return content;
  return Buffer.from(content.toString().replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"));
}

function licenses() {
  const packages = [
    "maplibre-gl/LICENSE.txt",
    "h3-js/LICENSE",
    "topojson-client/LICENSE",
    "world-atlas/LICENSE",
  ];
  const texts = packages.map((path) => {
    const name = path.split("/")[0];
    const text = readFileSync(here(`./node_modules/${path}`), "utf8").trim();
    writeFileSync(here(`./licenses/${name}.txt`), `${text}\n`);
    return `${name}\n${"=".repeat(name.length)}\n${text}\n`;
  });
  return Buffer.from(texts.join("\n"));
}

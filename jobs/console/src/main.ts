/** The page: one connection, its views, and what is drawn of them. */

import type { Map as MapView } from "maplibre-gl";
import { Cells, type Mode } from "./cells";
import { Client } from "./client";
import { Drawing } from "./drawing";
import { Entities, type Position } from "./entities";
import { Header } from "./header";
import { ENTITY_LAYERS, fit, makeMap } from "./map";
import { Panel, element } from "./panel";
import { BANDS } from "./speed";
import { Ticker } from "./ticker";
import { Zones } from "./zones";

declare global {
  interface Window {
    /** Counters and lookups for tests. */
    __waystream?: {
      readonly entities: number;
      readonly moved: number;
      readonly crossings: number;
      readonly zones: string[];
      position(key: string): [number, number] | undefined;
      keys(): string[];
      /** Where on the page an entity is drawn. */
      pixel(key: string): { x: number; y: number } | undefined;
    };
  }
}

/** Pixels around a click in which an entity counts as meant. */
const REACH_PX = 7;
const CLOSE_ZOOM = 11;

async function main(): Promise<void> {
  const entities = new Entities();
  const header = new Header(entities);
  drawLegend();
  const map = await makeMap("map");
  const zones = new Zones(map);
  const drawing = new Drawing(map, entities);
  const cells = new Cells(map, entities, drawing);
  const select = (key: string | undefined): void => {
    drawing.selected = key;
    drawing.touch();
    panel.select(key);
  };
  const panel = new Panel(entities, () => select(undefined));
  const visit = (key: string, seen: Position | undefined): void => {
    select(key);
    const center = entities.all.get(key)?.at ?? seen;
    if (center) map.flyTo({ center, zoom: Math.max(map.getZoom(), CLOSE_ZOOM), duration: 800 });
  };
  const zoneName = (id: string): string => zones.name(id);
  const ticker = new Ticker(element("ticker"), element("ticker-empty"), zoneName, visit);
  selectOnClick(map, select);
  chooseCells(cells);
  fitOnce(map, entities, cells);
  expose(map, entities, zones, ticker);

  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const client = new Client(url.href, (state, text) => header.connection(state, text));
  // First, so that crossings find the names of their zones.
  client.subscribe("zones", zones);
  client.subscribe("live", entities);
  client.subscribe("crossings", ticker.of("crossings"));
  client.subscribe("stops", ticker.of("stops"));
  client.subscribe("trips", ticker.of("trips"));
  client.connect();
}

function selectOnClick(map: MapView, select: (key: string | undefined) => void): void {
  map.on("click", (event) => {
    const { x, y } = event.point;
    const found = map.queryRenderedFeatures(
      [
        [x - REACH_PX, y - REACH_PX],
        [x + REACH_PX, y + REACH_PX],
      ],
      { layers: ENTITY_LAYERS },
    );
    const far = (at: GeoJSON.Geometry): number => {
      if (at.type !== "Point") return Infinity;
      const pixel = map.project(at.coordinates as [number, number]);
      return Math.hypot(pixel.x - x, pixel.y - y);
    };
    found.sort((a, b) => far(a.geometry) - far(b.geometry));
    const key: unknown = found[0]?.properties["key"];
    select(typeof key === "string" ? key : undefined);
  });
  for (const layer of ENTITY_LAYERS) {
    map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
  }
}

function chooseCells(cells: Cells): void {
  element("density").addEventListener("change", (event) => {
    if (event.target instanceof HTMLInputElement) cells.setMode(event.target.value as Mode);
  });
}

/** Fits the map to the first entities, once, unless somebody has moved it. */
function fitOnce(map: MapView, entities: Entities, cells: Cells): void {
  let fitted = false;
  map.once("dragstart", () => (fitted = true));
  entities.onFolded((whole) => {
    if (fitted || !whole || entities.all.size === 0) return;
    fitted = true;
    fit(
      map,
      [...entities.all.values()].map((entity) => entity.at),
    );
    cells.draw();
    map.once("idle", () => document.body.setAttribute("data-ready", ""));
    window.setTimeout(() => document.body.setAttribute("data-ready", ""), 5_000);
  });
}

function expose(map: MapView, entities: Entities, zones: Zones, ticker: Ticker): void {
  window.__waystream = {
    get entities() {
      return entities.all.size;
    },
    get moved() {
      return entities.moved;
    },
    get crossings() {
      return ticker.crossings;
    },
    get zones() {
      return zones.names();
    },
    position: (key) => entities.all.get(key)?.at,
    keys: () => [...entities.all.keys()],
    pixel: (key) => {
      const entity = entities.all.get(key);
      return entity && map.project(entity.at);
    },
  };
}

function drawLegend(): void {
  const legend = element("legend");
  for (const band of BANDS) {
    const item = document.createElement("span");
    const swatch = document.createElement("i");
    swatch.style.background = band.colour;
    item.append(swatch, band.name);
    legend.append(item);
  }
}

main().catch((error: unknown) => {
  const status = element("connection");
  status.dataset["state"] = "closed";
  status.textContent = error instanceof Error ? error.message : String(error);
});

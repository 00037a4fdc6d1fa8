/** The map: an offline style, and the sources and layers that the other modules fill. */

import * as maplibre from "maplibre-gl";
import type { GeoJSONSource, LngLatBoundsLike, Map as MapView } from "maplibre-gl";
import { feature } from "topojson-client";
import type { Topology } from "topojson-specification";
import { BANDS, UNKNOWN } from "./speed";

export const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

const ARROW_PX = 22;
const RATIO = 2;

/** Layers that hold entities, for clicks. */
export const ENTITY_LAYERS = ["dots", "arrows"];

/** Makes the map; resolves when its layers stand. */
export async function makeMap(container: string): Promise<MapView> {
  maplibre.setWorkerUrl(new URL("maplibre-gl-worker.mjs", document.baseURI).href);
  const land = await loadLand();
  const map = new maplibre.Map({
    container,
    attributionControl: false,
    center: [-30, 30],
    zoom: 2,
    maxZoom: 17,
    dragRotate: false,
    pitchWithRotate: false,
    style: {
      version: 8,
      sources: {
        land: { type: "geojson", data: land, tolerance: 0.2 },
        ...Object.fromEntries(
          ["zones", "cells", "trails", "entities", "selected"].map((name) => [
            name,
            { type: "geojson" as const, data: EMPTY, tolerance: 0 },
          ]),
        ),
      },
      layers: [
        { id: "sea", type: "background", paint: { "background-color": "#0b1622" } },
        { id: "land", type: "fill", source: "land", paint: { "fill-color": "#182635" } },
        {
          id: "coast",
          type: "line",
          source: "land",
          paint: { "line-color": "#35506a", "line-width": 0.8 },
        },
      ],
    },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "bottom-right");
  map.addControl(
    new maplibre.AttributionControl({ compact: false, customAttribution: "Natural Earth" }),
    "bottom-right",
  );
  map.addControl(new maplibre.ScaleControl(), "bottom-right");
  await new Promise<void>((resolve) => void map.once("load", () => resolve()));
  addArrows(map);
  addAreaLayers(map);
  addEntityLayers(map);
  return map;
}

/** Shows a line of text beside the pointer where a layer has something and no entity is above. */
export function nameOnHover(
  map: MapView,
  layer: string,
  name: (properties: Record<string, unknown>) => string,
): void {
  const label = new maplibre.Popup({ closeButton: false, closeOnClick: false, offset: 8 });
  map.on("mousemove", layer, (event) => {
    const above = map.queryRenderedFeatures(event.point, { layers: ENTITY_LAYERS });
    const names = new Set((event.features ?? []).map((found) => name(found.properties)));
    const text = [...names].filter((part) => part !== "").join(" · ");
    if (above.length > 0 || text === "") label.remove();
    else label.setLngLat(event.lngLat).setText(text).addTo(map);
  });
  map.on("mouseleave", layer, () => label.remove());
}

/** Replaces what a source shows. */
export function show(map: MapView, source: string, features: GeoJSON.Feature[]): void {
  const data: GeoJSON.FeatureCollection = { type: "FeatureCollection", features };
  void map.getSource<GeoJSONSource>(source)?.setData(data);
}

/** Fits the map to positions, leaving room for the panels. */
export function fit(map: MapView, positions: Iterable<[number, number]>): void {
  const lons: number[] = [];
  const lats: number[] = [];
  for (const [lon, lat] of positions) {
    lons.push(lon);
    lats.push(lat);
  }
  if (lons.length === 0) return;
  const [west, east] = middle(lons);
  const [south, north] = middle(lats);
  const bounds: LngLatBoundsLike = [west, south, east, north];
  const wide = map.getContainer().clientWidth > 900;
  const padding = { top: 90, bottom: 60, left: 60, right: wide ? 380 : 60 };
  map.fitBounds(bounds, { padding, maxZoom: 13, animate: false });
}

/** The span of all values but a few far ones: one stray position must not zoom the map out. */
function middle(values: number[]): [number, number] {
  values.sort((a, b) => a - b);
  const cut = values.length > 50 ? Math.floor(values.length * 0.02) : 0;
  const low = values[cut] ?? 0;
  return [low, values[values.length - 1 - cut] ?? low];
}

async function loadLand(): Promise<GeoJSON.GeoJSON> {
  const answer = await fetch("land.json");
  const topology = (await answer.json()) as Topology;
  const land = topology.objects["land"];
  return land ? feature(topology, land) : EMPTY;
}

function addArrows(map: MapView): void {
  for (const band of [...BANDS, UNKNOWN]) {
    const size = ARROW_PX * RATIO;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size;
    const pen = canvas.getContext("2d");
    if (!pen) return;
    pen.scale(size / 22, size / 22);
    pen.beginPath();
    pen.moveTo(11, 2);
    pen.lineTo(17, 19);
    pen.lineTo(11, 15.5);
    pen.lineTo(5, 19);
    pen.closePath();
    pen.lineJoin = "round";
    pen.lineWidth = 2;
    pen.strokeStyle = "#08111b";
    pen.stroke();
    pen.fillStyle = band.colour;
    pen.fill();
    const image = pen.getImageData(0, 0, size, size);
    map.addImage(`arrow ${band.name}`, image, { pixelRatio: RATIO });
  }
}

/** Zones and cells, below everything that moves. */
function addAreaLayers(map: MapView): void {
  map.addLayer({
    id: "zones",
    type: "fill",
    source: "zones",
    paint: { "fill-color": "#a78bfa", "fill-opacity": 0.05 },
  });
  map.addLayer({
    id: "zone-lines",
    type: "line",
    source: "zones",
    paint: { "line-color": "#a78bfa", "line-opacity": 0.75, "line-width": 1.2 },
  });
  map.addLayer({
    id: "cells",
    type: "fill",
    source: "cells",
    paint: {
      "fill-color": [
        "interpolate",
        ["linear"],
        ["get", "part"],
        ...[0, "#123a5c", 0.4, "#1d7291", 0.75, "#2fb8a6", 1, "#b9f3a8"],
      ],
      "fill-opacity": ["interpolate", ["linear"], ["get", "part"], 0, 0.35, 1, 0.7],
      "fill-outline-color": "#0b1622",
    },
  });
}

function addEntityLayers(map: MapView): void {
  map.addLayer({
    id: "trails",
    type: "line",
    source: "trails",
    paint: { "line-color": ["get", "colour"], "line-opacity": 0.35, "line-width": 1.4 },
  });
  const size = ["interpolate", ["linear"], ["zoom"], 3, 0.35, 8, 0.6, 12, 1] as const;
  map.addLayer({
    id: "dots",
    type: "circle",
    source: "entities",
    filter: ["!", ["has", "heading"]],
    paint: {
      "circle-radius": ["interpolate", ["linear"], ["zoom"], 3, 1.2, 8, 2.5, 12, 4],
      "circle-color": ["get", "colour"],
      "circle-stroke-color": "#08111b",
      "circle-stroke-width": 1,
    },
  });
  map.addLayer({
    id: "arrows",
    type: "symbol",
    source: "entities",
    filter: ["has", "heading"],
    layout: {
      "icon-image": ["get", "icon"],
      "icon-rotate": ["get", "heading"],
      "icon-rotation-alignment": "map",
      "icon-allow-overlap": true,
      "icon-ignore-placement": true,
      "icon-size": size as unknown as number,
    },
  });
  map.addLayer({
    id: "selected",
    type: "circle",
    source: "selected",
    paint: {
      "circle-radius": 15,
      "circle-opacity": 0,
      "circle-stroke-color": "#f8fafc",
      "circle-stroke-width": 1.6,
    },
  });
}

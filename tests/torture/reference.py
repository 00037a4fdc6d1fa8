"""What `fleet` must answer, computed anew from all rows at once with the rules in tests/data/README.md.

Shares no code with the engine. test_oracle.py holds it against the answers of other programs on the bundled
hour, so that it may be used for input that they were never given: more hours, late rows, rows left out.
Cells are not computed here, for want of H3: dataset.py takes them from those answers.
"""

import json
import math
from collections import defaultdict
from fractions import Fraction

EARTH_RADIUS_M = 6_371_008.8
TRIP_GAP_MS = 300_000
STOP_RADIUS_M = 100.0
STOP_TIME_MS = 300_000


def metres(one, other):
    """Haversine, from degrees."""
    lat, lon, lat2, lon2 = map(math.radians, (one["lat"], one["lon"], other["lat"], other["lon"]))
    half = math.sin((lat2 - lat) / 2) ** 2 + math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half)))


def side(x, y, ax, ay, bx, by):
    """Positive left of the way from a to b, 0 exactly on its line."""
    value = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
    if abs(value) > 1e-9:
        return value
    ax, ay, bx, by, x, y = map(Fraction, (ax, ay, bx, by, x, y))
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax)


def in_polygon(x, y, rings):
    """Strictly inside, by even and odd; on an edge is outside."""
    odd = False
    for ring in rings:
        for (ax, ay), (bx, by) in zip(ring, ring[1:]):
            if min(ay, by) <= y <= max(ay, by):
                turn = side(x, y, ax, ay, bx, by)
                if turn == 0 and min(ax, bx) <= x <= max(ax, bx):
                    return False
                if (ay > y) != (by > y) and (turn > 0) == (by > ay):
                    odd = not odd
    return odd


class Zones:
    """Zones of a GeoJSON file: which of them a position is in."""

    def __init__(self, path):
        self.zones = []
        for feature in json.loads(path.read_text())["features"]:
            shape = feature["geometry"]
            polygons = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
            self.zones.append((feature["properties"]["id"], polygons))
        self.known = {}

    def around(self, row):
        place = row["lon"], row["lat"]
        if place not in self.known:
            self.known[place] = frozenset(
                name for name, polygons in self.zones if any(in_polygon(*place, rings) for rings in polygons)
            )
        return self.known[place]


def by_entity(rows):
    """Rows of each entity in order of time, equal times in the order given."""
    entities = defaultdict(list)
    for row in rows:
        entities[row["entity_id"]].append(row)
    return {name: sorted(entities[name], key=lambda row: row["ts"]) for name in sorted(entities)}


def crossings(name, rows, zones):
    inside = frozenset()
    for row in rows:
        now = zones.around(row)
        for event, names in (("enter", now - inside), ("exit", inside - now)):
            for zone in sorted(names):
                yield {
                    "entity_id": name, "zone": zone, "event": event,
                    "ts_ms": row["ts"], "lat": row["lat"], "lon": row["lon"],
                }
        inside = now


def trips(name, rows):
    parts = [[rows[0]]]
    for before, row in zip(rows, rows[1:]):
        if row["ts"] - before["ts"] > TRIP_GAP_MS:
            parts.append([])
        parts[-1].append(row)
    for number, part in enumerate(parts):
        speeds = [row["speed"] for row in part if row.get("speed") is not None]
        yield {
            "entity_id": name, "trip": number, "start_ms": part[0]["ts"], "end_ms": part[-1]["ts"],
            "n": len(part), "distance_m": sum(metres(a, b) for a, b in zip(part, part[1:])),
            "start_lat": part[0]["lat"], "start_lon": part[0]["lon"],
            "end_lat": part[-1]["lat"], "end_lon": part[-1]["lon"],
            "max_speed": max(speeds, default=None),
        }


def stops(name, rows):
    runs = [[rows[0]]]
    for row in rows[1:]:
        if metres(runs[-1][0], row) > STOP_RADIUS_M:
            runs.append([])
        runs[-1].append(row)
    for run in runs:
        if run[-1]["ts"] - run[0]["ts"] >= STOP_TIME_MS:
            yield {
                "entity_id": name, "start_ms": run[0]["ts"], "end_ms": run[-1]["ts"], "n": len(run),
                "anchor_lat": run[0]["lat"], "anchor_lon": run[0]["lon"],
                "mean_lat": sum(row["lat"] for row in run) / len(run),
                "mean_lon": sum(row["lon"] for row in run) / len(run),
            }


def live(name, rows):
    """The last state; its cell is left open."""
    last = rows[-1]
    return {
        "entity_id": name, "ts_ms": last["ts"], "lat": last["lat"], "lon": last["lon"],
        "speed": last.get("speed"), "heading": last.get("heading"), "cell": None, "events": len(rows),
    }


def answers(rows, zones):
    """Rows of the sinks, each in order of time within an entity."""
    found = {"live": [], "crossings": [], "trips": [], "stops": []}
    for name, of_entity in by_entity(rows).items():
        found["live"].append(live(name, of_entity))
        found["crossings"].extend(crossings(name, of_entity, zones))
        found["trips"].extend(trips(name, of_entity))
        found["stops"].extend(stops(name, of_entity))
    return found

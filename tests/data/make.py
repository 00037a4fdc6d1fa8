#!/usr/bin/env python3
"""Writes the reference answers for the bundled hour as CSV, from the shared data folder.

    VENV/bin/python tests/data/make.py ../shared/data/expected   # a venv with pyarrow

Each file has the name and columns of the sink it is compared with; an empty field is null.
"""

import csv
import pathlib
import sys

import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).resolve().parent
DATASET = "ais_nyharbor_2020-06-30_h00"
# Sink -> (reference table, columns; `a=b` is column a of the sink, b of the reference).
TABLES = {
    "live": (
        "last",
        ["entity_id", "ts_ms", "lat", "lon", "speed", "heading", "cell", "events"],
    ),
    "cells": (
        "win60_h3r8",
        ["window_start_ms", "cell", "n", "entities", "speed_n", "speed_sum", "speed_avg"],
    ),
    "crossings": (
        "fence.ny_harbor_zones",
        ["entity_id", "zone=fence_id", "event=transition", "ts_ms", "lat", "lon"],
    ),
    "trips": (
        "sessions",
        ["entity_id", "trip=session", "start_ms", "end_ms", "n", "distance_m"]
        + ["start_lat", "start_lon", "end_lat", "end_lon", "max_speed"],
    ),
    "stops": (
        "stops",
        ["entity_id", "start_ms", "end_ms", "n", "anchor_lat", "anchor_lon", "mean_lat", "mean_lon"],
    ),
}


def text(column, value):
    """The shortest text that reads back as the same value."""
    if value is None:
        return ""
    if column == "cell":
        return f"{value:x}"
    return repr(value) if isinstance(value, float) else str(value)


def main():
    source = pathlib.Path(sys.argv[1])
    folder = HERE / "expected" / "ais_nyharbor"
    folder.mkdir(parents=True, exist_ok=True)
    for sink, (table, columns) in TABLES.items():
        pairs = [(name, source_name or name) for name, _, source_name in (c.partition("=") for c in columns)]
        rows = pq.read_table(source / f"{DATASET}.{table}.parquet").to_pylist()
        with open(folder / f"{sink}.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(name for name, _ in pairs)
            for row in rows:
                writer.writerow(text(name, row[source_name]) for name, source_name in pairs)
        print(f"{sink}.csv: {len(rows)} rows")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares what `fleet` wrote with reference answers. Exit 1 if anything differs.

    compare.py tests/data/expected/ais_nyharbor OUT_DIR
    compare.py ../shared/data/expected/ais_nyharbor_2020-06-30_h00 OUT_DIR --fence ny_harbor_zones
    compare.py EXPECTED live=out/live.jsonl cells=out/cells --only live,cells

EXPECTED is a folder of CSV files named after sinks, or FOLDER/DATASET of reference tables in Parquet.
OUT_DIR holds one file or folder per sink: cells.jsonl, cells.parquet, or cells/ with such files in it.
Names that begin with a dot or underscore are not looked at. Parquet needs pyarrow; the rest needs nothing.
"""

import argparse
import csv
import json
import math
import pathlib
import struct
import sys
from collections import defaultdict

# Column kinds: s text, i whole number, f float (1e-9 relative), h float of 32 bits, d metres, c cell.
# `key` finds the row to compare with; rows of one key are paired after sorting.
TABLES = {
    "live": dict(
        key=["entity_id"],
        columns=dict(entity_id="s", ts_ms="i", lat="f", lon="f", speed="h", heading="h", cell="c", events="i"),
        reference="last",
        rename={},
    ),
    "cells": dict(
        key=["window_start_ms", "cell"],
        columns=dict(window_start_ms="i", cell="c", n="i", entities="i", speed_n="i", speed_sum="f", speed_avg="f"),
        reference="win60_h3r8",
        rename={},
    ),
    "crossings": dict(
        key=["entity_id", "zone", "event", "ts_ms"],
        columns=dict(entity_id="s", zone="s", event="s", ts_ms="i", lat="f", lon="f"),
        reference="fence",
        rename={"fence_id": "zone", "transition": "event"},
    ),
    "trips": dict(
        key=["entity_id", "trip"],
        columns=dict(
            entity_id="s", trip="i", start_ms="i", end_ms="i", n="i", distance_m="d",
            start_lat="f", start_lon="f", end_lat="f", end_lon="f", max_speed="h",
        ),
        reference="sessions",
        rename={"session": "trip"},
    ),
    "stops": dict(
        key=["entity_id", "start_ms"],
        columns=dict(
            entity_id="s", start_ms="i", end_ms="i", n="i",
            anchor_lat="f", anchor_lon="f", mean_lat="f", mean_lon="f",
        ),
        reference="stops",
        rename={},
    ),
}
SHOWN = 5


class Unreadable(Exception):
    """A file or value that cannot be taken for what it should be."""


def read_parquet(path):
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise Unreadable(f"{path}: reading Parquet needs pyarrow (pip install pyarrow)") from None
    return pq.ParquetFile(path).read().to_pylist()


def read_jsonl(path):
    rows = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise Unreadable(f"{path}:{number}: not JSON: {error}") from None
    return rows


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


READERS = {".parquet": read_parquet, ".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv}


def read(path):
    """Rows of a file, or of all files below a folder in order of their names."""
    if path.is_file():
        if path.suffix not in READERS:
            raise Unreadable(f"{path}: not one of {', '.join(READERS)}")
        return READERS[path.suffix](path)
    if not path.is_dir():
        raise Unreadable(f"{path}: no such file or folder")
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix in READERS]
    visible = [file for file in files if not any(part[0] in "._" for part in file.relative_to(path).parts)]
    return [row for file in visible for row in READERS[file.suffix](file)]


def integer(value):
    if isinstance(value, float) or isinstance(value, bool):
        raise ValueError("not a whole number")
    return int(value)


def as_f32(value):
    return struct.unpack("f", struct.pack("f", float(value)))[0]


def as_cell(value):
    return int(value, 16) if isinstance(value, str) else integer(value)


def as_text(value):
    if not isinstance(value, str):
        raise ValueError("not text")
    return value


CONVERT = {"s": as_text, "i": integer, "f": float, "d": float, "h": as_f32, "c": as_cell}


def normal(sink, row, from_csv=False):
    """The row with the sink's columns only, each of its own kind, null as None."""
    result = {}
    for column, kind in TABLES[sink]["columns"].items():
        if column not in row:
            raise Unreadable(f"{sink}: no column `{column}` in {row}")
        value = row[column]
        if value is None or (from_csv and value == ""):
            result[column] = None
            continue
        try:
            result[column] = CONVERT[kind](value)
        except (TypeError, ValueError, OverflowError):
            raise Unreadable(f"{sink}: column `{column}` holds {value!r}") from None
    return result


def equal(kind, left, right):
    if left is None or right is None:
        return left is right
    if kind in "fd":
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-6 if kind == "d" else 0.0)
    return left == right


def expected_rows(sink, source, fence):
    """Reference rows, from a CSV named after the sink or from a table of a dataset."""
    table = TABLES[sink]
    if source.is_dir():
        return [normal(sink, row, from_csv=True) for row in read_csv(source / f"{sink}.csv")]
    name = table["reference"]
    if name == "fence":
        found = sorted(source.parent.glob(f"{source.name}.fence.{fence or '*'}.parquet"))
        if len(found) != 1:
            raise Unreadable(f"{source}: {len(found)} fence tables; choose one with --fence")
        path = found[0]
    else:
        path = source.parent / f"{source.name}.{name}.parquet"
    if not path.is_file():
        raise Unreadable(f"{path}: no such reference table")
    rename = table["rename"]
    rows = read(path)
    return [normal(sink, {rename.get(k, k): v for k, v in row.items()}) for row in rows]


def last_states(rows):
    """The state that stands at the end for each entity, and rows that were committed twice.

    Among the changes of an entity the one that counts the most events is the last, whatever file it
    stands in. Two changes after the same number of events are one row written twice.
    """
    last, twice = {}, []
    seen = set()
    for row in rows:
        if row.get("change") != "upsert":
            continue
        state = normal("live", row)
        mark = (state["entity_id"], state["events"])
        if mark in seen:
            twice.append(state)
        seen.add(mark)
        held = last.get(state["entity_id"])
        if held is None or (state["events"], state["ts_ms"]) >= (held["events"], held["ts_ms"]):
            last[state["entity_id"]] = state
    return list(last.values()), twice


def by_key(sink, rows):
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[column] for column in TABLES[sink]["key"])].append(row)
    for group in groups.values():
        group.sort(key=lambda row: [(value is not None, value) for value in row.values()])
    return groups


def differences(sink, expected, actual):
    """One line for each row that is missing, too many, or not equal."""
    left, right = by_key(sink, expected), by_key(sink, actual)
    kinds = TABLES[sink]["columns"]
    for key in sorted(left.keys() | right.keys(), key=repr):
        wanted, got = left.get(key, []), right.get(key, [])
        for row in wanted[len(got):]:
            yield f"missing {row}"
        for row in got[len(wanted):]:
            yield f"too many {row}"
        for one, other in zip(wanted, got):
            wrong = [column for column, kind in kinds.items() if not equal(kind, one[column], other[column])]
            if wrong:
                told = ", ".join(f"{column}: expected {one[column]!r}, got {other[column]!r}" for column in wrong)
                yield f"{dict(zip(TABLES[sink]['key'], key))}: {told}"


def output_of(sink, outputs):
    """Where a sink was written: named itself, or found by name in a folder."""
    if sink in outputs["named"]:
        return outputs["named"][sink]
    for folder in outputs["folders"]:
        for name in [sink] + [f"{sink}{suffix}" for suffix in READERS]:
            if (folder / name).exists():
                return folder / name
    raise Unreadable(f"{sink}: no output; give {sink}=PATH, or leave it out with --only")


def compare(sink, source, fence, outputs):
    """Prints one line for the table and its first differences; tells whether it is equal."""
    expected = expected_rows(sink, source, fence)
    raw = read(output_of(sink, outputs))
    if sink == "live":
        actual, twice = last_states(raw)
    else:
        actual, twice = [normal(sink, row) for row in raw], []
    wrong = [f"committed twice {row}" for row in twice] + list(differences(sink, expected, actual))
    verdict = "equal" if not wrong else f"{len(wrong)} differences"
    print(f"{sink:<10} expected {len(expected):>7}  got {len(actual):>7}  {verdict}")
    for line in wrong[:SHOWN]:
        print(f"    {line}")
    if len(wrong) > SHOWN:
        print(f"    and {len(wrong) - SHOWN} more")
    return not wrong


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("expected", type=pathlib.Path)
    parser.add_argument("outputs", nargs="+", metavar="OUT_DIR|SINK=PATH")
    parser.add_argument("--fence", help="which fence table, if the dataset has several")
    parser.add_argument("--only", default=",".join(TABLES), help="sinks, separated by commas")
    options = parser.parse_args(arguments)
    options.sinks = options.only.split(",")
    for sink in options.sinks:
        if sink not in TABLES:
            parser.error(f"no sink `{sink}`; there are {', '.join(TABLES)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    outputs = {"named": {}, "folders": []}
    for output in options.outputs:
        name, equals, path = output.partition("=")
        if equals and name in TABLES:
            outputs["named"][name] = pathlib.Path(path)
        else:
            outputs["folders"].append(pathlib.Path(output))
    same = True
    for sink in options.sinks:
        try:
            same &= compare(sink, options.expected, options.fence, outputs)
        except (Unreadable, OSError) as error:
            print(f"{sink:<10} cannot be compared: {error}")
            same = False
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

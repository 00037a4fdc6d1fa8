"""Whether what a consumer read of the sinks' topics is what must be there: nothing lost, doubled or wrong,
and each key's rows in one partition and in order. Shares no code with the engine."""

import json
import pathlib
import sys
from collections import Counter, defaultdict

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
import compare

normal = compare.normal
# Where the order of a key's rows shows: the columns that name the key, and what must grow along it.
ORDER = {
    "live": (["entity_id"], lambda row: row["events"], "strictly"),
    "crossings": (["entity_id"], lambda row: row["ts_ms"], "weakly"),
    "trips": (["entity_id"], lambda row: row["trip"], "strictly"),
    "stops": (["entity_id"], lambda row: row["start_ms"], "strictly"),
    "cells": (["cell"], lambda row: row["window_start_ms"], "strictly"),
}


def expected_rows(sink, folder):
    return compare.expected_rows(sink, folder, None)


def differences(sink, expected, records):
    """One line for each thing that is wrong with the records of a sink's topic.

    `records` are what Consume.java prints: in order of offsets within each partition.
    """
    rows, wrong = [], []
    for record in records:
        where = f"{record['topic']}/{record['partition']}@{record['offset']}"
        value = record.get("value")
        if value is None:
            # Removals of `live`, which no bounded run has.
            wrong.append(f"{where}: no value: {record}")
            continue
        try:
            row = json.loads(value)
            if not isinstance(row, dict):
                raise ValueError(f"no object: {value}")
            rows.append((record, row, normal(sink, row)))
        except (ValueError, compare.Unreadable) as error:
            wrong.append(f"{where}: {error}")
            continue
        if "entity_id" in row and record["key"] != row["entity_id"]:
            wrong.append(f"{where}: the key is {record['key']!r}, the row of {row['entity_id']!r}")
    if sink == "live":
        actual, twice = compare.last_states([row for _, row, _ in rows])
        wrong += [f"committed twice {row}" for row in twice]
        wrong += holes(expected, rows)
        if any(row["cell"] is None for row in expected):
            actual = [dict(row, cell=None) for row in actual]
    else:
        actual = [row for _, _, row in rows]
    return wrong + list(compare.differences(sink, expected, actual)) + list(disorder(sink, rows))


def holes(expected, rows):
    """Entities some of whose changes are not there; each position changes `live`, as it counts them."""
    found = defaultdict(set)
    for _, _, row in rows:
        found[row["entity_id"]].add(row["events"])
    for row in expected:
        lost = set(range(1, row["events"] + 1)) - found[row["entity_id"]]
        # The last is reported as the state that is not equal.
        if lost - {row["events"]}:
            yield f"{row['entity_id']}: {len(lost)} of {row['events']} changes are missing, as {min(lost)}"


def disorder(sink, rows):
    """Keys whose rows are not in order, or in more than one partition."""
    columns, place, how = ORDER[sink]
    last, partition, inside, told = {}, {}, {}, set()
    for record, _, row in rows:
        key = tuple(row[column] for column in columns)
        if partition.setdefault(key, record["partition"]) != record["partition"] and key not in told:
            told.add(key)
            yield f"{sink} {key}: in partitions {partition[key]} and {record['partition']}"
        now = place(row)
        if key in last and (now < last[key] or (how == "strictly" and now == last[key])):
            yield f"{sink} {key}: out of order at offset {record['offset']}: {now} after {last[key]}"
        last[key] = now
        if sink == "crossings":
            zone = key + (row["zone"],)
            if inside.get(zone, "exit") == row["event"]:
                yield f"crossings {zone}: {row['event']} twice in a row at offset {record['offset']}"
            inside[zone] = row["event"]


KINDS = ["missing", "too many", "committed twice", "out of order", "twice in a row", "in partitions", "the key is", "expected"]


def kinds(lines):
    """How many lines there are of each sink and kind."""
    counts = Counter()
    for line in lines:
        kind = next((kind for kind in KINDS if kind in line), "unreadable")
        counts[f"{line.partition(':')[0]} {kind}"] += 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


class Verdict:
    """What was wrong with the sinks of one run; empty if nothing was."""

    def __init__(self, expected, read):
        """`read` gives the records of a sink."""
        self.wrong, self.rows = [], {}
        for sink, rows in expected.items():
            records = read(sink)
            self.rows[sink] = len(records)
            self.wrong += [f"{sink}: {line}" for line in differences(sink, rows, records)]

    def __str__(self):
        shown = "\n".join(f"      {line}" for line in self.wrong[:8])
        more = f"\n      and {len(self.wrong) - 8} more" if len(self.wrong) > 8 else ""
        return f"{len(self.wrong)} differences: {kinds(self.wrong)}\n{shown}{more}"

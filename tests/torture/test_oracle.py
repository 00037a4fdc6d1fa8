#!/usr/bin/env python3
"""The checkers of the torture: they accept a right output and see each kind of wrong one; needs no broker.

    python3 tests/torture/test_oracle.py
"""

import copy
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import dataset
import oracle

PARTITIONS = 4


def produced(sink, rows, topic=None):
    """Records as a right job writes them: by key to partitions, each in order."""
    ends, records = [0] * PARTITIONS, []
    for row in rows:
        row = dict(row)
        if "cell" in row and row["cell"] is not None:
            row["cell"] = f"{row['cell']:x}"
        key = row.get("entity_id") or row["cell"]
        partition = hash(key) % PARTITIONS
        records.append({
            "topic": topic or sink, "partition": partition, "offset": ends[partition], "key": key,
            "value": json.dumps(row),
        })
        ends[partition] += 1
    return records


def history(last):
    """All changes that end in these states."""
    for row in last:
        for events in range(1, row["events"]):
            yield dict(row, change="upsert", lat=0.0, events=events)
        yield dict(row, change="upsert")


class Oracle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.data = dataset.Dataset(2)
        except dataset.Missing as error:
            raise unittest.SkipTest(f"without {error}")
        cls.expected = cls.data.expected()
        cls.right = {}
        for sink, rows in cls.expected.items():
            rows = list(history(rows)) if sink == "live" else sorted(rows, key=oracle.ORDER[sink][1])
            cls.right[sink] = produced(sink, rows)

    def setUp(self):
        self.records = copy.deepcopy(self.right)

    def wrong(self, sink):
        return oracle.differences(sink, self.expected[sink], self.records[sink])

    def one(self, sink):
        """A record in the middle."""
        return len(self.records[sink]) // 2

    def test_a_right_output_is_accepted(self):
        for sink in self.expected:
            self.assertEqual(self.wrong(sink), [], sink)

    def test_a_row_removed_is_seen(self):
        for sink in self.expected:
            del self.records[sink][self.one(sink)]
            self.assertTrue(any("missing" in line for line in self.wrong(sink)), sink)

    def test_a_row_doubled_is_seen(self):
        for sink in self.expected:
            at = self.one(sink)
            self.records[sink].insert(at, self.records[sink][at])
            told = " ".join(self.wrong(sink))
            self.assertTrue("too many" in told or "committed twice" in told, sink)

    def test_a_row_doubled_at_the_end_is_seen(self):
        for sink in self.expected:
            self.records[sink].append(self.records[sink][0])
            self.assertNotEqual(self.wrong(sink), [], sink)

    def test_a_row_altered_is_seen(self):
        altered = {"live": "lat", "crossings": "lon", "trips": "n", "stops": "end_ms", "cells": "entities"}
        for sink, column in altered.items():
            # Of `live` the last state counts, which is that of the last record.
            record = self.records[sink][-1]
            row = json.loads(record["value"])
            record["value"] = json.dumps(dict(row, **{column: row[column] + 1}))
            self.assertTrue(any(f"{column}: expected" in line for line in self.wrong(sink)), sink)

    def test_two_rows_of_a_key_swapped_are_seen(self):
        for sink in self.expected:
            records = self.records[sink]
            value = lambda at: json.loads(records[at]["value"])
            growing = oracle.ORDER[sink][1]
            one, other = next(
                (i, j)
                for i in range(len(records))
                for j in range(i + 1, len(records))
                if records[i]["key"] == records[j]["key"] and growing(value(i)) < growing(value(j))
            )
            records[one]["value"], records[other]["value"] = records[other]["value"], records[one]["value"]
            self.assertTrue(any("out of order" in line for line in self.wrong(sink)), sink)

    def test_a_key_in_two_partitions_is_seen(self):
        for sink in self.expected:
            records = self.records[sink]
            keys = [record["key"] for record in records]
            record = next(record for record in records if keys.count(record["key"]) > 1)
            record["partition"] = PARTITIONS
            self.assertTrue(any("in partitions" in line for line in self.wrong(sink)), sink)

    def test_another_key_is_seen(self):
        self.records["trips"][3]["key"] = "nobody"
        self.assertTrue(any("the key is 'nobody'" in line for line in self.wrong("trips")))

    def test_what_is_no_row_is_seen(self):
        for value in (None, "", "{", "[]", "{}", "null"):
            self.records = copy.deepcopy(self.right)
            self.records["stops"][5]["value"] = value
            self.assertNotEqual(self.wrong("stops"), [], value)

    def test_an_empty_output_is_seen(self):
        for sink in self.expected:
            self.records[sink].clear()
            self.assertNotEqual(self.wrong(sink), [], sink)


class Reference(unittest.TestCase):
    """The reference gives the answers that other programs gave for the bundled hour."""

    def test_answers_of_the_bundled_hour(self):
        try:
            data = dataset.Dataset(1)
        except dataset.Missing as error:
            self.skipTest(f"without {error}")
        for sink, rows in data.expected().items():
            theirs = oracle.expected_rows(sink, dataset.ANSWERS)
            self.assertEqual(list(oracle.compare.differences(sink, theirs, rows)), [], sink)
            self.assertGreater(len(rows), 200, sink)

    def test_shuffling_stays_within_its_bound(self):
        hour = [
            {"entity_id": str(at % 5), "ts": at * 100 // 3 * 1000, "lat": float(at), "lon": 0.0} for at in range(300)
        ]
        data = dataset.Dataset(2, hour)
        shuffled = data.shuffled(7, 600_000)
        self.assertNotEqual(shuffled, data.rows)
        self.assertEqual(sorted(shuffled, key=lambda row: row["ts"])[0], data.rows[0])
        newest = 0
        for row in shuffled:
            newest = max(newest, row["ts"])
            self.assertLess(newest - row["ts"], 600_000)
        key = lambda row: (row["entity_id"], row["ts"], row["lat"])
        self.assertEqual(sorted(map(key, shuffled)), sorted(map(key, data.rows)))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The comparison itself: it takes right answers in any order and form, and sees each kind of wrong one.

    python3 tests/reference/test_compare.py
"""

import contextlib
import io
import json
import pathlib
import random
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import compare

EXPECTED = pathlib.Path(__file__).resolve().parents[1] / "data" / "expected" / "ais_nyharbor"


def right_answers():
    """What a right run writes, made from the expected files: rows of each sink, in the form of JSON."""
    answers = {}
    for sink in compare.TABLES:
        rows = compare.expected_rows(sink, EXPECTED, None)
        for row in rows:
            if "cell" in row:
                row["cell"] = f"{row['cell']:x}"
        answers[sink] = rows
    answers["live"] = history(answers["live"])
    return answers


def history(last):
    """Changes that end in the states given: an older one before each, with removals between."""
    changes = []
    for row in last:
        if row["events"] > 1:
            older = dict(row, ts_ms=row["ts_ms"] - 1000, lat=0.0, events=row["events"] - 1)
            changes.append(dict(older, change="upsert"))
        changes.append(dict(row, change="upsert", kind="vessel"))
    return changes


class Compare(unittest.TestCase):
    def setUp(self):
        self.answers = right_answers()

    def run_on(self, write, *arguments):
        """Writes the answers, compares, and gives the exit status and what was printed."""
        printed = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(printed):
            for sink, rows in self.answers.items():
                write(pathlib.Path(folder), sink, rows)
            status = compare.main([str(EXPECTED), folder, *arguments])
        return status, printed.getvalue()

    def assert_wrong(self, sink, told):
        status, printed = self.run_on(jsonl)
        self.assertEqual(status, 1, printed)
        wrong = [line for line in printed.splitlines() if line[0] != " " and not line.endswith("equal")]
        self.assertEqual([line.split()[0] for line in wrong], [sink], printed)
        self.assertIn(told, printed)

    def test_right_answers_are_equal_in_any_order(self):
        for rows in self.answers.values():
            random.Random(7).shuffle(rows)
        status, printed = self.run_on(jsonl)
        self.assertEqual(status, 0, printed)
        self.assertEqual(printed.count("equal"), 5, printed)

    def test_several_files_and_unpublished_ones(self):
        status, printed = self.run_on(split_jsonl)
        self.assertEqual(status, 0, printed)

    def test_parquet(self):
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            self.skipTest("pyarrow is not installed")
        status, printed = self.run_on(parquet)
        self.assertEqual(status, 0, printed)

    def test_float_in_tolerance(self):
        self.answers["trips"][3]["distance_m"] += 5e-7
        self.answers["cells"][9]["speed_sum"] *= 1 + 5e-10
        self.assertEqual(self.run_on(jsonl)[0], 0)

    def test_float_out_of_tolerance(self):
        trip = next(row for row in self.answers["trips"] if row["distance_m"] > 1000)
        trip["distance_m"] *= 1 + 1e-7
        self.assert_wrong("trips", "distance_m")

    def test_row_missing(self):
        del self.answers["crossings"][10]
        self.assert_wrong("crossings", "missing")

    def test_row_twice(self):
        self.answers["stops"].append(dict(self.answers["stops"][0]))
        self.assert_wrong("stops", "too many")

    def test_change_twice(self):
        self.answers["live"].append(dict(self.answers["live"][-1]))
        self.assert_wrong("live", "committed twice")

    def test_last_change_missing(self):
        del self.answers["live"][-1]
        self.assert_wrong("live", "'896876500'")

    def test_count_off_by_one(self):
        self.answers["cells"][100]["n"] += 1
        self.assert_wrong("cells", "n: expected")

    def test_value_instead_of_null(self):
        self.answers["stops"][0]["mean_lat"] = None
        self.assert_wrong("stops", "got None")

    def test_neighbouring_cell(self):
        row = next(row for row in self.answers["cells"] if row["n"] > 1)
        row["cell"] = f"{int(row['cell'], 16) + 0x1000000:x}"
        self.assert_wrong("cells", "too many")

    def test_wrong_type(self):
        self.answers["trips"][0]["n"] = 1.0
        self.assert_wrong("trips", "column `n` holds 1.0")

    def test_one_table_only(self):
        self.answers["stops"].clear()
        self.assertEqual(self.run_on(jsonl, "--only", "cells,trips")[0], 0)

    def test_output_missing(self):
        del self.answers["cells"]
        self.assert_wrong("cells", "no output")


def jsonl(folder, sink, rows):
    with open(folder / f"{sink}.jsonl", "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def split_jsonl(folder, sink, rows):
    (folder / sink).mkdir()
    for part in range(3):
        jsonl(folder / sink, f"part-{2 - part}", rows[part::3])
    jsonl(folder / sink, "_unpublished", rows[:5])


def parquet(folder, sink, rows):
    import pyarrow
    import pyarrow.parquet

    rows = [dict(row, cell=int(row["cell"], 16)) if "cell" in row else row for row in rows]
    (folder / sink).mkdir()
    names = sorted({name for row in rows for name in row})
    table = pyarrow.table({name: [row.get(name) for row in rows] for name in names})
    pyarrow.parquet.write_table(table, folder / sink / "part-0.parquet")


if __name__ == "__main__":
    unittest.main()

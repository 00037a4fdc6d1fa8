#!/usr/bin/env python3
"""The comparison of dead letters sees each kind of wrong one."""

import base64
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import dead_letters

RAW = base64.b64encode(b"[1]").decode()
EXPECTED = [
    dict(partition="in/a.jsonl", offset=3, reason="malformed", raw_base64=RAW),
    dict(partition="in/*.parquet", offset=(1 << 32) | 7, reason="missing", raw_base64=None),
]
RIGHT = [
    dict(EXPECTED[0], source="positions", error="in/a.jsonl:3: expected a JSON object"),
    dict(EXPECTED[1], source="positions", error="in/b.parquet:7: `lat`: is null", raw_base64="e30="),
]


class DeadLetters(unittest.TestCase):
    def wrong(self, actual):
        return list(dead_letters.differences(EXPECTED, actual))

    def test_right_ones_in_any_order(self):
        self.assertEqual(self.wrong(RIGHT), [])
        self.assertEqual(self.wrong(RIGHT[::-1]), [])

    def test_each_kind_of_wrong_one(self):
        changed = lambda **changes: [dict(RIGHT[0], **changes), RIGHT[1]]
        for told, actual in [
            ("missing", RIGHT[1:]),
            ("2 times", RIGHT + RIGHT[:1]),
            ("too many", RIGHT + [dict(RIGHT[0], offset=4)]),
            ("expected malformed, got missing", changed(reason="missing")),
            ("other bytes", changed(raw_base64="e30=")),
            ("does not say where", changed(error="in/a.jsonl:4: expected a JSON object")),
            ("of source", changed(source="others")),
        ]:
            with self.subTest(told):
                wrong = self.wrong(actual)
                self.assertEqual(len(wrong), 1)
                self.assertIn(told, wrong[0])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Compares the dead letters of a run with those that its input must leave. Exit 1 if any differs.

    dead_letters.py EXPECTED.json OUT_DIR

EXPECTED.json is a list of {partition, offset, reason, raw_base64}; without raw bytes (null) they are not
compared, because a row of a table has none of its own. OUT_DIR holds the sink dead-letters in any form.
"""

import base64
import json
import pathlib
import sys
from collections import Counter

import compare


def place(letter):
    return letter["partition"], int(letter["offset"])


def where(letter):
    """How the text of a dead letter begins: the file and the line or row."""
    partition, offset = place(letter)
    if partition.endswith(".jsonl"):
        return f"{partition}:{offset}: "
    return f":{offset & 0xFFFFFFFF}: "


def differences(expected, actual):
    """One line for each letter that is missing, too many, or not as it must be."""
    wanted = {place(letter): letter for letter in expected}
    for mark, count in Counter(place(letter) for letter in actual).items():
        if mark not in wanted:
            yield f"too many: {mark}"
        elif count > 1:
            yield f"{count} times: {mark}"
    found = {place(letter): letter for letter in actual}
    for mark, letter in wanted.items():
        got = found.get(mark)
        if got is None:
            yield f"missing: {mark} {letter['reason']}"
            continue
        if got["source"] != "positions":
            yield f"{mark}: of source {got['source']!r}"
        if got["reason"] != letter["reason"]:
            yield f"{mark}: expected {letter['reason']}, got {got['reason']}: {got['error']}"
        if where(letter) not in got["error"]:
            yield f"{mark}: the text does not say where: {got['error']}"
        raw = letter["raw_base64"]
        if raw is not None and base64.b64decode(raw) != base64.b64decode(got["raw_base64"], validate=True):
            yield f"{mark}: other bytes: expected {raw[:80]}, got {got['raw_base64'][:80]}"


def main(arguments):
    expected = json.loads(pathlib.Path(arguments[0]).read_text())
    outputs = {"named": {}, "folders": [pathlib.Path(arguments[1])]}
    try:
        actual = compare.read(compare.output_of("dead-letters", outputs))
    except compare.Unreadable as error:
        # A folder of Parquet has no file when there was no row.
        if expected:
            print(f"dead-letters cannot be compared: {error}")
            return 1
        actual = []
    wrong = list(differences(expected, actual))
    verdict = "equal" if not wrong else f"{len(wrong)} differences"
    print(f"dead-letters expected {len(expected)}  got {len(actual)}  {verdict}")
    for line in wrong[: compare.SHOWN]:
        print(f"    {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

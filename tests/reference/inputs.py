#!/usr/bin/env python3
"""Writes the rows of a dataset in another form, and the dead letters that reading it must leave.

    inputs.py FORM DATASET.parquet FOLDER [--seed N]

Prints the URL to read. FORM is one of

    as-is      the file itself
    shuffled   one file, rows in any order; rows of equal entity and time keep theirs
    split      the same over three files, with small row groups
    jsonl      JSON lines in order of time over three files, all rows of an entity in one
    broken     the same with one broken line to nineteen good ones, and empty lines

FOLDER/dead-letters.json lists what must be refused: rows without a place on earth, and broken lines.
"""

import argparse
import base64
import json
import pathlib
import random
import zlib

import pyarrow as pa
import pyarrow.parquet as pq

FORMS = ["as-is", "shuffled", "split", "jsonl", "broken"]
FILES = 3
COLUMNS = ["entity_id", "ts", "lat", "lon", "speed", "heading", "kind"]
# What a dead letter keeps of a record.
RAW_BYTES_KEPT = 16 * 1024
GOOD = b'"entity_id":"broken","ts":1600000000000,"lat":1.5,"lon":2.5'


def swap(old, new):
    return b"{" + GOOD.replace(old, new) + b"}"


# Lines that cannot be taken, with the reason that must be given.
BROKEN = [
    (swap(b'"broken"', b'"bro\xffken"'), "malformed"),
    (swap(b"1.5", b'1.5,"unknown":"\xc3\x28"'), "malformed"),
    (b'["broken",1600000000000,1.5,2.5]', "malformed"),
    (b"null", "malformed"),
    (b"17", "malformed"),
    (b'"text"', "malformed"),
    (b"{" + GOOD, "malformed"),
    (b"{" + GOOD[:20], "malformed"),
    (b"{" + GOOD + b"} {}", "malformed"),
    (b"{" + GOOD + b",}", "malformed"),
    (b"{" + GOOD + b',"lat":1.5}', "malformed"),
    (b"\xef\xbb\xbf{" + GOOD + b"}", "malformed"),
    (swap(b"broken", b"bro\x00ken"), "malformed"),
    (swap(b"broken", b"bro\\u0000ken"), "out_of_range"),
    (swap(b"broken", b"bro\\ud800ken"), "malformed"),
    (swap(b"broken", b"bro\\xken"), "malformed"),
    (swap(b"1.5", b"NaN"), "malformed"),
    (swap(b"1.5", b"-Infinity"), "malformed"),
    (swap(b"1.5", b"01.5"), "malformed"),
    (swap(b"1.5", b"+1.5"), "malformed"),
    (swap(b"1.5", b"0x1"), "malformed"),
    (swap(b"1.5", b"1." ), "malformed"),
    (swap(b"1.5", b"1e400"), "out_of_range"),
    (swap(b"1.5", b"9" * 5000), "out_of_range"),
    (swap(b"1.5", b"90.0000001"), "out_of_range"),
    (swap(b"2.5", b"-180.5"), "out_of_range"),
    (swap(b'"broken"', b'""'), "out_of_range"),
    (swap(b"broken", b"x" * 257), "out_of_range"),
    (swap(b"1.5", b"null"), "missing"),
    (swap(b'"lat":1.5,', b""), "missing"),
    (swap(b'"entity_id":"broken",', b""), "missing"),
    (b"{}", "missing"),
    (swap(b"1.5", b'"1.5"'), "wrong_type"),
    (swap(b"1.5", b"[1.5]"), "wrong_type"),
    (swap(b"1.5", b"true"), "wrong_type"),
    (swap(b'"broken"', b"7"), "wrong_type"),
    (swap(b"1600000000000", b"1.5"), "wrong_type"),
    (swap(b"1600000000000", b'"yesterday"'), "out_of_range"),
    (swap(b"1600000000000", b"1600000000000000"), "out_of_range"),
    (swap(b"1600000000000", b"9223372036854775807"), "out_of_range"),
    (swap(b"1.5", b'1.5,"kind":' + b"[" * 5000 + b"]" * 5000), "wrong_type"),
    (swap(b"1.5", b'1.5,"unknown":' + b"[" * 20000), "malformed"),
    (b"\x00" * 40, "malformed"),
    (b"\x1f\x8b\x08\x00\xff\xfe\x00", "malformed"),
]
TOO_LONG = (b'{"entity_id":"' + b"x" * (1 << 20) + b'"}', "too_large")
EMPTY = [b"", b"   ", b"\t\r", b"\r"]


def wrong_with(row):
    """Why a row cannot be taken, by the fields alone; none if it can."""
    for field, most in (("lat", 90), ("lon", 180)):
        if row[field] is None:
            return "missing"
        if not -most <= row[field] <= most:
            return "out_of_range"
    return None


def shuffled(table, rng):
    """Rows in any order, but those of equal entity and time in the one they had."""
    order = list(range(table.num_rows))
    rng.shuffle(order)
    marks = list(zip(table["entity_id"].to_pylist(), table["ts"].cast(pa.int64()).to_pylist()))
    places = {}
    for place, row in enumerate(order):
        places.setdefault(marks[row], []).append(place)
    for group in places.values():
        for place, row in zip(group, sorted(order[place] for place in group)):
            order[place] = row
    return table.take(order)


def write_parquet(tables, folder):
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"part-{number}.parquet", row_group_size=5000, compression="zstd")
    return f"{folder}/*.parquet"


def refused_rows(tables, partition):
    for file, table in enumerate(tables):
        rows = table.select(["lat", "lon"]).to_pylist()
        for number, row in enumerate(rows):
            reason = wrong_with(row)
            if reason:
                yield dict(partition=partition, offset=(file << 32) | number, reason=reason, raw_base64=None)


def lines_of(table, broken, rng):
    """Each file's lines with the reason that each must be refused for, if any."""
    rows = table.select(COLUMNS).set_column(1, "ts", table["ts"].cast(pa.int64())).to_pylist()
    rows.sort(key=lambda row: row["ts"])
    files = [[] for _ in range(FILES)]
    for row in rows:
        line = json.dumps(row, allow_nan=False, ensure_ascii=False).encode()
        files[zlib.crc32(row["entity_id"].encode()) % FILES].append((line, wrong_with(row)))
    if not broken:
        return files
    kinds = 0
    for number, lines in enumerate(files):
        mixed = [TOO_LONG] if number == 0 else []
        for line in lines:
            if rng.random() < 1 / 19:
                mixed.append(BROKEN[kinds % len(BROKEN)])
                kinds += 1
            if rng.random() < 1 / 50:
                mixed.append((rng.choice(EMPTY), None))
            mixed.append(line)
        files[number] = mixed
    return files


def write_lines(files, folder, broken):
    """Writes the files; broken ones begin with a mark and end without a line feed."""
    for number, lines in enumerate(files):
        text = b"\n".join(line for line, _ in lines)
        text = b"\xef\xbb\xbf" + text if broken and number == 1 else text
        (folder / f"part-{number}.jsonl").write_bytes(text if broken else text + b"\n")
    return f"{folder}/*.jsonl"


def refused_lines(files, folder):
    for file, lines in enumerate(files):
        for number, (line, reason) in enumerate(lines, 1):
            if reason:
                raw = base64.b64encode(line[:RAW_BYTES_KEPT]).decode()
                partition = f"{folder}/part-{file}.jsonl"
                yield dict(partition=partition, offset=number, reason=reason, raw_base64=raw)


def make(form, dataset, folder, seed):
    """Writes the files of a form and gives its URL."""
    rng = random.Random(seed)
    table = pq.read_table(dataset)
    place = folder / "input"
    place.mkdir(parents=True)
    if form in ("jsonl", "broken"):
        files = lines_of(table, form == "broken", rng)
        url = "jsonl:" + write_lines(files, place, form == "broken")
        letters = refused_lines(files, place)
    else:
        tables = [table] if form == "as-is" else [shuffled(table, rng)]
        if form == "split":
            step = -(-table.num_rows // FILES)
            tables = [tables[0].slice(step * file, step) for file in range(FILES)]
        pattern = str(dataset) if form == "as-is" else write_parquet(tables, place)
        url = "parquet:" + pattern
        letters = refused_rows(tables, pattern)
    (folder / "dead-letters.json").write_text(json.dumps(list(letters)))
    return url


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("dataset", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(make(options.form, options.dataset, options.folder, options.seed))


if __name__ == "__main__":
    main()

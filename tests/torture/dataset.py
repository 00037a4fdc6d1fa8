"""Input for a case: the bundled hour, as often as is wanted, in an order that the job must put right."""

import json
import pathlib
import random
import subprocess

import oracle
import reference

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOUR = ROOT / "jobs" / "data" / "ais_nyharbor.parquet"
ZONES = ROOT / "jobs" / "data" / "harbour_zones.geojson"
ANSWERS = ROOT / "tests" / "data" / "expected" / "ais_nyharbor"
HOUR_MS = 3_600_000
COLUMNS = ["entity_id", "ts", "lat", "lon", "speed", "heading", "kind"]

# Reading Parquet needs pyarrow, which stands in a Python of its own.
READ = """
import json, sys, pyarrow.parquet as pq
for row in pq.read_table(sys.argv[1], columns=sys.argv[2].split(",")).to_pylist():
    row["ts"] = int(row["ts"].timestamp() * 1000 + 0.5)
    print(json.dumps(row))
"""


class Missing(Exception):
    """Something that a case needs and this machine has not."""


def bundled_hour():
    """The rows of the bundled hour, in the order of the file, which is the order of time."""
    python = subprocess.run([ROOT / "dev" / "python"], capture_output=True, text=True, check=True).stdout.strip()
    read = subprocess.run([python, "-c", READ, HOUR, ",".join(COLUMNS)], capture_output=True, text=True)
    if read.returncode != 0:
        raise Missing("pyarrow, which reads the bundled data")
    return [json.loads(line) for line in read.stdout.splitlines()]


class Dataset:
    """Rows in order of time, and the answers to them."""

    def __init__(self, hours, hour=None):
        hour = bundled_hour() if hour is None else hour
        self.rows = [dict(row, ts=row["ts"] + k * HOUR_MS) for k in range(hours) for row in hour]
        self.hours = hours
        # Rows that are no part of the bundled hour: then no cells are expected.
        self.is_plain = True

    def add(self, rows):
        """More rows; among equal times of an entity they come after those that are there."""
        self.rows = sorted(self.rows + rows, key=lambda row: row["ts"])
        self.is_plain = False

    def expected(self):
        """Rows of each sink that must be written, normal as the oracle compares them."""
        wanted = reference.answers(self.rows, reference.Zones(ZONES))
        if self.is_plain:
            cells = {row["entity_id"]: row["cell"] for row in oracle.expected_rows("live", ANSWERS)}
            for row in wanted["live"]:
                row["cell"] = cells[row["entity_id"]]
            wanted["cells"] = [
                dict(row, window_start_ms=row["window_start_ms"] + k * HOUR_MS)
                for k in range(self.hours)
                for row in oracle.expected_rows("cells", ANSWERS)
            ]
        return {sink: [oracle.normal(sink, row) for row in rows] for sink, rows in wanted.items()}

    def shuffled(self, seed, out_of_order_ms):
        """The rows out of order by less than the time given; equal times of an entity keep their order."""
        dice = random.Random(seed)
        places = [(row["ts"] + dice.randrange(out_of_order_ms), at) for at, row in enumerate(self.rows)]
        shuffled = [self.rows[at] for _, at in sorted(places)]
        # Where equal times of an entity stand in the shuffled order, they are put in their own.
        equal, turn = {}, {}
        for row in self.rows:
            equal.setdefault((row["entity_id"], row["ts"]), []).append(row)
        result = []
        for row in shuffled:
            mark = row["entity_id"], row["ts"]
            turn[mark] = turn.get(mark, -1) + 1
            result.append(equal[mark][turn[mark]])
        return result

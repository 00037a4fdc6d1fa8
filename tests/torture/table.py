"""The table of all cases, each a row of the fault matrix."""

import re
from collections import namedtuple

Case = namedtuple("Case", "row name what oracle needs short listed function")
CASES = []

# Rows of the matrix that real processes cannot show here, and where they are shown.
ELSEWHERE = {
    13: ("partition-one-way", "between workers, in one direction", "workers on several machines"),
    14: ("partition-coordinator", "between workers and coordinator", "workers on several machines"),
    38: ("power-loss", "what is not synced is lost", "the simulated disk: cargo test -p waystream-engine --test engine"),
    44: ("object-store-errors", "500, 503, timeouts, wrong tags", "an object store: checkpoints are in a folder only"),
    45: ("object-store-lost", "lost for 10 min, then back", "an object store: checkpoints are in a folder only"),
}


def case(row, name, what, oracle, needs="processes", short=False, listed=True):
    """Enters a function into the table. `short` is for the run of five minutes."""

    def enter(function):
        CASES.append(Case(row, name, what, oracle, needs, short, listed, function))
        return function

    return enter


def number(row):
    """Where a row stands: 26b after 26; what is no row of the matrix last."""
    parts = re.match(r"(\d+)(.*)", str(row))
    return (int(parts[1]), parts[2]) if parts else (1000, str(row))


def chosen(rows, short):
    """The cases of these rows, by number or name, or all that are listed."""
    if rows:
        wanted = [word.strip() for word in rows.split(",")]
        unknown = [word for word in wanted if not any(word in (str(c.row), c.name) for c in CASES)]
        if unknown:
            raise SystemExit(f"dev/torture: no row `{unknown[0]}`; --list shows all")
        found = [c for c in CASES if str(c.row) in wanted or c.name in wanted]
    else:
        found = [c for c in CASES if c.listed and (c.short or not short)]
    return sorted(found, key=lambda one: number(one.row))

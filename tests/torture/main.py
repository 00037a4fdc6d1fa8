#!/usr/bin/env python3
"""Puts real processes and a real Kafka through the rows of the fault matrix, and compares what comes out.

    dev/torture                       every row, one seed
    dev/torture --rows 1,5,zombie     some, by number or name
    dev/torture --seeds 10            each so often, with seeds 1 to 10
    dev/torture --seed 7              with that seed only
    dev/torture --short               the most telling rows, within five minutes
    dev/torture --list                what each row does and needs
    dev/torture --markdown            the result as a table for a document

A row whose means are missing is SKIPPED and says what it needs. Exit 1 if any failed.
"""

import argparse
import pathlib
import subprocess
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import broker
import cases_broker  # noqa: F401
import cases_disk  # noqa: F401
import cases_input  # noqa: F401
import cases_process  # noqa: F401
import cases_processes  # noqa: F401
import table
from dataset import Missing
from run import Failed, Run

# A run of --short begins no case later than this, so that it ends within five minutes.
SHORT_S = 270


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="dev/torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", help="numbers or names, with commas")
    parser.add_argument("--seeds", type=int, default=1, metavar="N")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--binary", type=pathlib.Path, default=pathlib.Path("waystream"))
    parser.add_argument("--old-binary", type=pathlib.Path)
    parser.add_argument("--hours", type=int, help="how often the bundled hour is fed, for the row `proof`")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a run that failed")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args(arguments)


def attempt(options, case, seed):
    """What became of one run: outcome, why, and what it noted."""
    if options.short and time.monotonic() - options.begun > SHORT_S:
        return "SKIPPED", f"needs more than the {SHORT_S} s of --short", []
    run = Run(options, case.name, seed)
    outcome, why = "passed", ""
    try:
        case.function(run)
    except Missing as missing:
        outcome, why = "SKIPPED", f"needs {missing}"
    except Failed as failed:
        outcome, why = "FAILED", str(failed)
    except subprocess.TimeoutExpired as late:
        outcome, why = "FAILED", f"{late.cmd[2:5]} took longer than {late.timeout} s"
    except Exception:
        outcome, why = "BROKEN", traceback.format_exc()
    run.close(options.keep and outcome in ("FAILED", "BROKEN"))
    return outcome, why, run.notes


def counted(notes):
    """Notes of all runs as one text: numbers are summed, or their greatest is told if they are seconds."""
    sums = {}
    for name, value in notes:
        if name.endswith("_s") or not isinstance(value, (int, float)) or name.endswith("exit"):
            sums[name] = max(sums.get(name, value), value) if isinstance(value, (int, float)) else value
        elif name == "processes":
            sums[name] = value
        else:
            sums[name] = sums.get(name, 0) + value
    return ", ".join(f"{name} {value}" for name, value in sums.items())


def torture(options, case):
    """All seeds of a case; the line for the table."""
    seeds = [options.seed] if options.seed is not None else range(1, options.seeds + 1)
    begun, notes, outcomes, reasons = time.monotonic(), [], [], []
    for seed in seeds:
        started = time.monotonic()
        outcome, why, noted = attempt(options, case, seed)
        outcomes.append(outcome)
        notes += noted
        line = f"{case.row!s:>5} {case.name:<20} seed {seed:<3} {outcome:<8} {time.monotonic() - started:6.1f} s"
        print(f"{line}  {why or counted(noted)}", flush=True)
        if outcome == "SKIPPED":
            reasons.append(why)
            break
    worst = next((one for one in ("BROKEN", "FAILED", "SKIPPED") if one in outcomes), "passed")
    text = reasons[0] if reasons else counted(notes)
    return [case.row, case.name, case.what, len(outcomes), worst, round(time.monotonic() - begun), text]


def elsewhere(options):
    """Rows that are not for real processes: told, so that nobody believes they were run."""
    if options.rows or options.short:
        return []
    return [[row, name, what, 0, "SKIPPED", 0, f"needs {why}"] for row, (name, what, why) in table.ELSEWHERE.items()]


def show(lines, markdown):
    heads = ["row", "case", "what is done", "runs", "outcome", "s", "seen"]
    lines = sorted(lines, key=lambda line: table.number(line[0]))
    if markdown:
        print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
        for line in lines:
            print("| " + " | ".join(str(part).replace("|", "/") for part in line) + " |")
        return
    print(f"\n{'row':>5} {'case':<20} {'runs':>4} {'outcome':<8} {'s':>5}  seen")
    for row, name, _, runs, outcome, seconds, text in lines:
        print(f"{row!s:>5} {name:<20} {runs:>4} {outcome:<8} {seconds:>5}  {text}")


def main(arguments):
    options = parse(arguments)
    cases = table.chosen(options.rows, options.short)
    if options.list:
        for case in cases:
            print(f"{case.row!s:>5} {case.name:<20} {case.what}; seen by {case.oracle}; needs {case.needs}")
        return 0
    try:
        broker.fetch()
    except Missing as missing:
        print(f"dev/torture: nothing can be run: {missing}", file=sys.stderr)
        return 69
    options.begun = time.monotonic()
    options.binary = options.binary.resolve()
    lines = [torture(options, case) for case in cases] + elsewhere(options)
    show(lines, options.markdown)
    outcomes = [line[4] for line in lines]
    failed = sum(outcome in ("FAILED", "BROKEN") for outcome in outcomes)
    print(f"{outcomes.count('passed')} passed, {failed} failed, {outcomes.count('SKIPPED')} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One run of a case: its folder, dice, broker, input and job, and the judgement at its end."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dataset
import oracle
from broker import Broker, Feeder, Follower
from dataset import ROOT, Missing
from job import Job
from proxy import Link

SINKS = ["live", "crossings", "trips", "stops", "cells"]
# A job that has all it needs must come to its end within this time.
LIMIT_S = 120


class Failed(Exception):
    """What a case asserts does not hold."""


class Run:
    """What a case is given. `note` tells what the run did, for the table."""

    known = {}

    def __init__(self, options, row, seed):
        self.options, self.row, self.seed = options, row, seed
        self.dice = random.Random(f"{row}/{seed}")
        self.folder = Path(tempfile.mkdtemp(prefix=f"torture-{row}-{seed}-"))
        self.closing, self.jobs, self.notes = [], [], []
        self.data, self.sinks, self.partitions, self.link = None, ["live", "crossings", "trips"], 4, None
        self.out_of_order_s = 600
        self.broker = None

    # --- what a case sets up

    def kafka(self, **how):
        self.broker = Broker(f"torture-{os.getpid()}-{self.row}-{self.seed}", **how)
        self.closing.append(lambda: self.broker.__exit__())
        self.broker.__enter__()
        if self.broker.proxied:
            self.link = Link(self.broker.via, self.broker.behind, self.seed)
            self.closing.append(self.link.close)
        return self.broker

    def address(self):
        return self.broker.via if self.link else self.broker.address

    def hours(self, count):
        """The bundled hour as often; the rows are shared and answers computed once."""
        if count not in self.known:
            self.known[count] = dataset.Dataset(count)
        data = dataset.Dataset.__new__(dataset.Dataset)
        data.__dict__.update(self.known[count].__dict__)
        self.data = data
        return data

    def make_topics(self, *more):
        names = self.sinks + ["dead-letters"]
        self.broker.topics(f"create positions {self.partitions}", *(f"create {name} 4" for name in names), *more)

    def feed(self, hours=3, shuffled=True):
        """All input is there before the job begins."""
        data = self.data or self.hours(hours)
        self.make_topics()
        rows = data.shuffled(self.seed, self.out_of_order_s * 1000) if shuffled else data.rows
        self.broker.produce("positions", rows, "--key", "entity_id")

    def feeder(self, rows, rows_per_s):
        feeder = Feeder(self.broker, "positions", rows, rows_per_s, "--key", "entity_id")
        self.closing.append(feeder.stop)
        return feeder

    def follower(self, *topics):
        follower = Follower(self.broker, *topics)
        self.closing.append(follower.stop)
        return follower

    def job(self, name="job", source=None, until="end", workers=1, processes=1, checkpoints="checkpoints",
            sinks=None, every="100ms", settings=(), more=(), env=None, limits=None):
        query = "from=earliest" + (f"&until={until}" if until else "")
        source = source or f"kafka://{self.address()}/positions?{query}"
        command = [self.options.binary, "run", "fleet", "--source", f"positions={source}"]
        for sink in self.sinks if sinks is None else sinks:
            command += ["--sink", f"{sink}=kafka://{self.address()}/{sink}"]
        command += ["--checkpoints", self.folder / checkpoints, "--checkpoint-every", every, "--no-serve"]
        command += ["--workers", workers, "--output", "json", "--no-progress", "--log", "info"]
        command += ["--set", f"out-of-order={self.out_of_order_s}s"]
        if processes > 1:
            self.need_processes()
            command += ["--processes", processes]
        if not until:
            # Nobody leaves in these hours: what is compared is the state of all at the end.
            command += ["--set", "expire-after=10000d"]
        for setting in settings:
            command += ["--set", setting]
        job = Job(command + list(more), self.folder, name, env, limits)
        self.jobs.append(job)
        return job

    def shim(self, **rule):
        """Environment that puts faults between the job and its system; see shim.c."""
        library = self.folder / "shim.so"
        if not library.exists():
            compiler = shutil.which("gcc") or shutil.which("cc")
            if not compiler or not sys.platform.startswith("linux"):
                raise Missing("a C compiler and LD_PRELOAD")
            source = ROOT / "tests" / "torture" / "shim.c"
            subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        settings = {f"TORTURE_{name.upper()}": str(value) for name, value in rule.items()}
        return {"LD_PRELOAD": str(library), **settings}

    def has_processes(self):
        told = subprocess.run([self.options.binary, "run", "--help"], capture_output=True, text=True).stdout
        return "--processes" in told

    def need_processes(self):
        if not self.has_processes():
            raise Missing("a binary with --processes")

    # --- what a case does

    def manifests(self, checkpoints="checkpoints"):
        return sorted((self.folder / checkpoints).glob("manifest-*.json"))

    def epoch(self, checkpoints="checkpoints"):
        """The epoch of the newest checkpoint; 0 if there is none, also when a start has claimed its number."""
        for manifest in reversed(self.manifests(checkpoints)):
            try:
                found = re.search(r'"epoch": *(\d+)', manifest.read_text())
                return int(found[1]) if found else 0
            except OSError:
                continue
        return 0

    def wait_progress(self, job, seconds=60, steps=1, checkpoints="checkpoints"):
        """Until the job has made checkpoints of its own; False if it ended before."""
        before, end = self.epoch(checkpoints), time.monotonic() + seconds
        while self.epoch(checkpoints) < before + steps:
            if not job.is_alive():
                return False
            if time.monotonic() > end:
                raise Failed(f"no checkpoint in {seconds} s: {tail(job)}")
            time.sleep(0.005)
        return True

    def kill_again_and_again(self, job, times, end_one=False, between=lambda turn: None):
        """SIGKILL at random moments: every other time not before the job has come further than last time."""
        done = 0
        for turn in range(times):
            if not job.is_alive():
                if job.process and job.wait(0) == 0:
                    break
                job.start()
            between(turn)
            if turn % 2:
                self.wait_progress(job)
                time.sleep(self.dice.uniform(0, 0.25))
            else:
                time.sleep(self.dice.uniform(0.05, 3))
            if end_one:
                if job.kill_one(self.dice):
                    done += 1
                    # Whoever is left sees it, and starts anew or ends.
                    job.wait(20)
            else:
                done += job.kill_all()
        self.note(kills=done)
        return done

    def strike(self, job, seconds=60, **rule):
        """Starts the job with one fault, until that ended it; whether it struck, and the exit code.

        If it has not struck within five checkpoints the job is killed, so that input is left for the next.
        """
        once = self.folder / f"struck-{job.name}-{job.starts}"
        rule.setdefault("from", self.dice.randrange(1, 4))
        before = self.epoch()
        job.start(env=self.shim(**rule, once=once))
        end = time.monotonic() + seconds
        while job.is_alive() and (once.exists() or self.epoch() < before + 5):
            if time.monotonic() > end:
                raise Failed(f"{rule}: {seconds} s later it has not ended: {tail(job)}")
            time.sleep(0.01)
        if job.kill_all():
            return False, None
        return once.exists(), job.wait(10)

    def finish(self, job, seconds=LIMIT_S, *more):
        """The job comes to its end by itself."""
        if not job.is_alive():
            if job.process and job.process.returncode == 0:
                return
            job.start(*more)
        begun = time.monotonic()
        code = job.wait(seconds)
        if code is None:
            raise Failed(f"the job has not ended after {seconds} s: {tail(job)}")
        if code != 0:
            raise Failed(f"exit {code}: {tail(job)}")
        self.note(last_s=round(time.monotonic() - begun, 1))

    def complete(self, job, partitions=None, seconds=60):
        """Lets the time of a job without an end pass all rows, waits until it shows, and stops it.

        Every partition gets a row of a sentinel, and a later one that lets the first come out.
        """
        numbers = range(self.partitions if partitions is None else partitions)
        follower = self.follower("live")
        begun = time.monotonic()
        for step in (1, 2):
            at = self.data.rows[-1]["ts"] + step * 2 * dataset.HOUR_MS
            rows = [{"entity_id": f"sentinel-{step}-{one}", "ts": at, "lat": 1.0, "lon": 1.0} for one in numbers]
            envelopes = [{"key": row["entity_id"], "partition": one, "value": row} for one, row in zip(numbers, rows)]
            self.broker.produce("positions", envelopes, "--envelope")
        for one in numbers:
            if not follower.wait_for(lambda record: record["key"] == f"sentinel-1-{one}", seconds):
                raise Failed(f"the sentinel of partition {one} is not out after {seconds} s: {tail(job)}")
        self.note(sentinel_s=round(time.monotonic() - begun, 1))
        self.consumed(job)
        job.signal(signal.SIGTERM, job.pids()[:1])
        code = job.wait(40)
        self.require(code == 0, f"exit {code} after SIGTERM: {tail(job)}")

    def consumed(self, job, seconds=60):
        """Until the job rests: its processor is idle, because all that was fed is done."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before, epoch = job.processor_s(), self.epoch()
            time.sleep(1)
            if job.processor_s() - before < 0.1 and 0 < epoch == self.epoch():
                return
        raise Failed(f"it has not come to rest in {seconds} s: {tail(job)}")

    def refused(self, job, codes, *words, seconds=60):
        """The job ends with one of these codes and says each of the words."""
        code = job.wait(seconds)
        if code is None:
            raise Failed(f"it should have been refused, and is running after {seconds} s: {tail(job)}")
        if code not in codes:
            raise Failed(f"exit {code}, expected one of {sorted(codes)}: {tail(job)}")
        for word in words:
            if word not in job.told():
                raise Failed(f"it does not say `{word}`: {tail(job)}")
        return code

    def judge(self, data=None, drop=()):
        """What the sinks hold is what must be there."""
        expected = (data or self.data).expected()
        expected = {sink: expected[sink] for sink in self.sinks if sink in expected and sink not in drop}
        records = {sink: without_sentinels(rows) for sink, rows in self.broker.consume(*expected).items()}
        verdict = oracle.Verdict(expected, lambda sink: records.get(sink, []))
        self.note(rows=sum(verdict.rows.values()))
        if verdict.wrong:
            raise Failed(str(verdict))

    def summary(self, job):
        """The line of JSON that a job ends with."""
        return json.loads(job.out.read_text().splitlines()[-1])

    def note(self, **what):
        for name, value in what.items():
            self.notes.append((name, value))

    def require(self, holds, what):
        if not holds:
            raise Failed(what)

    def close(self, keep):
        for job in self.jobs:
            job.signal(signal.SIGCONT) if job.process else None
            job.reap()
        for close in reversed(self.closing):
            close()
        if keep:
            print(f"      kept: {self.folder}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def without_sentinels(records):
    return [record for record in records if not (record["key"] or "").startswith("sentinel-")]


def tail(job):
    """The end of what a job has said, for an error of ours."""
    lines = [line for line in job.told().splitlines() if line.strip()]
    errors = [line for line in lines if "INFO" not in line]
    return " | ".join((errors or lines)[-4:])[-1500:] or "it said nothing"

"""A Kafka of a case's own, by dev/kafka, and programs with Kafka's own client that feed and read it."""

import json
import os
import signal
import subprocess
import threading
import time
from collections import defaultdict

from dataset import ROOT, Missing

KAFKA = ROOT / "dev" / "kafka"
TOOLS = ROOT / "tests" / "kafka"


def fetch():
    """What dev/kafka needs, made ready once; says what is missing."""
    ready = subprocess.run([KAFKA, "fetch"], capture_output=True, text=True)
    if ready.returncode != 0:
        raise Missing(ready.stderr.strip().splitlines()[-1])


class Broker:
    """Nodes from `with` to its end."""

    def __init__(self, name, nodes=1, proxied=False, settings=()):
        self.name, self.nodes, self.kills, self.proxied = name, nodes, 0, proxied
        self.options = ["--nodes", str(nodes)] + (["--proxied"] if proxied else [])
        # Topics are made on purpose: one that is made by a mistyped name would hide the mistake.
        for setting in ("auto.create.topics.enable=false", *settings):
            self.options += ["--set", setting]

    def __enter__(self):
        told = self.control("up", *self.options)
        env = dict(line.removeprefix("export ").split("=", 1) for line in told.splitlines())
        self.address = env["WAYSTREAM_KAFKA"]
        self.via, self.behind = env.get("WAYSTREAM_KAFKA_VIA"), env.get("WAYSTREAM_KAFKA_BEHIND")
        return self

    def __exit__(self, *_):
        self.control("down")

    def control(self, *arguments):
        done = subprocess.run([KAFKA, "--name", self.name, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"dev/kafka {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def pid(self, node=1):
        for line in self.control("status").splitlines():
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if words["node"] == str(node) and "pid" in words:
                return int(words["pid"])
        raise RuntimeError(f"node {node} is down")

    def kill(self, node=1):
        self.control("kill", str(node))
        self.kills += 1

    def stop(self, node=1):
        self.control("stop", str(node))

    def start(self, node=1):
        self.control("start", str(node))

    def pause(self, seconds, node=1):
        pid = self.pid(node)
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    def java(self, program, *arguments, **how):
        command = [KAFKA, "java", TOOLS / f"{program}.java", self.address, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, **how)
        if done.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def topics(self, *lines):
        return self.java("Topics", input="\n".join(lines) + "\n", timeout=120)

    def produce(self, topic, lines, *options):
        """Lines of JSON, or values that become such."""
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        return self.java("Produce", topic, *options, input=text, timeout=300)

    def consume(self, *topics, options=()):
        """Committed records of each topic, in order within each partition."""
        records = defaultdict(list)
        for line in self.java("Consume", *topics, *options, timeout=300).splitlines():
            record = json.loads(line)
            records[record["topic"]].append(record)
        return records


class Feeder(threading.Thread):
    """Sends rows at a steady rate while other things happen; `finish` waits for the last to be acknowledged."""

    def __init__(self, broker, topic, rows, rows_per_s, *options):
        super().__init__(daemon=True)
        command = [KAFKA, "java", TOOLS / "Produce.java", broker.address, topic, *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.rows, self.rows_per_s, self.fed, self.ended = rows, rows_per_s, 0, threading.Event()
        self.start()

    def run(self):
        begun = time.monotonic()
        try:
            for row in self.rows:
                ahead = self.fed / self.rows_per_s - (time.monotonic() - begun)
                if ahead > 0.02:
                    self.process.stdin.flush()
                    if self.ended.wait(ahead):
                        break
                self.process.stdin.write(json.dumps(row) + "\n")
                self.fed += 1
            self.process.stdin.close()
        except BrokenPipeError:
            pass

    def finish(self):
        self.join()
        if self.process.wait(180) != 0:
            raise RuntimeError(f"the feeder failed: {self.process.stderr.read()[-2000:]}")

    def stop(self):
        self.ended.set()
        self.process.kill()
        self.process.wait()


class Follower:
    """What arrives in topics, with the moment it did."""

    def __init__(self, broker, *topics):
        command = [KAFKA, "java", TOOLS / "Consume.java", broker.address, *topics, "--follow"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.records, self.lock = [], threading.Lock()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.lock:
                self.records.append(json.loads(line))

    def wait_for(self, wanted, seconds):
        """The first record that is wanted, or None after that time."""
        end, at = time.monotonic() + seconds, 0
        while True:
            with self.lock:
                new, at = self.records[at:], len(self.records)
            found = next((record for record in new if wanted(record)), None)
            if found or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()

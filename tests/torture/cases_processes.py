"""Rows of the fault matrix about what passes between the processes of one job."""

import random
import shutil
import signal
import socket
import subprocess
import time

from dataset import Missing
from run import tail
from table import case

CONNECTED, LISTENING = "01", "0A"
HOSTILE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # how TLS begins
    b"\xff\xff\xff\xff" * 4, b"\xff" * 8 + bytes(64), b"\x00" * 64,  # lengths of gigabytes, and of nothing
    b"",
]


@case("9b", "stop-one-process", "SIGSTOP of one process for 30 s, then SIGCONT", "RC, LIVE", needs="processes")
def stop_one_process(run):
    run.need_processes()
    run.kafka()
    run.feed(hours=6)
    job = run.job(processes=2).start()
    run.wait_progress(job)
    pid = job.workers()[-1:]
    job.signal(signal.SIGSTOP, pid)
    time.sleep(30)
    job.signal(signal.SIGCONT, pid)
    job.wait(60)
    run.note(exit=str(job.process.returncode))
    run.finish(job)
    run.judge()


@case("17b", "reset-workers", "connections between processes of the job are reset, ten times", "RC", needs="processes")
def reset_workers(run):
    run.need_processes()
    if not shutil.which("ss"):
        raise Missing("ss, which resets connections")
    run.kafka()
    run.feed(hours=6)
    job, resets = run.job(processes=2), 0
    for _ in range(10):
        if not job.is_alive():
            if job.process and job.process.returncode == 0:
                break
            job.start()
        if not run.wait_progress(job):
            continue
        time.sleep(run.dice.uniform(0, 0.2))
        ports = {own for state, own, _ in job.sockets() if state == LISTENING}
        links = [one for one in job.sockets() if one[0] == CONNECTED and (one[1] in ports or one[2] in ports)]
        for _, own, other in links[:2]:
            cut = subprocess.run(["ss", "-K", f"sport = :{own} and dport = :{other}"], capture_output=True)
            resets += cut.returncode == 0
        job.wait(10)
    run.note(resets=resets)
    run.require(resets > 0, "no connection between its processes was found")
    run.finish(job)
    run.judge()


@case(72, "hostile-bytes", "random bytes, HTTP, TLS and huge lengths on every port the job listens on", "RSS, RC")
def hostile_bytes(run):
    run.kafka()
    run.feed(hours=6)
    job = run.job(processes=2 if run.has_processes() else 1)
    if not run.has_processes():
        # One process listens for those who look at its map only.
        job.command.remove("--no-serve")
        job.command += ["--listen", "127.0.0.1:0"]
    job.start()
    run.wait_progress(job)
    ports = {own for state, own, _ in job.sockets() if state == LISTENING}
    run.require(ports, "it listens nowhere: nothing was shown")
    dice, before, held = random.Random(run.seed), job.rss_kib(), []
    for port in ports:
        for bytes_sent in HOSTILE + [dice.randbytes(dice.randrange(1, 5000)) for _ in range(20)]:
            try:
                held.append(socket.create_connection(("127.0.0.1", port), timeout=2))
                held[-1].sendall(bytes_sent)
            except OSError:
                pass
    grown = (job.rss_kib() - before) // 1024
    job.wait(3)
    for one in held:
        one.close()
    run.note(ports=len(ports), grown_mib=grown)
    run.require(grown < 256, f"it grew by {grown} MiB")
    run.require(job.is_alive() or job.process.returncode == 0, f"it ended: {tail(job)}")
    run.finish(job)
    run.judge()


@case(71, "wrong-peers", "two processes of the same number, other lists, another secret", "exit", needs="processes")
def wrong_peers(run):
    raise Missing("processes that are told of each other: those of one machine are started by the first")

"""Rows 1 to 11 and 62 to 64 of the fault matrix: processes that are killed, stopped, replaced and rescaled."""

import os
import signal
import time

from dataset import HOUR, Missing
from table import case

NOT_DONE = 69  # something needed is unreachable or taken


@case(1, "kill-one", "SIGKILL one process of the job at random moments, again and again", "RC", short=True)
def kill_one(run):
    run.kafka()
    run.feed(hours=6)
    processes = 2 if run.has_processes() else 1
    run.note(processes=processes)
    job = run.job(processes=processes)
    run.kill_again_and_again(job, 8, end_one=True)
    run.finish(job)
    run.judge()


@case(2, "kill-all", "SIGKILL all processes of the job at once, again and again", "RC")
def kill_all(run):
    run.kafka()
    run.feed(hours=6)
    processes = 2 if run.has_processes() else 1
    run.note(processes=processes)
    job = run.job(processes=processes, workers=2)
    run.kill_again_and_again(job, 8)
    run.finish(job)
    run.judge()


def struck(run, job, times, **rule):
    """Starts the job with a fault that ends it, so often that it struck; then without."""
    strikes = 0
    for turn in range(times):
        # The same moment of different epochs, for the first has often nothing in it.
        struck_now, code = run.strike(job, **rule, **{"from": run.dice.randrange(1, 4 + 2 * turn)})
        strikes += struck_now
        if code == 0:
            break
    run.note(strikes=strikes)
    run.require(strikes > 0, "the fault never struck: the case proves nothing")
    run.finish(job)
    run.judge()


@case(3, "kill-in-checkpoint", "SIGKILL before or after a segment or manifest gets its name or is synced", "RC, CK", needs="shim")
def kill_in_checkpoint(run):
    run.kafka()
    run.feed(hours=6)
    moments = [
        ("link", "manifest", "kill"), ("link", "manifest", "kill-after"), ("rename", "segment", "kill"),
        ("rename", "segment", "kill-after"), ("fsync", "segment", "kill"), ("fsync", "manifest", "kill"),
        ("write", "segment", "torn"), ("write", "manifest", "torn"),
    ]
    run.dice.shuffle(moments)
    job, strikes = run.job(), 0
    for operation, match, do in moments:
        struck_now, code = run.strike(job, op=operation, match=match, do=do)
        strikes += struck_now
        if code == 0:
            break
    run.note(strikes=strikes)
    run.require(strikes >= 3, f"the faults struck {strikes} times only")
    run.finish(job)
    run.judge()


@case(4, "kill-in-produce", "SIGKILL when rows of a transaction are sent: before and after", "RC", needs="shim")
def kill_in_produce(run):
    run.kafka()
    run.feed(hours=6)
    struck(run, run.job(), 6, op="send", api=0, do=run.dice.choice(["kill", "kill-after"]))


@case(5, "kill-before-commit", "SIGKILL after the manifest, before the end of the transaction is sent", "RC", needs="shim", short=True)
def kill_before_commit(run):
    run.kafka()
    run.feed(hours=6)
    struck(run, run.job(), 6, op="send", api=26, do="kill")


@case(6, "kill-after-commit", "SIGKILL when the end of the transaction is sent, before the answer", "RC", needs="shim", short=True)
def kill_after_commit(run):
    run.kafka()
    run.feed(hours=6)
    struck(run, run.job(), 6, op="send", api=26, do="kill-after")


@case(7, "kill-in-recovery", "SIGKILL ten times in a row, 200 ms to 3 s after the start", "RC, CK")
def kill_in_recovery(run):
    run.kafka()
    run.feed()
    job = run.job().start()
    run.wait_progress(job, steps=3)
    job.kill_all()
    for _ in range(10):
        job.start()
        time.sleep(run.dice.uniform(0.2, 3))
        if not job.kill_all():
            break
    # What a start needs is also reached: at the start of a producer, and when it reads its marker.
    for api in (22, 1, 24):
        if job.wait(0) == 0:
            break
        job.start(env=run.shim(op="send", api=api, do="kill-after", **{"from": run.dice.randrange(1, 3)}))
        job.wait(60)
    run.note(kills=job.kills)
    run.finish(job)
    run.judge()


@case("7b", "kill-in-first-start", "SIGKILL again and again before the first checkpoint, and when the first transaction ends", "RC",
      needs="shim")
def kill_in_first_start(run):
    run.kafka()
    run.feed()
    job = run.job()
    for _ in range(6):
        job.start()
        time.sleep(run.dice.uniform(0.01, 1.5))
        job.kill_all()
    for do in ("kill", "kill-after"):
        if job.process.returncode == 0:
            break
        run.strike(job, op="send", api=26, do=do, **{"from": 1})
    run.note(kills=job.kills)
    run.finish(job)
    run.judge()


@case(8, "sigterm", "SIGTERM in the middle, again and again; a second one ends it now", "exit code, RC")
def sigterm(run):
    run.kafka()
    run.feed(hours=6)
    job = run.job()
    for turn in range(3):
        job.start()
        if not run.wait_progress(job):
            break
        begun = time.monotonic()
        job.signal(signal.SIGTERM, job.pids()[:1])
        code = job.wait(30)
        run.require(code is not None, "30 s after SIGTERM it is still there")
        run.require(code == 0, f"exit {code} after SIGTERM")
        run.note(stop_s=round(time.monotonic() - begun, 2))
    if not job.is_alive() and run.summary(job)["epoch"] is not None:
        job.start()
        time.sleep(run.dice.uniform(0.5, 1.5))
        job.signal(signal.SIGTERM, job.pids()[:1])
        job.signal(signal.SIGTERM, job.pids()[:1])
        run.require(job.wait(5) is not None, "5 s after the second SIGTERM it is still there")
    run.finish(job)
    run.judge()


@case(9, "stop-short", "SIGSTOP for 5 s, three times", "RC, MET")
def stop_short(run):
    run.kafka()
    run.feed(hours=6)
    job = run.job(processes=2 if run.has_processes() else 1).start()
    for _ in range(3):
        if not run.wait_progress(job):
            break
        pids = job.workers()
        job.signal(signal.SIGSTOP, pids)
        time.sleep(5)
        job.signal(signal.SIGCONT, pids)
    run.finish(job)
    run.require(job.starts == 1, "it did not survive")
    run.judge()


@case(10, "zombie", "SIGSTOP, a replacement that no lock keeps out, SIGCONT", "RC, log says fenced", needs="shim", short=True)
def zombie(run):
    run.kafka()
    run.feed(hours=6)
    # Folders on which locks do not reach from machine to machine: the lock is said to be taken.
    env = run.shim(op="flock", match="job.lock", do="ignore", count=0)
    old = run.job(name="old", env=env).start()
    run.wait_progress(old, steps=2)
    time.sleep(run.dice.uniform(0, 0.3))
    pids = old.pids()
    old.signal(signal.SIGSTOP, pids)
    new = run.job(name="new", env=env).start()
    if run.dice.random() < 0.5:
        run.wait_progress(new)
    else:
        run.finish(new)
    old.signal(signal.SIGCONT, pids)
    code = old.wait(90)
    run.require(code is not None, "the zombie lives on")
    run.require(code != 0, "the zombie ended as if all were well")
    run.note(zombie_exit=code)
    run.finish(new)
    run.judge()
    run.require(any(word in old.told() for word in ("fenced", "taken", "another process", "replaced")),
                f"the zombie does not say why: {old.err.read_text()[-800:]}")


@case(11, "stop-coordinator", "SIGSTOP of the process that coordinates, for 15 s", "RC", needs="processes")
def stop_coordinator(run):
    run.kafka()
    run.feed(hours=6)
    job = run.job(processes=2).start()
    run.wait_progress(job)
    first = job.workers()[:1]
    job.signal(signal.SIGSTOP, first)
    time.sleep(15)
    job.signal(signal.SIGCONT, first)
    job.wait(60)
    run.finish(job)
    run.judge()


@case(48, "oom-kill", "the system ends the job for want of memory: as SIGKILL to all, from a memory group", "RC", needs="memory group")
def oom_kill(run):
    group = memory_group(run)
    run.kafka()
    run.feed(hours=6)
    job = run.job(limits=lambda: (group / "cgroup.procs").write_text(str(os.getpid())))
    job.start()
    run.wait_progress(job)
    (group / "memory.max").write_text("8M")
    code = job.wait(60)
    (group / "memory.max").write_text("max")
    run.require(code is not None and code != 0, f"it was not ended: {code}")
    run.finish(job)
    run.judge()


@case(47, "memory-limit", "256 MiB for the whole job", "RC, or a clean end", needs="memory group")
def memory_limit(run):
    group = memory_group(run)
    run.kafka()
    run.feed(hours=12)
    (group / "memory.max").write_text("256M")
    job = run.job(limits=lambda: (group / "cgroup.procs").write_text(str(os.getpid())))
    run.finish(job)
    run.judge()


def memory_group(run):
    from pathlib import Path

    root = Path("/sys/fs/cgroup")
    group = root / f"torture-{os.getpid()}-{run.row}-{run.seed}"
    try:
        group.mkdir()
        (group / "memory.max").write_text("max")
    except OSError as error:
        if group.exists():
            group.rmdir()
        raise Missing(f"a memory group that may be written ({error.strerror})") from None
    run.closing.append(group.rmdir)
    return group


@case(62, "rescale", "1, 4 and 2 workers, each ended by SIGKILL", "RC", short=True)
def rescale(run):
    run.kafka()
    run.feed(hours=6)
    settle = []
    for turn, workers in enumerate((1, 4, 2, 3, 1, 2)):
        job = run.job(name=f"workers-{turn}", workers=workers).start()
        settle.append(workers)
        if run.wait_progress(job):
            time.sleep(run.dice.uniform(0, 0.3))
        if turn < 5:
            job.kill_all()
    run.note(workers="-".join(map(str, settle)))
    run.finish(job)
    run.judge()


@case(63, "upgrade", "a checkpoint of the binary before this one", "RC, or refused", needs="another binary")
def upgrade(run):
    if not run.options.old_binary:
        raise Missing("the binary before this one; give --old-binary")
    run.kafka()
    run.feed(hours=6)
    job = run.job()
    new, job.command[0] = job.command[0], str(run.options.old_binary)
    job.start()
    run.wait_progress(job, steps=2)
    job.kill_all()
    job.command[0] = new
    job.start()
    code = job.wait(120)
    if code == 78:
        run.note(refused=78)
        return
    run.finish(job)
    run.judge()


@case(64, "backfill", "a Parquet archive to Kafka, killed in the middle of its file", "RC vs REF")
def backfill(run):
    run.hours(1)
    run.sinks = ["live", "crossings", "trips", "stops", "cells"]
    run.kafka()
    run.make_topics()
    job = run.job(source=f"parquet:{HOUR}", every="20ms")
    run.kill_again_and_again(job, 6)
    run.finish(job)
    run.judge()


@case("proof", "proof", "SIGKILL of workers and of the broker, four shuffled partitions, two processes", "RC", listed=False)
def proof(run):
    """At least 10 kills of workers and 2 of the broker for each seed."""
    run.sinks = ["live", "crossings", "trips", "stops", "cells"]
    run.kafka()
    run.feed(hours=run.options.hours or 20)
    processes = 2 if run.has_processes() else 1
    run.note(processes=processes)
    job = run.job(processes=processes, workers=1 if processes > 1 else 2)
    down_at = set(run.dice.sample(range(1, 12), 2))

    def broker_dies(turn):
        if turn not in down_at:
            return
        if run.dice.random() < 0.5:
            run.wait_progress(job)
        time.sleep(run.dice.uniform(0, 1))
        run.broker.kill()
        time.sleep(run.dice.uniform(0, 2))
        if run.dice.random() < 0.5:
            job.kill_all()
            job.start()
        run.broker.start()

    run.kill_again_and_again(job, 12, end_one=processes > 1, between=broker_dies)
    run.finish(job)
    run.note(worker_kills=job.kills, broker_kills=run.broker.kills)
    run.judge()

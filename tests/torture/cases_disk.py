"""Rows 30 to 46 of the fault matrix: disks that are full, fail, lie or forget, and checkpoints that were tampered with."""

import os
import shutil
import subprocess

from dataset import Missing
from run import Failed, tail
from table import case

CHECKPOINT_ERROR, DOES_NOT_FIT = 74, 78


def small_disk(run, megabytes, name="disk"):
    """A file system of its own of that size."""
    folder = run.folder / name
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "torture", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        raise Missing("the right to mount a tmpfs")
    run.closing.append(lambda: subprocess.run(["umount", "-l", folder], check=True))
    return folder


@case(30, "disk-full", "the disk of the checkpoints is full for a while", "CK, RC", needs="root")
def disk_full(run):
    run.kafka()
    run.feed(hours=6)
    disk = small_disk(run, 60)
    job = run.job(checkpoints="disk/checkpoints").start()
    run.wait_progress(job, steps=3, checkpoints="disk/checkpoints")
    with open(disk / "ballast", "wb") as file:
        try:
            while True:
                file.write(bytes(65536))
                file.flush()
        except OSError:
            pass
    code = job.wait(60)
    if code is None:
        run.note(ran_on=1)
    elif code != 0:
        run.require(code == CHECKPOINT_ERROR and "disk/checkpoints" in job.told(), f"exit {code}: {tail(job)}")
        # Still full: refused again, and nothing that was good is gone.
        job.start()
        run.refused(job, {CHECKPOINT_ERROR})
    (disk / "ballast").unlink()
    run.note(exit=str(code))
    run.finish(job)
    run.judge()


@case(31, "log-full", "what it says goes to a device that is full", "RC")
def log_full(run):
    if not os.path.exists("/dev/full"):
        raise Missing("/dev/full")
    run.kafka()
    run.feed(hours=1)
    inner = run.job()
    command = " ".join(f"'{part}'" for part in inner.command)
    inner.command = ["bash", "-c", f"exec {command} >/dev/full 2>/dev/full"]
    inner.start()
    code = inner.wait(120)
    run.require(code is not None, "it hangs")
    # That it could not say how it ended may be an error; the rows must be there.
    run.note(exit=str(code))
    run.judge()


@case(32, "disk-read-only", "the folder of the checkpoints cannot be written", "stderr", needs="root")
def disk_read_only(run):
    run.kafka()
    run.feed(hours=1)
    disk = small_disk(run, 60)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    job = run.job(checkpoints="disk/checkpoints").start()
    code = run.refused(job, {CHECKPOINT_ERROR, DOES_NOT_FIT}, "disk/checkpoints")
    run.note(exit=str(code))
    run.require(not any(run.broker.consume(*run.sinks).values()), "it wrote rows all the same")


def faulty(run, moments):
    """Each fault in a start of its own; every end is by the name of a file; then it goes on without any."""
    run.kafka()
    run.feed(hours=6)
    job, strikes, ends = run.job(), 0, set()
    for rule in moments:
        struck, code = run.strike(job, **rule)
        if not struck:
            continue
        strikes += 1
        ends.add(code)
        killed = code < 0
        run.require(killed or code == CHECKPOINT_ERROR, f"{rule}: exit {code}: {tail(job)}")
        run.require(killed or "/checkpoints" in job.told(), f"{rule}: it names no file: {tail(job)}")
    run.note(strikes=strikes, exits=str(sorted(map(str, ends))))
    run.require(strikes > 0, "no fault struck: nothing was shown")
    run.finish(job)
    run.judge()


@case(33, "sync-fails-once", "fsync fails once with EIO: segment, manifest, folder", "CK, RC", needs="shim")
def sync_fails_once(run):
    faulty(run, [dict(op="fsync", match=match, do="EIO") for match in ("segment", "manifest", "checkpoints")])


@case(34, "sync-fails", "fsync fails for ever", "exit", needs="shim")
def sync_fails(run):
    run.kafka()
    run.feed()
    job = run.job()
    for first in (1, 8):
        job.start(env=run.shim(op="fsync", match="checkpoints", do="EIO", count=0, **{"from": first}))
        run.refused(job, {CHECKPOINT_ERROR}, "/checkpoints")
    run.finish(job)
    run.judge()


@case(35, "short-writes", "every write to a checkpoint writes half", "CK, RC", needs="shim")
def short_writes(run):
    run.kafka()
    run.feed()
    job = run.job()
    job.start(env=run.shim(op="write", match="checkpoints/", do="short", count=0))
    if run.wait_progress(job, steps=2):
        job.kill_all()
        job.start(env=run.shim(op="write", match="checkpoints/", do="short", count=0))
    run.finish(job)
    run.judge()


@case(36, "torn-writes", "a write to a checkpoint is torn by SIGKILL", "CK, RC", needs="shim")
def torn_writes(run):
    faulty(run, [dict(op="write", match=match, do="torn") for match in ("segment", "manifest", "segment", "manifest")])


@case(37, "rename-fails", "a name cannot be given: EXDEV, EIO, no space", "CK, RC", needs="shim")
def rename_fails(run):
    faulty(run, [
        dict(op="rename", match="segment", do="EXDEV"), dict(op="rename", match="segment", do="EIO"),
        dict(op="link", match="manifest", do="EIO"), dict(op="link", match="manifest", do="ENOSPC"),
        dict(op="write", match="segment", do="ENOSPC"), dict(op="write", match="manifest", do="ENOSPC"),
    ])


def checkpointed(run, hours=6):
    """A job that was killed in the middle, and a copy of its checkpoints."""
    run.kafka()
    run.feed(hours=hours)
    job = run.job().start()
    run.require(run.wait_progress(job, steps=6), f"it was done before it could be killed: {tail(job)}")
    job.kill_all()
    good = run.folder / "good"
    shutil.copytree(run.folder / "checkpoints", good)
    return job, good


def restore(run, good):
    shutil.rmtree(run.folder / "checkpoints")
    shutil.copytree(good, run.folder / "checkpoints")


def needed(good):
    """The newest manifest and the files it names."""
    newest = sorted(good.glob("manifest-*.json"))[-1]
    text = newest.read_text()
    return [newest] + sorted(file for file in good.glob("*.segment") if file.stem in text)


def tamper(run, job, good, changes):
    """Each change is refused by the name of its file, and a right answer comes from the untouched copy."""
    refused = 0
    for what, name, change in changes:
        restore(run, good)
        change(run.folder / "checkpoints")
        job.start()
        code = job.wait(60)
        if code == 0:
            # It found another way to a right answer, or did not need that; the topics are at their end now.
            run.note(gone_round=1)
            run.judge()
            break
        if code not in (CHECKPOINT_ERROR, DOES_NOT_FIT):
            raise Failed(f"{what}: exit {code}: {tail(job)}")
        run.require(name is None or name in job.told(), f"{what}: it does not name {name}: {tail(job)}")
        refused += 1
    else:
        restore(run, good)
        run.finish(job)
        run.judge()
    run.note(refused=refused)
    run.require(refused > 0, "nothing was refused")


def change_bytes(name, change):
    def apply(folder):
        bytes_now = bytearray((folder / name).read_bytes())
        (folder / name).write_bytes(change(bytes_now))

    return apply


def flipped(at, bit):
    def change(content):
        content[at] ^= 1 << bit
        return content

    return change


@case(39, "bit-flips", "20 bits of each file of a checkpoint, one at a time", "exit or RC", short=True)
def bit_flips(run):
    job, good = checkpointed(run)
    changes = []
    for file in needed(good):
        for _ in range(20):
            at, bit = run.dice.randrange(file.stat().st_size), run.dice.randrange(8)
            changes.append((f"{file.name} byte {at} bit {bit}", file.name, change_bytes(file.name, flipped(at, bit))))
    run.dice.shuffle(changes)
    tamper(run, job, good, changes[: 40 if run.options.short else None])


@case(40, "truncated", "each file of a checkpoint at 0, 1, half, and one byte less", "exit or RC")
def truncated(run):
    job, good = checkpointed(run)
    changes = []
    for file in needed(good):
        size = file.stat().st_size
        for keep in (0, 1, size // 2, size - 1):
            changes.append((f"{file.name} cut at {keep}", file.name, change_bytes(file.name, lambda text, keep=keep: text[:keep])))
    tamper(run, job, good, changes)


@case(41, "removed", "each file of a checkpoint removed, the newest manifest last", "exit or RC")
def removed(run):
    job, good = checkpointed(run)
    files = needed(good)
    changes = [(f"{file.name} removed", file.name, lambda folder, n=file.name: (folder / n).unlink()) for file in files[1:]]
    # Without its newest manifest the one before it is the newest; the topics may know better.
    changes.append((f"{files[0].name} removed", None, lambda folder: (folder / files[0].name).unlink()))
    tamper(run, job, good, changes)


@case(42, "swapped", "files of a checkpoint in place of each other, and an older manifest by the name of the newest", "exit")
def swapped(run):
    job, good = checkpointed(run)
    newest, *segments = needed(good)
    changes = []
    for one in segments:
        for other in good.glob("*.segment"):
            if other.name != one.name and other.read_bytes() != one.read_bytes():
                put = lambda folder, one=one, other=other: shutil.copy(good / other.name, folder / one.name)
                changes.append((f"{other.name} as {one.name}", one.name, put))
    for other in sorted(good.glob("manifest-*.json"))[:-1]:
        put = lambda folder, other=other: shutil.copy(good / other.name, folder / newest.name)
        changes.append((f"{other.name} as {newest.name}", newest.name, put))
    tamper(run, job, good, changes)


@case(43, "of-another", "a checkpoint of other settings, of a later format, with other numbers of workers", "exit or RC")
def of_another(run):
    job, good = checkpointed(run)
    other = run.job(name="other", settings=["trip-gap=200s", "resolution=7"]).start()
    run.note(settings_exit=str(run.refused(other, {DOES_NOT_FIT})))
    restore(run, good)
    newest = needed(good)[0]
    later = newest.read_text().replace("waystream-manifest ", "waystream-manifest 9", 1)
    if later != newest.read_text():
        (run.folder / "checkpoints" / newest.name).write_text(later)
        job.start()
        run.note(format_exit=str(run.refused(job, {CHECKPOINT_ERROR, DOES_NOT_FIT}, newest.name)))
    restore(run, good)
    run.finish(run.job(name="wider", workers=3))
    run.judge()


@case(46, "one-folder-two-jobs", "a second job in the same folder of checkpoints", "exit, RC", short=True)
def one_folder_two_jobs(run):
    run.kafka()
    run.feed(hours=6)
    first = run.job(name="first").start()
    run.wait_progress(first)
    second = run.job(name="second").start()
    run.refused(second, {69}, "checkpoints")
    run.finish(first)
    run.require(first.starts == 1, "the first did not survive")
    run.judge()

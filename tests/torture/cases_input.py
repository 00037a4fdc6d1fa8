"""Rows 54 to 72 of the fault matrix: clocks, late and bad input, and limits of the system."""

import base64
import json
import resource
import time

from dataset import Missing
from run import Failed, tail
from table import case

HOUR_MS = 3_600_000


@case(0, "controls", "a row doubled, one removed, one altered in the topics of a good run", "RC sees each")
def controls(run):
    run.kafka()
    run.feed(hours=1)
    run.finish(run.job())
    run.judge()
    row = next(one for one in run.broker.consume("crossings")["crossings"] if one["partition"] == 0)
    altered = dict(json.loads(row["value"]), zone="nowhere")
    for sink, line in (("crossings", {"key": row["key"], "value": row["value"]}), ("crossings", {"key": row["key"], "value": altered})):
        run.broker.produce(sink, [line], "--envelope")
        must_fail(run, "too many")
    run.broker.topics("delete crossings", "create crossings 4")
    must_fail(run, "missing")
    run.sinks = ["trips"]
    run.judge()
    run.broker.topics("cut trips 1")
    must_fail(run, "missing")


def must_fail(run, word):
    try:
        run.judge()
    except Failed as failed:
        run.require(word in str(failed), f"it sees something else: {failed}")
        return
    raise Failed("a planted fault was not seen")


@case(54, "clock-jumps", "the wall clock jumps by an hour, back and forth, while the job runs", "RC", needs="shim")
def clock_jumps(run):
    run.kafka()
    run.feed(hours=6)
    job = run.job(env=run.shim(clock="1:3600,2:-7200,3:3600,4:-3600"))
    run.kill_again_and_again(job, 2)
    run.finish(job)
    run.judge()


@case(55, "skewed-entities", "clocks of one entity in twenty are 10 min ahead or behind", "RC, late counter")
def skewed_entities(run):
    run.kafka()
    data = run.hours(2)
    run.out_of_order_s = 1800
    names = sorted({row["entity_id"] for row in data.rows})
    skews = {name: run.dice.choice([-600_000, 600_000]) for name in run.dice.sample(names, len(names) // 20)}
    # Each row comes where it came before: only its time is another.
    rows = data.shuffled(run.seed, 300_000)
    moved = [dict(row, ts=row["ts"] + skews.get(row["entity_id"], 0)) for row in rows]
    data.rows = []
    data.add([dict(row, ts=row["ts"] + skews.get(row["entity_id"], 0)) for row in run.known[2].rows])
    run.make_topics()
    run.broker.produce("positions", moved, "--key", "entity_id")
    job = run.job()
    run.kill_again_and_again(job, 2)
    run.finish(job)
    run.require(not any(run.summary(job)["late"].values()), f"late: {run.summary(job)['late']}")
    run.judge()


@case(56, "idle-partition", "a partition without records, in a bounded run and in one without end", "RC, LIVE")
def idle_partition(run):
    run.kafka()
    data = run.hours(1)
    run.partitions, run.out_of_order_s = 5, 60
    run.make_topics()
    rows = data.shuffled(run.seed, 60_000)
    envelopes = [
        {"key": row["entity_id"], "partition": int(row["entity_id"]) % 4, "value": row} for row in rows
    ]
    run.broker.produce("positions", envelopes, "--envelope")
    job = run.job(until=None, settings=["idle-after=5s"]).start()
    follower = run.follower("live")
    begun = time.monotonic()
    seen = follower.wait_for(lambda record: True, 60)
    run.note(first_row_s=round(time.monotonic() - begun, 1))
    run.require(seen is not None, "60 s later the silent partition still holds everything back")
    run.complete(job, partitions=4, seconds=120)
    run.judge()


@case(57, "late-storm", "20 % of the rows come an hour late", "each is counted, RC")
def late_storm(run):
    run.kafka()
    data = run.hours(2)
    run.out_of_order_s = 60
    run.make_topics()
    # Late rows are older by two hours than all that their partition has had.
    on_time, late = data.rows, []
    for row in run.dice.sample(data.rows, len(data.rows) // 5):
        late.append((row["ts"], dict(row, ts=row["ts"] - 2 * HOUR_MS)))
    first = {row["entity_id"]: row["ts"] for row in reversed(on_time)}
    late = [(at, row) for at, row in late if at > first[row["entity_id"]] + 120_000]
    both = sorted([(row["ts"], 0, row) for row in on_time] + [(at, 1, row) for at, row in late], key=lambda one: one[:2])
    run.broker.produce("positions", [row for _, _, row in both], "--key", "entity_id")
    # Not killed: a run counts what it has read itself.
    job = run.job(workers=2)
    run.finish(job)
    told = run.summary(job)
    run.note(late=len(late), told_late=json.dumps(told["late"]))
    run.require(told["read"] == told["accepted"] + sum(told["rejected"].values()), f"it does not add up: {told}")
    run.require(len(late) in told["late"].values(), f"{len(late)} rows are late; it tells {told['late']}")
    run.judge(drop=["cells"])


BAD = [
    (b"{", "malformed"), (b"", "malformed"), (b"[1,2]", "malformed"), (b"null", "malformed"), (b"\xff\xfe\x00", "malformed"),
    (b'{"entity_id":"a","ts":1593475200000,"lat":91,"lon":0}', "out_of_range"),
    (b'{"entity_id":"a","ts":1593475200000,"lat":null,"lon":0}', None),
    (b'{"entity_id":"","ts":1593475200000,"lat":1,"lon":0}', None),
    (b'{"entity_id":"a","lat":1,"lon":0}', "missing"),
    (b'{"entity_id":"' + b"x" * 5000 + b'","ts":1593475200000,"lat":1,"lon":0}', None),
]


def dead_letters(run, wanted):
    """Each bad record is in the topic of dead letters once, with its place, bytes and a reason."""
    letters = [json.loads(record["value"]) for record in run.broker.consume("dead-letters")["dead-letters"]]
    found = {}
    for letter in letters:
        place = str(letter["partition"]).rpartition("/")[2], int(letter["offset"])
        if place in found:
            raise Failed(f"dead letter of {place} twice")
        found[place] = letter
    if len(found) != len(wanted):
        raise Failed(f"{len(found)} dead letters for {len(wanted)} bad records")
    for place, (raw, reason) in wanted.items():
        letter = found.get(place)
        if letter is None:
            raise Failed(f"no dead letter for {place}; there is one for {sorted(found)[:5]}")
        kept = base64.b64decode(letter["raw_base64"] or "")
        if kept != raw[: len(kept)] or (raw and not kept):
            raise Failed(f"dead letter of {place} holds {kept[:80]!r} for {raw[:80]!r}")
        if not letter["reason"] or (reason and letter["reason"] != reason):
            raise Failed(f"dead letter of {place} gives {letter['reason']!r} for {raw[:80]!r}")
    run.note(dead_letters=len(found))


def mixed(run, data, share):
    """Rows with bad records among them; where the bad ones came to lie, from the topic itself."""
    lines = []
    for row in data.shuffled(run.seed, run.out_of_order_s * 1000):
        if run.dice.random() < share:
            raw, _ = run.dice.choice(BAD)
            lines.append({"key": row["entity_id"], "value_base64": base64.b64encode(raw).decode()})
        lines.append({"key": row["entity_id"], "value": row})
    run.broker.produce("positions", lines, "--envelope")
    return bad_records(run)


def bad_records(run):
    reasons, wanted = dict(BAD), {}
    for record in run.broker.consume("positions")["positions"]:
        text = record.get("value")
        raw = base64.b64decode(record["value_base64"]) if "value_base64" in record else (text or "").encode()
        if raw in reasons:
            wanted[(str(record["partition"]), record["offset"])] = raw, reasons[raw]
    return wanted


@case(58, "poison", "one record in twenty is bad; SIGKILL now and then", "dead letters exactly once, RC", short=True)
def poison(run):
    run.kafka()
    data = run.hours(2)
    run.make_topics()
    wanted = mixed(run, data, 0.05)
    job = run.job(sinks=run.sinks + ["dead-letters"])
    run.kill_again_and_again(job, 4)
    run.finish(job)
    run.judge()
    dead_letters(run, wanted)


@case(59, "dead-letters-gone", "the topic of dead letters is deleted while the job runs", "nothing is dropped")
def dead_letters_gone(run):
    run.kafka()
    data = run.hours(3)
    run.make_topics()
    wanted = mixed(run, data, 0.05)
    follower = run.follower("dead-letters")
    job = run.job(sinks=run.sinks + ["dead-letters"]).start()
    run.wait_progress(job, steps=2)
    job.kill_all()
    time.sleep(3)
    early = {(json.loads(record["value"])["partition"], json.loads(record["value"])["offset"]) for record in follower.records}
    follower.stop()
    run.broker.topics("delete dead-letters")
    job.start()
    code = job.wait(90)
    run.note(exit=str(code), before=len(early), says=tail(job)[-160:])
    run.require(code is None or code != 0, "it ended as if nothing were missing")
    if code == 78:
        # It knows that the letters it has written are gone with their topic, and says so.
        run.require("dead-letters" in job.told(), f"it does not say what is missing: {tail(job)}")
        return
    job.reap()
    if not any(line.startswith("dead-letters ") for line in run.broker.topics("list").splitlines()):
        run.broker.topics("create dead-letters 4")
    run.finish(job)
    run.judge()
    found = [json.loads(record["value"]) for record in run.broker.consume("dead-letters")["dead-letters"]]
    places = [(letter["partition"], letter["offset"]) for letter in found] + sorted(early)
    run.require(len(set(places)) == len(wanted), f"{len(set(places))} of {len(wanted)} letters")


@case(60, "all-bad", "200,000 records, all of them bad", "MET: nothing is flooded")
def all_bad(run):
    run.kafka()
    run.sinks = ["crossings"]
    run.make_topics()
    lines = []
    for at in range(200_000):
        raw, _ = BAD[at % len(BAD)]
        lines.append(json.dumps({"key": str(at % 300), "value_base64": base64.b64encode(raw).decode()}))
    run.broker.produce("positions", lines, "--envelope")
    job = run.job(sinks=["crossings", "dead-letters"]).start()
    greatest = 0
    end = time.monotonic() + 120
    while job.is_alive() and time.monotonic() < end:
        greatest = max(greatest, job.rss_kib() // 1024)
        time.sleep(0.1)
    run.finish(job)
    told = run.summary(job)
    run.note(said_kib=len(job.told()) // 1024, rss_mib_greatest_s=greatest)
    run.require(told["accepted"] == 0 and sum(told["rejected"].values()) == 200_000, f"it counts {told}")
    run.require(len(job.told()) < 200_000, f"it says {len(job.told())} bytes")
    run.require(greatest < 800, f"it takes {greatest} MiB")
    letters = run.broker.consume("dead-letters")["dead-letters"]
    run.require(len(letters) == 200_000, f"{len(letters)} dead letters")


@case(61, "endless-loop", "code of a user that never returns", "MET", needs="a job with such code")
def endless_loop(run):
    raise Missing("a job with such code: `fleet` has none")


@case(65, "backfill-then-live", "an archive, then the topic that goes on where it ends", "RC", needs="a source that does both")
def backfill_then_live(run):
    raise Missing("a source that reads an archive and then a topic")


@case(70, "few-files", "a limit of 256 open files, and of 24", "RC, or a clear error")
def few_files(run):
    run.kafka()
    run.feed(hours=2)
    few = run.job(name="few", checkpoints="few", limits=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)))
    few.start()
    code = few.wait(60)
    run.note(exit_with_24=str(code))
    if code is None:
        busy = few.processor_s() / (time.monotonic() - few.begun)
        run.require(busy < 0.2, f"it spins: {busy:.0%} of a core, and says: {tail(few)}")
        raise Failed(f"it hangs with 24 files: {tail(few)}")
    if code != 0:
        run.require(code in (69, 74, 75) and "files" in few.told().lower(), f"exit {code}: {tail(few)}")
        run.require(few.told().count("\n") < 200, f"it says {few.told().count(chr(10))} lines")
        run.finish(run.job(checkpoints="few", limits=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))))
    run.judge()

"""Rows 12 to 29 of the fault matrix: brokers that die, hang, forget, and networks between them and the job."""

import json
import socket
import time

from broker import Broker
from run import Failed, tail
from table import case


def outage(run, job, begin, end, seconds):
    """The broker is away in the middle of the job, which neither dies nor burns processor time."""
    job.start()
    run.wait_progress(job)
    begin()
    time.sleep(3)
    before, begun = job.processor_s(), time.monotonic()
    time.sleep(max(0, seconds - 3))
    busy = (job.processor_s() - before) / (time.monotonic() - begun)
    alive = job.is_alive()
    end()
    run.note(busy_percent=round(100 * busy))
    run.require(alive, f"it gave up: exit {job.wait(0)}: {tail(job)}")
    run.require(busy < 0.2, f"it used {busy:.0%} of a core while the broker was away")


@case(18, "broker-kill", "SIGKILL of the only broker, back after 20 s", "RC, CPU < 20 % while down", short=True)
def broker_kill(run):
    run.kafka()
    run.feed(hours=6)
    job = run.job()
    outage(run, job, run.broker.kill, run.broker.start, 20)
    run.finish(job)
    run.require(job.starts == 1, "it had to be started again")
    run.judge()


@case("18b", "broker-kill-at-start", "SIGKILL of the only broker while the job starts, back after 5 s", "RC, or exit 69")
def broker_kill_at_start(run):
    run.kafka()
    run.feed(hours=2)
    job = run.job()
    for turn in range(3):
        job.start()
        time.sleep(run.dice.uniform(0.1, 2))
        run.broker.kill()
        time.sleep(5)
        run.broker.start()
        code = job.wait(2)
        run.require(code in (None, 0, 69, 75), f"exit {code}: {tail(job)}")
        run.note(exits=str(code))
        if code == 0:
            break
        job.kill_all()
    run.finish(job)
    run.judge()


@case(19, "broker-restart", "the broker ends cleanly and comes back, twice", "RC")
def broker_restart(run):
    run.kafka()
    run.feed(hours=6)
    job = run.job().start()
    for _ in range(2):
        if run.wait_progress(job):
            time.sleep(run.dice.uniform(0, 0.5))
            run.broker.stop()
            run.broker.start()
    run.finish(job)
    run.require(job.starts == 1, "it had to be started again")
    run.judge()


@case(20, "broker-stop", "SIGSTOP of the broker for 60 s", "RC")
def broker_stop(run):
    run.kafka()
    run.feed(hours=6)
    job = run.job().start()
    run.wait_progress(job)
    run.broker.pause(60)
    # Longer than its transactions live: it may end, and says why, and goes on when started again.
    if job.wait(60) not in (None, 0):
        run.note(ended=job.process.returncode)
    run.finish(job)
    run.judge()


@case(21, "no-broker", "the broker is down when the job starts", "stderr")
def no_broker(run):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    run.broker = Broker("none")
    run.broker.address = address
    job = run.job().start()
    begun = time.monotonic()
    run.refused(job, {69}, address, seconds=120)
    run.note(said_after_s=round(time.monotonic() - begun, 1))


@case(22, "transaction-timeout", "the broker allows shorter transactions than the sink needs", "exit 78")
def transaction_timeout(run):
    run.kafka(settings=["transaction.max.timeout.ms=5000"])
    run.feed(hours=1)
    job = run.job().start()
    run.refused(job, {78}, "transaction")
    run.require(not any(run.broker.consume(*run.sinks).values()), "it wrote rows all the same")


@case(23, "same-names", "a second job of the same name writes to the same topics", "RC, the loser says why")
def same_names(run):
    run.kafka()
    run.feed(hours=6)
    old = run.job(name="old").start()
    run.wait_progress(old)
    new = run.job(name="new", checkpoints="others").start()
    time.sleep(run.dice.uniform(0.5, 3))
    code = new.wait(60)
    run.note(second_exit=str(code))
    if code is None or code == 0:
        raise Failed("both write to the same topics, and the second is not refused")
    run.require(code in (69, 78), f"exit {code}: {tail(new)}")
    run.require("topic `live`" in tail(new), f"it does not name what is taken: {tail(new)}")
    first = old.wait(60)
    run.note(first_exit=str(first))
    run.finish(old)
    run.judge()


@case(24, "more-partitions", "4 partitions become 8 while the job runs", "RC")
def more_partitions(run):
    run.kafka()
    data = run.hours(2)
    run.make_topics()
    half = len(data.rows) // 2
    rows = data.shuffled(run.seed, 60_000)
    run.broker.produce("positions", rows[:half], "--key", "entity_id")
    job = run.job(until=None).start()
    run.consumed(job)
    run.broker.topics("grow positions 8")
    # What is fed before the job has seen the new partitions may be too late for those that it has.
    time.sleep(40)
    run.broker.produce("positions", rows[half:], "--key", "entity_id")
    time.sleep(3)
    run.consumed(job)
    job.kill_all()
    job.start()
    run.complete(job, partitions=8)
    run.judge()
    ends = [json.loads(line) for line in run.broker.java("Consume", "positions", "--ends").splitlines()]
    run.require(sum(one["end"] > 0 for one in ends) == 8, "the new partitions hold nothing: nothing was shown")
    run.note(partitions=len(ends), late=str(run.summary(job)["late"]))


def stopped_midway(run, hours=3):
    """A job that has read a part of its input and was killed; more input follows."""
    run.kafka()
    run.feed(hours=hours)
    job = run.job(until=None).start()
    run.wait_progress(job)
    job.kill_all()
    return job


@case(25, "cut-log", "records that the job has not read yet are removed", "exit and message")
def cut_log(run):
    job = stopped_midway(run)
    run.broker.produce("positions", run.data.rows[:4000], "--key", "entity_id")
    run.broker.topics("cut positions")
    job.start()
    code = run.refused(job, {69, 70, 74, 78}, "positions")
    run.require("`positions/" in job.told(), f"it does not name the partition: {tail(job)}")
    run.note(exit=str(code), says=tail(job)[-200:])


@case(26, "topic-made-anew", "the topic is deleted and made again, as long as before", "exit", short=True)
def topic_made_anew(run):
    job = stopped_midway(run)
    run.broker.topics("delete positions", "create positions 4")
    run.broker.produce("positions", run.data.rows, "--key", "entity_id")
    job.start()
    code = run.refused(job, {69, 70, 74, 78}, "positions")
    run.note(exit=str(code), says=tail(job)[-200:])


@case("26b", "topic-made-anew-live", "the same while the job runs", "exit")
def topic_made_anew_live(run):
    run.kafka()
    run.feed(hours=1)
    job = run.job(until=None).start()
    run.consumed(job)
    run.broker.topics("delete positions", "create positions 4")
    run.broker.produce("positions", run.data.rows, "--key", "entity_id")
    code = run.refused(job, {69, 70, 74, 78}, "positions", seconds=120)
    run.note(exit=str(code))


@case(27, "unclean-election", "a replica that lacks records becomes the leader", "exit")
def unclean_election(run):
    run.kafka(nodes=3, settings=["unclean.leader.election.enable=true"])
    data = run.hours(1)
    run.broker.topics(
        "create positions 4 2:3 min.insync.replicas=1", *(f"create {name} 4" for name in run.sinks + ["dead-letters"])
    )
    half = len(data.rows) // 2
    run.broker.produce("positions", data.rows[:half], "--key", "entity_id")
    run.broker.kill(3)
    run.broker.produce("positions", data.rows[half:], "--key", "entity_id")
    job = run.job(until=None).start()
    run.consumed(job)
    job.kill_all()
    run.broker.kill(2)
    run.broker.start(3)
    run.broker.start(2)
    ends = run.broker.java("Consume", "positions", "--ends")
    run.require(sum(json.loads(line)["end"] for line in ends.splitlines()) < len(data.rows), "nothing was lost")
    job.start()
    code = run.refused(job, {69, 70, 74, 78}, "positions")
    run.note(exit=str(code), says=tail(job)[-200:])


def wrong(rows):
    """Rows that would change answers if they were seen: later states of the same entities, elsewhere."""
    return [dict(row, lat=40.6501, lon=-74.0451, speed=99.0) for row in rows]


@case(28, "transactions-in-input", "committed, aborted and open transactions in the input", "RC", short=True)
def transactions_in_input(run):
    run.kafka()
    data = run.hours(2)
    run.make_topics()
    lines, rows = [], data.shuffled(run.seed, run.out_of_order_s * 1000)
    for at in range(0, len(rows), 700):
        lines += ["begin", *map(json.dumps, rows[at : at + 700]), "commit"]
        lines += ["begin", *map(json.dumps, wrong(rows[at : at + 90])), "abort"]
    run.broker.produce("positions", lines, "--key", "entity_id", "--transaction", "one")
    lines = ["begin", *map(json.dumps, wrong(rows[-500:]))]
    run.broker.produce("positions", lines, "--key", "entity_id", "--transaction", "two", "--leave-open")
    job = run.job(workers=2)
    run.kill_again_and_again(job, 3)
    run.finish(job)
    run.judge()
    run.require(run.summary(job)["rejected"] == {}, "something was rejected")


@case(29, "compacted-input", "a compacted topic with gaps, and control records", "RC")
def compacted_input(run):
    run.kafka(settings=["log.cleaner.backoff.ms=200", "log.cleaner.threads=1"])
    data = run.hours(1)
    run.make_topics()
    run.broker.topics(
        "delete positions",
        "create positions 4 1 cleanup.policy=compact segment.bytes=1048576 segment.ms=200 "
        "min.cleanable.dirty.ratio=0.01 min.compaction.lag.ms=0 max.compaction.lag.ms=1000",
    )
    lines = []
    for pass_over in ("old", "new"):
        for at, row in enumerate(data.rows):
            # A row has a key of its own, and a wrong version of every third came before.
            if pass_over == "new" or at % 3 == 0:
                value = row if pass_over == "new" else wrong([row])[0]
                key, partition = f"{row['entity_id']}/{at}", int(row["entity_id"]) % 4
                lines.append({"key": key, "partition": partition, "value": value})
    batches = [lines[at : at + 500] for at in range(0, len(lines), 500)]
    text = [line for batch in batches for line in ("begin", *map(json.dumps, batch), "commit")]
    run.broker.produce("positions", text, "--envelope", "--transaction", "one")
    # Only closed segments are compacted: time passes and another record closes the last.
    for _ in range(30):
        time.sleep(1)
        filler = [{"key": "filler", "partition": one, "value": None} for one in range(4)]
        run.broker.produce("positions", filler, "--envelope")
        left = [one for one in run.broker.consume("positions")["positions"] if one["key"] != "filler"]
        if len(left) == len(data.rows):
            break
    run.require(len(left) == len(data.rows), f"{len(left) - len(data.rows)} old versions were not compacted away")
    run.note(gaps=len(lines) - len(left))
    job = run.job()
    run.finish(job)
    run.note(rejected=str(run.summary(job)["rejected"]))
    run.judge()


@case(12, "partition", "nothing passes between job and broker for 20 s, both ways or one", "RC, LIVE")
def partition(run):
    run.kafka(proxied=True)
    run.feed(hours=6)
    job = run.job().start()
    for out, into in ((True, True), (True, False), (False, True)):
        if run.wait_progress(job):
            run.link.partition(20, out, into)
    run.link.reset_all()
    job.wait(60)
    run.finish(job)
    run.note(starts=job.starts)
    run.judge()


@case(15, "flapping", "the link to the broker fails each second for a second, 20 times", "LIVE, RC")
def flapping(run):
    run.kafka(proxied=True)
    run.feed(hours=6)
    job = run.job().start()
    run.wait_progress(job)
    for _ in range(20):
        run.link.partition(1)
        run.link.reset_all()
        time.sleep(1)
    run.finish(job, 90)
    run.note(starts=job.starts)
    run.judge()


@case(16, "latency", "100 ms and jitter on each piece of the link to the broker", "RC")
def latency(run):
    run.kafka(proxied=True)
    run.feed(hours=2)
    run.link.latency_s, run.link.jitter_s = 0.05, 0.1
    job = run.job()
    run.finish(job, 240)
    run.judge()


@case(17, "reset", "the connections to the broker are reset in the middle of a frame", "RC")
def reset(run):
    run.kafka(proxied=True)
    run.feed(hours=6)
    job = run.job().start()
    for _ in range(6):
        run.link.reset_after = run.dice.randrange(20, 60_000)
        time.sleep(run.dice.uniform(0.5, 2))
        run.link.reset_all()
    run.link.reset_after = None
    run.link.reset_all()
    run.finish(job)
    run.note(starts=job.starts)
    run.judge()


@case(49, "slow-sink", "20 kB/s towards the broker for 40 s", "RSS, RC")
def slow_sink(run):
    run.kafka(proxied=True)
    run.feed(hours=12)
    run.link.out_bytes_per_s = 20_000
    job = run.job().start()
    sizes = []
    for _ in range(40):
        time.sleep(1)
        sizes.append(job.rss_kib() // 1024)
    run.note(rss_mib_after_10_s=sizes[9], rss_mib_greatest_s=max(sizes))
    run.require(job.is_alive(), f"it gave up: {tail(job)}")
    run.require(max(sizes[10:]) < 1.5 * max(sizes[5:10]) + 64, f"memory grows: {sizes}")
    run.link.out_bytes_per_s = None
    run.finish(job)
    run.judge()


@case("1b", "kill-while-fed", "SIGKILL while rows are fed; a sentinel fed afterwards comes out in time", "LIVE, RC", short=True)
def kill_while_fed(run):
    run.kafka()
    data = run.hours(2)
    run.make_topics()
    run.out_of_order_s = 60
    rows = data.shuffled(run.seed, 60_000)
    feeder = run.feeder(rows, 1200)
    job = run.job(until=None)
    kills = 0
    while feeder.is_alive():
        if not job.is_alive():
            job.start()
        time.sleep(run.dice.uniform(0.5, 4))
        if feeder.is_alive():
            kills += job.kill_all()
    feeder.finish()
    if not job.is_alive():
        job.start()
    run.note(kills=kills)
    run.complete(job, seconds=30)
    run.judge()

#!/usr/bin/python3
"""S7: the disk is full: a tmpfs of 2 MB that the journal itself fills, and one of 16 MB that somebody else's file fills.

The county cannot be reached meanwhile. The alarms come at 80 and at 95 % and when it is full; what is finished then is not
acknowledged and the log says that it waits; the reserve is given back. Then the county is there again and, on the large disk,
nobody frees anything: what is delivered makes room. On the small one, where no reserve fits (it would be half of the disk), the
disk is made larger. Both go on without a restart, and nothing that was acknowledged is lost.

Control: the same judgement of what arrived, one result withheld from it, finds that one lost."""
import contextlib
import json
import os
import time

import row
import harness
import store_faults as store

PUSHERS = 2


def fill(disk, leave):
    """Somebody else's file takes all but `leave` bytes."""
    with contextlib.suppress(OSError), open(os.path.join(disk.where, "theirs"), "ab", buffering=0) as file:
        while True:
            about = os.statvfs(disk.where)
            rest = about.f_bavail * about.f_bsize - leave
            if rest < 4096:
                break
            file.write(bytes(min(rest, 65536)))


def levels(daemon):
    return daemon.status()["store"]["level"]


def begin(room):
    """A room whose county has the first results and is then gone."""
    ports = [harness.free_port() for _ in range(PUSHERS)]
    broker = store.broker_that_keeps(room)
    subscriber = room.subscriber(broker.port)
    daemon = room.daemon("".join(store.analyzer(number, port) for number, port in enumerate(ports, 1)),
                         store.TARGET.format(port=broker.port))
    store.setting(daemon, "reserve-mib = 4")
    daemon.start()
    analyzers = [store.Pusher(port, number, limit=20) for number, port in enumerate(ports, 1)]
    for one in analyzers:
        one.run()
    store.wait_for_all(subscriber, analyzers)
    broker.stop()
    return broker, subscriber, daemon, analyzers


def push(analyzers):
    """More results, from now on without an end."""
    for one in list(analyzers):
        more = store.Pusher(one.port, len(analyzers) + 1)
        more.start()
        analyzers.append(more)


def end(broker, subscriber, daemon, analyzers):
    """The county is there again; recovery, the judgement, and whether it finds one that is withheld from it."""
    broker.start()
    harness.wait_for(lambda: levels(daemon) != "full", 60, "room again")
    count = sum(len(one.told()) for one in analyzers)
    harness.wait_for(lambda: sum(len(one.told()) for one in analyzers) > count + 50, 60, "results that are stored again")
    for one in analyzers:
        one.stop()
    store.wait_for_all(subscriber, analyzers, 120)
    harness.wait_for(lambda: store.events(subscriber, "store_recovered"), 60, "the event store_recovered")
    told = [result for one in analyzers for result in one.told()]
    # What was delivered may be removed to make room: the county's copy is then the only one.
    arrived = store.payloads(subscriber)
    verdict = store.judge_county(told, arrived)
    withheld = told[len(told) // 2].value
    without = store.judge_county(told, [text for text in arrived if json.loads(text).get("value") != withheld])
    return verdict, without.lost == verdict.lost + 1, [event["level"] for event in store.events(subscriber, "store_low", "store_full", "store_recovered")]


def in_turn(wanted, steps):
    """Each was told in this order, and something after them; one may be told again when the reserve was given back."""
    left = iter(steps)
    return all(level in left for level in wanted) and next(left, None) is not None


def refused(daemon, analyzers):
    """No acknowledgement for a second, and the log says what waits."""
    before = sum(len(one.told()) for one in analyzers)
    time.sleep(1)
    return sum(len(one.told()) for one in analyzers) == before and "wait at the instrument" in daemon.log()


def filled_from_inside():
    with harness.Room() as room, store.Small(room, "size=2m") as disk:
        broker, subscriber, daemon, analyzers = begin(room)
        push(analyzers)
        harness.wait_for(lambda: levels(daemon) == "full", 60, "a full disk")
        visible = refused(daemon, analyzers)
        store.must("mount", "-o", "remount,size=16m", disk.where)
        return *end(broker, subscriber, daemon, analyzers), visible, daemon.alive()


def filled_from_outside():
    with harness.Room() as room, store.Small(room, "size=16m") as disk:
        broker, subscriber, daemon, analyzers = begin(room)
        size = os.statvfs(disk.where).f_blocks * os.statvfs(disk.where).f_bsize
        for leave, level in ((size * 12 // 100, "low"), (size * 3 // 100, "short")):
            fill(disk, leave)
            harness.wait_for(lambda: levels(daemon) in (level, "full"), 30, f"level {level}")  # noqa: B023
        push(analyzers)
        fill(disk, 0)
        harness.wait_for(lambda: levels(daemon) == "full", 60, "a full disk")
        reserve = daemon.status()["store"]["reserve_bytes"]
        fill(disk, 0)
        visible = refused(daemon, analyzers)
        return *end(broker, subscriber, daemon, analyzers), visible and reserve == 0, daemon.alive()


store.need_root("S7")
figures, passed, controls = [], True, []
RUNS = (("2 MB filled from inside", filled_from_inside, ["full"]),
        ("16 MB filled from outside", filled_from_outside, ["low", "short", "full"]))
for how, run, wanted in RUNS:
    rounds = row.size(5, 1)
    total, visible, alive, complete = store.Judgement(), 0, 0, 0
    for _ in range(rounds):
        verdict, found, steps, seen, lives = run()
        total += verdict
        controls.append(found)
        visible += seen
        alive += lives
        complete += in_turn(wanted, steps)
        row.explain(f"{how}: {steps}")
    figures.append(f"{how} {rounds} times: alarms complete {complete}, refusal visible {visible}, recovered without a restart {alive}, "
                   f"{total.figures()}")
    passed = passed and total.sound() and visible == alive == complete == rounds
figures.append(f"control: one result withheld, found as lost {sum(controls)} of {len(controls)} times")
row.end("S7", "; ".join(figures), passed and all(controls))

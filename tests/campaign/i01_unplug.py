#!/usr/bin/python3
"""I1: adapters are unplugged and come back under another number. Noticed within two poll periods, back within 5 s, no loss,
and the processor idles meanwhile.

One result a second: a reader that is asked by date gives its whole day again for each new result, and at five a second reading that
again is most of what the row would measure.

Control: a reader that stays plugged in is never called lost, and a busy loop is measured as one."""
import os
import sys
import threading
import time

import row
import harness
import testroom

EXCLUSIVE = True
POLL, AWAY, EVERY = 1.0, 3.0, 9.0
CYCLES = row.size(20, 1)
NAMES = ("reader-1", "analyzer-1")


class Watch(threading.Thread):
    """Notes when a link goes and comes, what it points to, and how much processor time the daemon had used then."""

    def __init__(self, path, daemon):
        super().__init__(daemon=True)
        self.path, self.process, self.changes, self.ended = path, daemon, [], threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            target = os.readlink(self.path) if os.path.islink(self.path) and os.path.exists(self.path) else None
            if not self.changes or self.changes[-1][1] != target:
                self.changes.append((time.monotonic_ns(), target, testroom.cpu_seconds(self.process)))
            time.sleep(0.004)


def busy_share(room):
    busy = room.add(harness.Process([sys.executable, "-c", "while True: pass"], room.path("busy.log")).start())
    time.sleep(0.2)
    before, began = testroom.cpu_seconds(busy), time.monotonic()
    time.sleep(0.5)
    return (testroom.cpu_seconds(busy) - before) / (time.monotonic() - began)


def arrivals(subscriber, event, name):
    told = [(harness.json.loads(message.payload), message.at_ns) for message in subscriber.of("event")]
    return [at_ns for it, at_ns in told if it["event"] == event and it.get("instrument") == name]


def judge(watch, subscriber, name):
    """(offline after, back after, processor share) of each absence, in seconds; None where an event is missing. The machine's
    other work makes one absence dearer than another: what the row holds is the share of all."""
    gone = [(now, later) for now, later in zip(watch.changes, watch.changes[1:]) if now[1] is None]
    lost, back = (arrivals(subscriber, event, name) for event in ("instrument_lost", "instrument_back"))
    if not len(gone) == len(lost) == len(back) == CYCLES:
        row.explain(f"{name}: {len(gone)} absences, {len(lost)} lost, {len(back)} back; {CYCLES} were due")
        return None
    return [((lost_ns - went[0]) / 1e9, (back_ns - came[0]) / 1e9, (came[2] - went[2]) * 1e9 / (came[0] - went[0]))
            for (went, came), lost_ns, back_ns in zip(gone, lost, back)]


def numbers(watch):
    return [target for _, target, _ in watch.changes if target]


with harness.Room() as room:
    unplugs = [option for cycle in range(CYCLES) for option in ("--unplug", f"{3 + EVERY * cycle}:{AWAY}")]
    common = ("--rate", "1", "--results", "1000000", "--capacity", "5000")
    paths = {name: room.path(f"line-{name}") for name in (*NAMES, "control")}
    sims = [room.sim("reader-1", "a2", ("--serial", paths["reader-1"]), *common, "--seed", "1", *unplugs),
            room.sim("analyzer-1", "a6b", ("--serial", paths["analyzer-1"]), *common, "--seed", "2", *unplugs),
            room.sim("control", "a2", ("--serial", paths["control"]), *common, "--seed", "3")]
    _, subscriber, daemon = testroom.start(room, testroom.reader("reader-1", paths["reader-1"], poll=f"{POLL:.0f}s") + testroom.analyzer(
        "analyzer-1", paths["analyzer-1"], poll=f"{POLL:.0f}s") + testroom.reader("control", paths["control"], poll=f"{POLL:.0f}s"))
    watches = {name: Watch(paths[name], daemon) for name in NAMES}
    for name in NAMES:
        harness.wait_for(lambda name=name: len(arrivals(subscriber, "instrument_back", name)) >= CYCLES, 30 + EVERY * CYCLES,
                         f"{name} back {CYCLES} times")
    verdict = harness.settle(sims, subscriber)
    alarms = len(arrivals(subscriber, "instrument_lost", "control"))
    busy = busy_share(room)
    for watch in watches.values():
        watch.ended.set()
    absences = [judge(watches[name], subscriber, name) for name in NAMES]
    changed = all(len(set(pair)) == 2 for watch in watches.values() for pair in zip(numbers(watch), numbers(watch)[1:]))

amiss = testroom.amiss(verdict)
if None in absences:
    row.end("I1", "an absence or a return was not told", False)
each = list(zip(*(absence for of_one in absences for absence in of_one)))
offline, back, worst = (max(values) for values in each)
share = sum(each[2]) / len(each[2])
row.end("I1", f"{CYCLES} unplugging(s) each of a serial and a Modbus RTU line, number changed each time; offline within {offline:.2f} s "
        f"(poll {POLL:.0f} s), back within {back:.2f} s, {share:.2%} of a core meanwhile (once {worst:.2%}); {testroom.count_of(verdict)}; control: "
        f"{alarms} false alarms, a busy loop measured at {busy:.0%}",
        offline <= 2 * POLL and back <= 5 and share < 0.02 and worst < 0.1 and changed and not amiss and not alarms and busy > 0.02)

#!/usr/bin/python3
"""I6: ports that are silent, babble without end, answer at another rate of bits, or stick at break, serial and Modbus RTU, beside good
ones. The good ones are asked at their pace all the same (95 of 100 within a tenth of the period) and lose nothing.

Control: the daemon itself stopped for a moment, again and again, is seen in the pace."""
import os
import signal
import time

import row
import harness
import testroom
from wire import Wire

EXCLUSIVE = True
POLL_S, SECONDS = 1.0, row.size(60, 4)


def scramble(answer, question, number):
    """What a receiver at another rate of bits makes of it."""
    return [bytes((byte << 3 | byte >> 2) & 0xFF ^ 0x80 for byte in answer)]


def jitter(wires, began):
    """The 95th of 100 differences from the period, as a share of it."""
    off = []
    for wire in wires:
        times = [at for at in list(wire.asked) if at >= began]
        off += [abs(later - at - POLL_S) / POLL_S for at, later in zip(times, times[1:])]
    return sorted(off)[int(len(off) * 0.95)] if off else 1.0


def measure(wires, seconds, meanwhile=lambda: None):
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        meanwhile()
        time.sleep(0.1)
    return jitter(wires, began)


def bad_lines(room):
    """(sections, wires, names) of what is wrong with a line, once as a reader and once as an analyzer."""
    noise = os.urandom(997)
    sections, wires, names = "", [], []
    for kind, archetype, section in (("reader", "a2", testroom.reader), ("analyzer", "a6b", testroom.analyzer)):
        for fault, options in (("silent", {}), ("babbling", {"babble": noise}), ("rate", {"change": scramble}), ("break", {"babble": b"\0"})):
            name = f"{fault}-{kind}"
            if fault == "rate":
                room.sim(name, archetype, ("--serial", room.path(f"far-{name}")), "--results", "10")
                options = {**options, "far": room.path(f"far-{name}")}
            wires.append(Wire(room.path(f"line-{name}"), **options))
            sections += section(name, room.path(f"line-{name}"), poll=f"{POLL_S * 1000:.0f}ms", timeout="300ms")
            names.append(name)
    return sections, wires, names


def stop_and_go(daemon):
    daemon.child.send_signal(signal.SIGSTOP)
    time.sleep(0.45)
    daemon.child.send_signal(signal.SIGCONT)


with harness.Room() as room:
    sims, good, sections = [], [], ""
    for name, archetype, section, results in (("idle-1", "a2", testroom.reader, 0), ("idle-2", "a6b", testroom.analyzer, 0)):
        room.sim(name, archetype, ("--serial", room.path(f"far-{name}")), "--results", str(results))
        good.append(Wire(room.path(f"line-{name}"), room.path(f"far-{name}")))
        sections += section(name, room.path(f"line-{name}"), poll=f"{POLL_S * 1000:.0f}ms", **(
            {"reconcile": "1h"} if archetype == "a2" else {}))
    sims = [room.sim("busy-1", "a6b", ("--serial", room.path("line-busy-1")), "--rate", "10", "--results", "1000000")]
    sections += testroom.analyzer("busy-1", room.path("line-busy-1"))
    broker, subscriber, daemon = testroom.start(room, sections)
    harness.wait_for(lambda: all(len(wire.asked) > 1 for wire in good), 20, "the good ones asked")
    alone = measure(good, SECONDS)
    control = measure(good, 4.0, lambda: stop_and_go(daemon))
    more, bad, names = bad_lines(room)
    daemon.write_config(sections + more, testroom.target(broker))
    daemon.child.send_signal(signal.SIGHUP)
    harness.wait_for(lambda: "is in force" in daemon.log(), 10, "the bad ones")
    time.sleep(0.5)
    beside = measure(good, SECONDS)
    verdict = harness.settle(sims, subscriber)
    status = daemon.status()["instruments"]
    for wire in (*good, *bad):
        wire.stop()

heard = [name for name in names if status[name]["stored"]]
called = {name: status[name]["health"] for name in names}
row.explain(*(f"{name} is called well" for name, health in called.items() if health == "ok" and not name.startswith("rate")))
row.end("I6", f"{len(names)} bad lines beside {len(good) + 1} good ones, polled every {POLL_S} s: off by {beside:.1%} of the period (95 of 100; "
        f"{alone:.1%} without them), {testroom.count_of(verdict)}, {len(heard)} bad ones gave a result; control, daemon stopped again and "
        f"again: {control:.0%}",
        beside < 0.1 and control > 0.1 and not heard and not testroom.amiss(verdict))

"""testroom: what the rows of instruments, clock and host share: a running room, its judgement, processor time, a clock that is told."""
import glob
import json
import os
import time

import row  # noqa: F401  (the search path)
import harness


def target(broker):
    return f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n"


def instrument(name, driver, port, **settings):
    """A section of the configuration; an underscore in a setting's name stands for the hyphen."""
    lines = "".join(f"{key.replace('_', '-')} = {value}\n" for key, value in settings.items())
    return f"[instrument {name}]\ndriver = {driver}\nport = {port}\n{lines}\n"


def reader(name, port, **settings):
    """An enzyme reader that is asked by date (assay-sim a2)."""
    return instrument(name, "seven-e-aa", port, **{"line": "115200/8n1", "poll": "200ms", **settings})


def analyzer(name, port, **settings):
    """A Modbus RTU analyzer (assay-sim a6b)."""
    return instrument(name, "modbus", f"modbus-rtu:{port}",
                      **{"profile": "analyzer-a6b", "line": "115200/8n1", "unit": 1, "poll": "200ms", **settings})


def start(room, instruments, **options):
    """(broker, subscriber, daemon): a county that listens, and the daemon, started."""
    broker = room.broker()
    return broker, room.subscriber(broker.port), room.daemon(instruments, target(broker), **options).start()


def finished(sims, count, seconds=60):
    harness.wait_for(lambda: len(harness.truth_of(sims)) >= count, seconds, f"{count} results finished")


def amiss(verdict):
    """How many results were lost, doubled or wrong; the first of each is explained."""
    for kind in ("lost", "doubled", "invented"):
        row.explain(*(f"{kind}: {key}" for key in getattr(verdict, kind)[:3]))
    return len(verdict.lost) + len(verdict.doubled) + len(verdict.invented)


def count_of(verdict):
    return f"{verdict.finished} results, {len(verdict.lost)} lost, {len(verdict.doubled)} doubled, {len(verdict.invented)} wrong"


def events(subscriber, name):
    return [event for event in (json.loads(message.payload) for message in subscriber.of("event")) if event["event"] == name]


def cpu_seconds(process):
    """Processor time of all its threads, to the nanosecond."""
    return time.clock_gettime(~process.child.pid << 3 | 2)


def descriptors(process):
    return len(os.listdir(f"/proc/{process.child.pid}/fd"))


def resident_kib(process):
    with open(f"/proc/{process.child.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


class Clock:
    """The wall clock of a daemon, told by a file while it runs; its monotonic clock runs on."""

    def __init__(self, room, offset_s=0):
        self.path = room.path("clock")
        self.set(offset_s)

    def set(self, offset_s):
        """So many seconds beside the right time, from now on."""
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(f"{offset_s:+d}\n")
        os.rename(self.path + ".new", self.path)

    def environment(self, synced):
        """`synced`: what the kernel says of it."""
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found or harness.SANITIZED:
            row.skip(row.name(), "libfaketime (package faketime) is not here, or a sanitizer must be before it")
        shims = [found[0], harness.SHIM, os.path.join(harness.BUILD, "tests/faults/clockshim.so")]
        # The "fix" would turn monotonic waits into waits of years.
        return {"FAKETIME_FORCE_MONOTONIC_FIX": "0", "LD_PRELOAD": ":".join(shims), "FAKETIME_TIMESTAMP_FILE": self.path,
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "CLOCK_SYNCED": "1" if synced else "0"}

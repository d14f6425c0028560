"""The clock of the room: hours pass when it is told so, for the gateway by tests/faults/stepshim.c, for the instruments here."""
import datetime
import mmap
import os
import struct
import time

import harness

SHIM = os.path.join(harness.BUILD, "tests/faults/stepshim.so")
CHINA = datetime.timezone(datetime.timedelta(hours=8))
SECOND_NS = 1_000_000_000
SIZE = 24 + 125 * 24  # of stepshim.c's file
NO_THREAD, RUNS, WAITS, WAITS_FOR_SOMEBODY = range(4)


def moment(text):
    """"2026-03-05 09:41" as the room's clock on the wall shows it."""
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=CHINA)


class Clock:
    """What time it really is in the simulated room, and what the gateway's box believes it to be."""

    def __init__(self, path, start):
        with open(path, "wb") as file:
            file.write(bytes(SIZE))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), SIZE)
        self.path = path
        self.passed_ns = 0    # more than really passed
        self.started_ns = time.monotonic_ns()
        self.start = start
        self.believed_ns = 0  # the box's wall clock against the truth
        self.synced = True
        self.write()

    def now(self):
        return self.start + datetime.timedelta(microseconds=(time.monotonic_ns() - self.started_ns + self.passed_ns) // 1000)

    def write(self):
        wall_ns = int(self.now().timestamp() * SECOND_NS) - time.time_ns() + self.believed_ns
        self.memory[:24] = struct.pack("=qqq", self.passed_ns, wall_ns, self.synced)

    def step_to(self, when):
        """Lets time pass until then: every clock that runs goes on by as much."""
        self.passed_ns += max(0, (when - self.now()) // datetime.timedelta(microseconds=1)) * 1000
        self.write()

    def box_believes(self, when, synced):
        """The box's clock says so from now on; None: what is right."""
        self.believed_ns = 0 if when is None else (when - self.now()) // datetime.timedelta(microseconds=1) * 1000
        self.synced = synced
        self.write()

    def waiting(self):
        """None while a thread of the gateway has something to do or has not seen the time as it is; else for each how many
        descriptors it waits for."""
        numbers = struct.unpack(f"={SIZE // 8}q", self.memory[:])[3:]
        threads = [thread for thread in zip(numbers[::3], numbers[1::3], numbers[2::3]) if thread[0] != NO_THREAD]
        rest = all(at == WAITS_FOR_SOMEBODY or (at == WAITS and seen == self.passed_ns) for at, seen, _ in threads)
        return [descriptors for _, _, descriptors in threads] if rest else None

    def environment(self):
        assert os.path.exists(SHIM) and os.path.exists(harness.SHIM), "make shims"
        return {"LD_PRELOAD": f"{SHIM}:{harness.SHIM}", "STEPPED_CLOCK": self.path}

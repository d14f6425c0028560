#!/usr/bin/python3
"""C3: one thread of the daemon hangs, each in a daemon of its own under load: the watchdog is fed no more, and the restart that
systemd then makes (SIGABRT, start) loses nothing.

Control: while nothing hangs every daemon feeds its watchdog at its pace."""
import concurrent.futures
import os
import resource
import signal
import socket
import time

import row
import harness
import testroom
import threads

THREADS = ("assayd", "line", "journal", "publisher", "sealer", "caretaker")
ROUNDS, WATCHDOG_S = row.size(10, 1), 4  # the daemon feeds it twice in that time


class Manager:
    """What systemd is to the daemon: hears when the watchdog is fed."""

    def __init__(self, path):
        if os.path.exists(path):
            os.unlink(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)

    def fed(self, seconds):
        """When within that time; None where it was not."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if b"WATCHDOG=1" in self.socket.recv(4096):
                    return time.monotonic()
            except socket.timeout:
                return None
        return None


def hang(daemon, name):
    """(seconds between feedings before, None where there were none; seconds the thread hung until the last feeding, None where
    the watchdog's time never ran out)"""
    manager = Manager(daemon.notify_path)
    before = manager.fed(WATCHDOG_S)
    pace = before and (manager.fed(WATCHDOG_S) or before + WATCHDOG_S) - before
    began = last = time.monotonic()
    held = threads.named(daemon.child.pid, name)
    threads.hold(held)
    while again := manager.fed(WATCHDOG_S):
        last = again
        if last - began > 5 * WATCHDOG_S:
            last = None
            break
    restart(daemon, held)
    return pace, last and last - began


def restart(daemon, held):
    """As systemd does it when the watchdog's time is over."""
    daemon.child.send_signal(signal.SIGABRT)
    threads.bury(daemon.child.pid, held)
    daemon.child.wait(10)
    daemon.start()


def judge(name):
    """(pace, how long it was fed on, verdict) of the worst round."""
    with harness.Room() as room:
        sim = room.sim("reader-1", "a2", ("--serial", room.path("line")), "--rate", "20", "--results", "1000000", "--capacity", "60000")
        _, subscriber, daemon = testroom.start(room, testroom.reader("reader-1", room.path("line")),
                                               env={"WATCHDOG_USEC": str(WATCHDOG_S * 1000000)})
        rounds = []
        for _ in range(ROUNDS):
            testroom.finished([sim], len(sim.truth()) + 10)
            rounds.append(hang(daemon, name))
        return name, rounds, harness.settle([sim], subscriber)


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
with concurrent.futures.ThreadPoolExecutor(len(THREADS)) as pool:
    judged = list(pool.map(judge, THREADS))
notes, passed = [], True
for name, rounds, verdict in judged:
    never = sum(last is None for _, last in rounds)
    longest = max((last for _, last in rounds if last is not None), default=0)
    passed &= not never and longest <= WATCHDOG_S and not testroom.amiss(verdict)
    notes.append(f"{name} {'never' if never else f'{longest:.1f} s'}")
paces = [pace for _, rounds, _ in judged for pace, _ in rounds]
lost, finished = (sum(value) for value in zip(*((len(verdict.lost), verdict.finished) for _, _, verdict in judged)))
row.end("C3", f"{ROUNDS} hang(s) of each thread, last feeding of the watchdog after it: {', '.join(notes)}; restarted, {finished} "
        f"results, {lost} lost; control, nothing hangs: fed every {max(pace or 99 for pace in paces):.1f} s at most",
        passed and all(pace and pace < WATCHDOG_S for pace in paces))

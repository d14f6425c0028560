#!/usr/bin/python3
"""C2: SIGTERM under load, and SIGHUP with good and bad configurations in turn. Every end within 5 s with 0 lost; a bad
configuration keeps the old one, a good one comes into force, and what did not change goes on through both.

Control: good and bad ones name another profile than the one in force, which the status tells, so a bad one that was taken and a
good one that was not would be seen."""
import os
import re
import shutil
import signal
import time

import row
import harness
import testroom

STOPS, RELOADS = row.size(200, 4), row.size(200, 10)
PROFILES = ("analyzer-a6b", "another-name")  # of the same words
BAD = ("poll = 2OOms", "pol = 200ms", "poll = 200ms\npoll = 300ms", "poll =", "[instrument analyzer-1", "driver = modbuss")


def told(daemon, words, count):
    return len(re.findall(words, daemon.log())) >= count


def reload(daemon, instruments, target, words, count):
    daemon.write_config(instruments, target)
    daemon.child.send_signal(signal.SIGHUP)
    harness.wait_for(lambda: told(daemon, words, count), 10, f"{words!r} {count} times")


def profile(daemon):
    return daemon.status()["instruments"]["analyzer-1"].get("profile")


def stops(daemon, sims):
    """The slowest end, in seconds, and how often it was not 0."""
    slowest, wrong = 0, 0
    for _ in range(STOPS):
        testroom.finished(sims, len(harness.truth_of(sims)) + 20)
        began = time.monotonic()
        wrong += daemon.stop() != 0
        slowest = max(slowest, time.monotonic() - began)
        daemon.start()
    return slowest, wrong


def reloads(daemon, reader, analyzer, target):
    """How often a bad configuration changed something, and how often a good one did not come into force."""
    taken, missed, wanted = 0, 0, PROFILES[0]
    for number in range(RELOADS):
        other = PROFILES[1 - number % 2]
        bad = analyzer(other).replace("poll = 200ms", BAD[number % len(BAD)])
        reload(daemon, reader + bad, target, "stays in force", number + 1)
        daemon.write_config(reader + analyzer(wanted), target)  # assayctl reads the files too: it wants good ones
        taken += profile(daemon) != wanted
        wanted = other
        reload(daemon, reader + analyzer(wanted), target, "the new configuration is in force", number + 1)
        missed += profile(daemon) != wanted
    return taken, missed


with harness.Room() as room:
    paths = {name: room.path(f"line-{name}") for name in ("reader-1", "analyzer-1")}
    common = ("--rate", "20", "--results", "1000000", "--capacity", "60000")
    sims = [room.sim("reader-1", "a2", ("--serial", paths["reader-1"]), "--seed", "1", *common),
            room.sim("analyzer-1", "a6b", ("--serial", paths["analyzer-1"]), "--seed", "2", *common)]
    reader = testroom.reader("reader-1", paths["reader-1"])

    def analyzer(profile):
        return testroom.analyzer("analyzer-1", paths["analyzer-1"], profile=profile, lateness="200ms")

    os.makedirs(room.path("etc/profiles"))
    shutil.copy(os.path.join(row.ROOT, f"config/profiles/{PROFILES[0]}.conf"), room.path(f"etc/profiles/{PROFILES[1]}.conf"))
    broker, subscriber, daemon = testroom.start(room, reader + analyzer(PROFILES[0]))
    target = testroom.target(broker)
    slowest, wrong = stops(daemon, sims)
    harness.wait_for(lambda: daemon.status()["targets"]["county"]["state"] == "up", 10, "the broker")
    polls, before = daemon.status()["instruments"]["reader-1"]["polls"], daemon.status()["targets"]["county"]["connects"]
    taken, missed = reloads(daemon, reader, analyzer, target)
    untouched = daemon.status()["instruments"]["reader-1"]["polls"] > polls and \
        daemon.status()["targets"]["county"]["connects"] == before
    verdict = harness.settle(sims, subscriber, 90)

row.end("C2", f"{STOPS} SIGTERM under load: slowest end {slowest:.2f} s, {wrong} ends not clean; {RELOADS} bad and {RELOADS} good "
        f"configurations by SIGHUP: {taken} bad taken, {missed} good not taken (control: each by another profile), others "
        f"{'untouched' if untouched else 'disturbed'}; {testroom.count_of(verdict)}",
        slowest < 5 and not wrong and not taken and not missed and untouched and not testroom.amiss(verdict))

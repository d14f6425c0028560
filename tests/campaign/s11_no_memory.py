#!/usr/bin/python3
"""S11: the n-th allocation fails, for every n of `assayd --check`, `assayctl decode` and `assayctl export` (the smoke form takes
some), and for random n of the running daemon.

What OpenSSL and Paho ask for inside is left out of that: both crash when it fails (measured with Debian 12's), which is theirs to
mend. For them a run of its own lets every allocation of the daemon fail, theirs too: it may crash there, and still nothing that was
acknowledged may be lost, doubled or altered.

A program may say that memory is gone and end. A daemon without memory may also end itself on purpose (abort, SIGABRT): the next start
goes on from the journal, and that is what the row lets it do. What it may not do is crash in any other way, say a record that is
not one, say "done" (exit 0) when something is missing, or lose what it acknowledged.

Control: each failure must have happened (the shim counts), and a program that ends well must have been through it unharmed, not
past it."""
import concurrent.futures
import glob
import hashlib
import os
import random
import re
import signal
import subprocess

import row
import harness
import store_faults as store

SHIM = os.path.join(harness.BUILD, "tests/faults/nomemshim.so")
THEIRS = "libcrypto,libssl,libpaho"
EXPORTED = 5  # results; each more takes as many allocations
CAPTURES = (("astm", "astm/a7-reader.hex"), ("seven-e-aa", "seven-e-aa/*.hex"), ("text", "text/*.hex"))


class Command:
    """One program that is run again and again, each time with another allocation that fails."""

    def __init__(self, room, name, *command):
        self.room, self.name, self.command = room, name, [os.path.join(harness.BUILD, command[0]), *command[1:]]
        done, self.count, _ = self.run(0)
        self.returns, self.good = done.returncode, self.lines(done)
        self.ends = {"well": 0, "said": 0, "aborted": 0, "crashed": 0, "wrong": 0, "silent": 0, "unharmed": 0}

    def run(self, at):
        """(the process, allocations, how many failed)"""
        counted = self.room.path(f"count-{self.name}-{at}")
        environment = {**os.environ, "LD_PRELOAD": SHIM, "NOMEM_AT": str(at), "NOMEM_NOT": THEIRS, "NOMEM_COUNT": counted,
                       "LC_ALL": "C.UTF-8"}
        done = subprocess.run(self.command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        numbers = [0, 0]
        if os.path.exists(counted):
            with open(counted, encoding="ascii") as file:
                numbers = [int(line) for line in file] or numbers
            os.unlink(counted)
        return done, numbers[0], numbers[1]

    @staticmethod
    def lines(done):
        """What it printed; of an export without the time at which it was made, and whether its digest is right instead of the digest."""
        text, end, digest = done.stdout.partition(b'{"end":"assay/v1","digest":"sha256:')
        right = digest == hashlib.sha256(text).hexdigest().encode() + b'"}\n'
        return [*re.sub(rb'^(\{"export":.*?"at":)"[^"]+"', rb"\1", text).splitlines(), *([end + str(right).encode()] if end else [])]

    def judge(self, at):
        done, _, failed = self.run(at)
        lines, good = self.lines(done), set(self.good)
        if done.returncode == -signal.SIGABRT:
            end = "aborted"
        elif done.returncode < 0:
            end = "crashed"
        elif any(line not in good for line in lines):
            end = "wrong"
        elif not failed:
            end = "unharmed"
        elif done.returncode == self.returns:
            end = "well" if lines == self.good else "silent"
        else:
            end = "said" if done.stderr.strip() else "silent"
        if end in ("crashed", "wrong", "silent"):
            row.explain(f"{self.name}, allocation {at}: {end}, ended with {done.returncode}: {done.stderr.decode(errors='replace')[-200:]!r}")
        return end

    def sweep(self, pool):
        step = row.size(1, max(1, self.count // 25))
        for end in pool.map(self.judge, range(1, self.count + 1, step)):
            self.ends[end] += 1

    def figures(self):
        tried = sum(self.ends.values())
        return (f"{self.name}: {tried} of {self.count} allocations failed, {self.ends['well']} ended well, {self.ends['said']} said so, "
                f"{self.ends['aborted']} ended on purpose, crashes {self.ends['crashed']}, wrong {self.ends['wrong']}, silent {self.ends['silent']}")

    def sound(self):
        return not any(self.ends[how] for how in ("crashed", "wrong", "silent")) and \
            self.ends["unharmed"] * 20 < sum(self.ends.values())  # threads make the number of a run differ a little


def running_daemon(room, kills, seed, spared):
    """The n-th allocation of the running daemon fails, not counting those of the libraries `spared`: (figures, passed)."""
    draw = random.Random(seed)
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    port, counted = harness.free_port(), room.path("count")
    preload = {"LD_PRELOAD": f"{SHIM}:{harness.SHIM}", "NOMEM_COUNT": counted, "NOMEM_NOT": spared}
    daemon = room.daemon(store.analyzer(1, port), store.TARGET.format(port=broker.port), env=preload)

    def life(at, number):
        """One life: what was acknowledged, and how it ended (None: it did not)."""
        daemon.env = {**daemon.env, "NOMEM_AT": str(at)}
        pusher = store.Pusher(port, number, limit=30)
        try:
            daemon.start()
            pusher.start()
            pusher.join(10)
            pusher.stop()
        except AssertionError:
            pusher.ending.set()
        alive = daemon.alive()
        code = daemon.stop(seconds=30) if alive else daemon.child.wait()
        return pusher.told(), None if alive and code == 0 else code

    told, _ = life(0, 1)
    with open(counted, encoding="ascii") as file:
        total = int(file.readline())
    aborted = crashed = ended = survived = 0
    for number in range(2, kills + 2):
        at = draw.randrange(1, total)
        more, code = life(at, number)
        told += more
        survived += code is None
        aborted += code == -signal.SIGABRT
        ended += code is not None and code > 0
        if code is not None and code < 0 and code != -signal.SIGABRT:
            crashed += 1
            row.explain(f"the daemon, allocation {at} of {total}: ended with {code}", *daemon.log().splitlines()[-4:])
    daemon.env = {**daemon.env, "NOMEM_AT": "0"}
    daemon.start()
    harness.wait_for(lambda: {one.value for one in told} <= store.values_of(subscriber), 60, "all at the county")
    verdict = store.judge(told, store.journal_lines(daemon), store.payloads(subscriber))
    row.explain(*verdict.faults[:5])
    whose = "its own" if spared else "also OpenSSL's and Paho's"
    figures = (f"the daemon {kills} times, {whose} (of {total} allocations): {survived} went on, {ended} said so and ended, {aborted} ended on purpose, "
               f"crashes {crashed}, {verdict.figures()}")
    return figures, verdict.sound() and (crashed == 0 or not spared) and verdict.told > kills


def commands(room):
    port = harness.free_port()
    daemon = room.daemon(harness_configuration(room, port), store.TARGET.format(port=1))
    found = [Command(room, "check", "assayd", "--check", "-c", daemon.conf)]
    for driver, pattern in CAPTURES:
        path = sorted(glob.glob(os.path.join(row.ROOT, "tests/captures", pattern)))[0]
        profile = ("--profile", "reader-a9") if driver == "text" else ()
        found.append(Command(room, f"decode {driver}", "assayctl", "decode", driver, *profile, path))
    daemon.start()
    store.Pusher(port, limit=EXPORTED).run()
    daemon.stop()
    found += [Command(room, f"export {form}", "assayctl", "-c", daemon.conf, "export", "--format", form) for form in ("jsonl", "csv")]
    return found


def harness_configuration(room, port):
    """Instruments of several drivers, one by profile."""
    return (store.analyzer(1, port) + store.READER.format(serial=room.path("reader"), poll="1s") +
            "[instrument an-1]\ndriver = modbus\nprofile = analyzer-a6b\nport = modbus-tcp:127.0.0.1:502\npoll = 1s\n")


def main():
    figures, passed = [], True
    with harness.Room() as room, concurrent.futures.ThreadPoolExecutor(3) as pool:
        for command in commands(room):
            command.sweep(pool)
            figures.append(command.figures())
            passed = passed and command.sound() and command.count > 100
    for seed, (lives, spared) in enumerate(((row.size(100, 4), THEIRS), (row.size(50, 2), "")), 11):
        with harness.Room() as room:
            line, sound = running_daemon(room, lives, seed, spared)
            figures.append(line)
            passed = passed and sound
    row.end("S11", "; ".join(figures), passed)


if __name__ == "__main__":
    main()

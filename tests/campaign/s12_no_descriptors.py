#!/usr/bin/python3
"""S12: no file descriptor is left (prlimit on the running daemon), while the broker goes away and comes back, an analyzer's line
breaks and people ask for the status.

What has its files open goes on: results of the polled instrument are stored. What needs a descriptor waits, says why in the log
and burns no processor. With descriptors again everything recovers without a restart, and nothing is lost. Control: while there
are none, neither the broker nor the analyzer may get a connection; else the fault was not there."""
import os
import resource
import subprocess
import threading
import time

import row
import harness
import store_faults as store


def lowest_free(pid):
    taken = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    return next(number for number in range(1 << 16) if number not in taken)


def processor_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class NoneLeft(threading.Thread):
    """Keeps the limit at the lowest free number, also when the daemon closes one: what is open stays open."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.ending = pid, threading.Event()
        self.usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)

    def run(self):
        while not self.ending.wait(0.005):
            # poll() takes the limit for the most it may watch: it must not be absurd
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (max(8, lowest_free(self.pid)), self.usual[1]))

    def stop(self):
        self.ending.set()
        self.join()
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.usual)


def county(daemon):
    return daemon.status()["targets"]["county"]


store.need_root("S12")
SECONDS = row.size(60, 4)
with harness.Room() as room:
    port = harness.free_port()
    broker = store.broker_that_keeps(room)
    subscriber = room.subscriber(broker.port)
    sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "12", "--rate", "2", "--capacity", "60000")
    daemon = room.daemon(store.READER.format(serial=room.path("reader"), poll="500ms") + store.analyzer(1, port),
                         store.TARGET.format(port=broker.port)).start()
    pid, pusher = daemon.child.pid, store.Pusher(port, 1)
    pusher.start()
    harness.wait_for(lambda: len(pusher.told()) > 20 and sim.truth() and county(daemon)["state"] == "up", 30, "the first results")
    broker.stop()
    harness.wait_for(lambda: county(daemon)["state"] != "up", 30, "the broker's absence")
    before = county(daemon)
    pusher.stop()
    none_left = NoneLeft(pid)
    none_left.start()
    time.sleep(0.1)
    broker.start()
    refused = store.Pusher(port, 2)
    refused.start()
    spent, begun, finished = processor_s(pid), time.monotonic(), len(sim.truth())
    asks = subprocess.Popen([os.path.join(harness.BUILD, "assayctl"), "-c", daemon.conf, "status"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL)
    time.sleep(SECONDS)
    share = (processor_s(pid) - spent) / (time.monotonic() - begun)
    meanwhile, starved = len(sim.truth()) - finished, len(refused.told()) == 0
    none_left.stop()
    asks.wait(60)
    harness.wait_for(lambda: county(daemon)["state"] == "up", 60, "the broker again")
    harness.wait_for(lambda: len(refused.told()) > 20, 60, "the analyzer again")
    refused.stop()
    after = county(daemon)
    store.wait_for_all(subscriber, [pusher, refused])
    lost = harness.settle([sim], subscriber, 60).lost
    heard = store.payloads(subscriber)  # first: the polled instrument goes on
    verdict = store.judge(pusher.told() + refused.told(), store.journal_lines(daemon), heard)
    said = daemon.log().count("Too many open files")
    row.explain(*(verdict.faults[:5] or daemon.log().splitlines()[-12:]))
row.end("S12", f"no descriptor for {SECONDS} s: {meanwhile} results of the polled instrument finished meanwhile, {share:.1%} of a "
        f"processor, the reason {said} times in the log, restarts 0, {verdict.figures()}, lost of the polled {len(lost)}; control: "
        f"{'no' if starved else 'A'} connection meanwhile",
        verdict.sound() and not lost and starved and share < 0.1 and said > 0 and meanwhile > 0 and daemon.child.returncode in (0, None))

#!/usr/bin/python3
"""S6: a flash that takes 50 ms, and then 500 ms, for each write: nbdkit's delay filter behind nbdfuse and a loop.

An instrument that has nothing to report is polled as before, the watchdog is fed in the time that the unit gives, and what two
others finish arrives."""
import os
import re
import time

import row
import harness
import store_faults as store

EXCLUSIVE = True
POLL_MS = 250
with open(os.path.join(row.ROOT, "systemd/assayd.service"), encoding="utf-8") as unit:
    WATCHDOG_MS = 1000 * int(re.search(r"^WatchdogSec=(\d+)$", unit.read(), re.MULTILINE).group(1))
QUIET = "[instrument quiet]\ndriver = modbus\nprofile = analyzer-a6b\nport = modbus-tcp:{address}\npoll = {poll}ms\n\n"


def polls(daemon):
    return daemon.status()["instruments"]["quiet"]["polls"]


def bare_sync_ms(disk):
    """What a write of the row's own takes there: the proof that the disk is slow."""
    begun = time.monotonic()
    disk.fails()
    return (time.monotonic() - begun) * 1000


def run(delay_ms, seconds):
    with harness.Room() as room, store.BrokenDisk(room, "delay", f"wdelay={delay_ms}ms") as disk:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        quiet = room.sim("quiet", "a6b", ("--tcp", "127.0.0.1:0"), "--results", "0")
        busy = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "6", "--rate", "2", "--results", str(seconds * 2))
        port = harness.free_port()
        text = (QUIET.format(address=quiet.address, poll=POLL_MS) + store.READER.format(serial=room.path("reader"), poll="250ms") +
                store.analyzer(1, port))
        daemon = room.daemon(text, store.TARGET.format(port=broker.port), env={"WATCHDOG_USEC": str(WATCHDOG_MS * 1000)})
        daemon.start(seconds=60)
        manager, pusher = store.Manager(daemon.notify_path), store.Pusher(port)
        manager.start()
        pusher.start()
        harness.wait_for(lambda: polls(daemon) > 0, 30, "the first poll")
        begun, before = time.monotonic_ns(), polls(daemon)
        time.sleep(seconds)
        share = (polls(daemon) - before) / ((time.monotonic_ns() - begun) / 1e6 / POLL_MS)
        hungry_ms = manager.longest_ms(begun)
        slow_ms = bare_sync_ms(disk)
        pusher.stop()
        manager.stop()
        store.wait_for_all(subscriber, [pusher])
        lost = harness.settle([busy], subscriber, 60).lost
        verdict = store.judge(pusher.told(), store.journal_lines(daemon), store.payloads(subscriber))
        row.explain(*verdict.faults[:5])
        passed = verdict.sound() and verdict.told > 3 and not lost and share > 0.9 and hungry_ms < WATCHDOG_MS and slow_ms >= delay_ms
        return passed, (f"{delay_ms} ms a write (a write and sync of the row's own {slow_ms:.0f} ms): {share:.0%} of the polls on time, "
                        f"watchdog of {WATCHDOG_MS} ms fed every {hungry_ms} ms or sooner, {verdict.figures()}, "
                        f"lost of the polled {len(lost)}")


store.need_root("S6", "nbdkit", "nbdfuse", "mkfs.ext4", "fusermount3")
runs = [run(delay_ms, row.size(60, 4)) for delay_ms in row.size((50, 500), (50,))]
row.end("S6", "; ".join(figures for _, figures in runs), all(passed for passed, _ in runs))

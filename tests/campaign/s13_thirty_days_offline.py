#!/usr/bin/python3
"""S13: thirty days without the county, 500 results each day, then it is there again. The daemon lives through every day (it is
started anew each morning with a clock a day later, by libfaketime; its monotonic clock stays true).

Every result of every day arrives once, in the order of the journal, within the hour that the matrix gives; the resident memory is
flat while they are sent (+-5 % of what it is after a tenth), and the retained status says that nothing waits. That is published
twice a minute: the smoke form asks for one instead."""
import glob
import json
import os
import time

import row
import harness
import store_faults as store
import test_disk


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def live_days(room, daemon, days, a_day, port):
    """The results of each day, all acknowledged."""
    told = []
    for day in range(days):
        test_disk.set_clock(room, f"+{day * 86400}")
        daemon.start()
        pusher = store.Pusher(port, number=day + 1, limit=a_day)
        pusher.start()
        harness.wait_for(pusher.finished, 120, f"the results of day {day + 1}")
        pusher.stop()
        told += pusher.told()
        if daemon.stop() != 0:
            raise RuntimeError(f"day {day + 1}: it did not end in order")
    return told


def is_right(subscriber, topic, head):
    said = [json.loads(one.payload) for one in subscriber.of("status") if one.topic == f"{harness.PREFIX}/{topic}"]
    status = {"online": False, **(said[-1] if said else {})}
    return status["online"] and status["backlog"] == 0 and status["seq"] >= head


def drain(daemon, subscriber, count):
    """Seconds until the county has them all, and the resident memory meanwhile."""
    begun, sizes = time.monotonic(), []
    while True:
        have = len(subscriber.of("result", "qc"))
        sizes.append((have, resident_kib(daemon.child.pid)))
        if have >= count or time.monotonic() - begun > 3600:
            return time.monotonic() - begun, sizes
        time.sleep(0.05)


if not glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"):
    row.skip("S13", "needs libfaketime: tests/deps test")
DAYS, A_DAY = row.size(30, 2), row.size(500, 150)
with harness.Room() as room:
    environment = test_disk.faked_time(room)
    port, broker_port = harness.free_port(), harness.free_port()
    daemon = room.daemon(store.analyzer(1, port), store.TARGET.format(port=broker_port), env=environment)
    told = live_days(room, daemon, DAYS, A_DAY, port)
    broker = room.broker(port=broker_port)
    subscriber = room.subscriber(broker_port)
    test_disk.set_clock(room, f"+{DAYS * 86400}")
    daemon.start()
    waiting = daemon.status()["backlog"]
    seconds, sizes = drain(daemon, subscriber, len(told))
    harness.wait_for(lambda: daemon.status()["backlog"] == 0, 30, "nothing that waits")
    head = daemon.status()["seq"]

    subscriber.client.publish(f"{harness.PREFIX}/request/status", "{}", qos=1)
    topic = row.size("status", "response/status")
    right = harness.wait_for(lambda: is_right(subscriber, topic, head), 40, topic)
    verdict = store.judge(told, store.journal_lines(daemon), store.payloads(subscriber))
    ordered = harness.in_order([record for record, _ in subscriber.records()])
    row.explain(*verdict.faults[:5])
tenth = next(size for have, size in sizes if have >= len(told) // 10)
late = [size for have, size in sizes if have >= len(told) // 10]
swing = max(abs(size - tenth) for size in late) / tenth
row.end("S13", f"{DAYS} days of {A_DAY} results, {waiting} entries waiting: drained in {seconds:.1f} s "
        f"({len(told) / seconds:.0f}/s), {'in order' if ordered else 'OUT OF ORDER'}, resident {tenth} KiB after a tenth, at most "
        f"{swing:.1%} off afterwards, newest status {'right' if right else 'WRONG'}, {verdict.figures()}",
        verdict.sound() and ordered and right and seconds < 3600 and swing <= 0.05 and verdict.told == DAYS * A_DAY)

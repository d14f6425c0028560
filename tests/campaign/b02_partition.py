#!/usr/bin/python3
"""B2: the network between station and broker swallows everything both ways, for 1 s to 10 min, under load and idle. 0 lost, a
partition longer than three keepalives is noticed within three, and waiting for its end costs less than 1 % of a core.

The control, receipts not required and the platform's session lost meanwhile, is that of B1; here the fault itself is proven to
bite: nothing may arrive while it lasts."""
import time

import row
import harness
import net
import station

MINUTES = 24
KEEPALIVE_S, ACK_TIMEOUT_S = row.size((10, 15), (5, 2))
SECONDS = row.size([1, 3, 10, 30, 60, 300, 600], [1, 5])
PATIENCE = row.size("", station.QUICK)  # as shipped, from 1 s to 60 s; the smoke form has no time for that
RATE = 2
RESULTS = row.size(RATE * 1350, RATE * 10)
CPU_MAX = 0.01
TICKS = 100  # of /proc: USER_HZ


def cpu_seconds(process):
    with open(f"/proc/{process.child.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def arrived(room):
    return len(room.stored())


def partition(room, cable, seconds):
    """(after how long it was noticed or None, share of a core, how much arrived through it, seconds until all was told)"""
    with cable.partition():
        begun, noticed = time.monotonic(), None
        time.sleep(0.2)  # what was on its way
        before, spent = arrived(room), cpu_seconds(room.assayd)
        while (now := time.monotonic()) < begun + seconds:
            if noticed is None and now < begun + 4 * KEEPALIVE_S and room.target()["state"] != "up":
                noticed = now - begun
            time.sleep(min(0.5, begun + seconds - now))
        share = (cpu_seconds(room.assayd) - spent) / (time.monotonic() - begun)
        leaked = arrived(room) - before
    healed = time.monotonic()
    due = room.assayd.status()["seq"]
    harness.wait_for(lambda: room.target()["through"] >= due, 120 + 2 * KEEPALIVE_S, "receipts after the partition")
    return noticed, share, leaked, time.monotonic() - healed


def judge_one(seconds, idle, noticed, share, leaked):
    late = seconds > 3 * KEEPALIVE_S and (noticed is None or noticed > 3 * KEEPALIVE_S)
    busy = seconds >= 10 and share > CPU_MAX
    if late or busy or leaked:
        row.explain(f"{seconds} s{' idle' if idle else ''}: noticed after {noticed} s, {100 * share:.2f} % of a core, {leaked} arrived")
    return not (late or busy or leaked)


def main(cable):
    notes, good = [], True
    timing = f"keepalive = {KEEPALIVE_S}s\nack-timeout = {ACK_TIMEOUT_S}s\n"
    with cable.station(RESULTS, RATE, patience=PATIENCE, more=timing) as room:
        for seconds in SECONDS:
            noticed, share, leaked, back = partition(room, cable, seconds)
            good = judge_one(seconds, False, noticed, share, leaked) and good
            seen = f"noticed {noticed:.1f} s" if noticed else "not noticed"
            notes.append(f"{seconds} s ({seen}, {100 * share:.2f} % of a core, told {back:.1f} s after)")
        whole = room.wait_for_all(RESULTS, 600)
        if not row.SMOKE:
            noticed, share, leaked, _ = partition(room, cable, 60)
            good = judge_one(60, True, noticed, share, leaked) and good
            notes.append(f"60 s idle (noticed {noticed or 0:.1f} s, {100 * share:.2f} %)")
        judgement = room.judge()
    station.explain(judgement)
    row.end("B2", f"{station.figures(judgement)}; keepalive {KEEPALIVE_S} s; {', '.join(notes)}",
            good and whole and station.sound(judgement))


main(net.enter())

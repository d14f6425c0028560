#!/usr/bin/python3
"""B5: the link to the broker has a latency of 1 s, then a jitter of as much, is half open (nothing comes, nothing ends), and
passes a byte a second. 0 lost, memory bounded, never more in flight than the broker takes; half open is noticed in three
keepalives.

Controls: without a fault the same counting must see the window used; and of a link that is half open nothing may arrive."""
import time

import row
import proxy
import station

SECONDS = row.size(60, 1.5)
RATE = row.size(20, 10)
RECEIVE_MAXIMUM = 10
KEEPALIVE_S, ACK_TIMEOUT_S = row.size((10, 15), (5, 2))
SETTLING_S = 0.4  # for what is between the cable and the platform's store
GROWTH_MAX_KB = 8192


def resident_kb(process):
    with open(f"/proc/{process.child.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class Phases:
    def __init__(self, room, link):
        self.room, self.link, self.notes, self.memory = room, link, [], []
        self.before_kb = resident_kb(room.assayd)

    def go(self, name, until=lambda: False, seconds=SECONDS, **faults):
        """Lays the faults for so long, or until something is so; (how much arrived, after how long it was so or None)."""
        for fault, value in faults.items():
            setattr(self.link, fault, value)
        begun, seen = time.monotonic(), None
        time.sleep(SETTLING_S)
        before = len(self.room.stored())
        while time.monotonic() < begun + seconds:
            if seen is None and until():
                seen = time.monotonic() - begun
            self.memory.append(resident_kb(self.room.assayd))
            time.sleep(0.25)
        arrived = len(self.room.stored()) - before
        self.link.heal()
        self.notes.append(f"{name} {arrived / seconds:.1f}/s")
        return arrived, seen


def main():
    with station.Station() as room:
        broker = room.broker(extra=f"max_inflight_messages {RECEIVE_MAXIMUM}")
        link = proxy.Proxy(broker.port)
        room.platform(broker.port)
        results = int(RATE * SECONDS * 5)
        room.pusher(results, rate=RATE)
        room.run(link.port, more=f"keepalive = {KEEPALIVE_S}s\nack-timeout = {ACK_TIMEOUT_S}s\n")
        down = lambda: room.target()["state"] != "up"
        phases = Phases(room, link)
        phases.go("no fault", seconds=1)
        phases.go("1 s", delay_s=(0.5, 0.5))
        phases.go("0-2 s", delay_s=(0, 1))
        time.sleep(1)  # what was on the cable
        leaked, noticed = phases.go("half open", down, max(SECONDS, ACK_TIMEOUT_S + 1), stalled=True)
        room.wait_until_up(60)
        phases.go("1 byte/s", trickle=True)
        whole = room.wait_for_all(results, 300)
        judgement = room.judge()
    grown = max(phases.memory) - phases.before_kb
    used = link.most_in_flight
    station.explain(judgement)
    row.end("B5", f"{station.figures(judgement)}; {', '.join(phases.notes)}; half open noticed after {noticed or 0:.1f} s (keepalive "
            f"{KEEPALIVE_S} s); memory grew by {grown} KiB; {used} in flight at most of {RECEIVE_MAXIMUM}",
            station.sound(judgement) and whole and noticed and noticed <= 3 * KEEPALIVE_S and leaked <= 1 and grown <= GROWTH_MAX_KB
            and 1 < used <= RECEIVE_MAXIMUM)


main()

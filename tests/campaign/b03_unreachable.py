#!/usr/bin/python3
"""B3: brokers that refuse, reset, swallow what is sent to them, or whose name no server resolves, all at once beside a live one.
The pauses between attempts grow from 1 s to 60 s at random (full jitter), no result to the live broker is late by more than a
poll period, and the daemon still stops in time.

Attempts are what arrives on the cable: connections by their first packet, names by the questions for them. The control is the
cable itself: every one of the four must have been tried."""
import itertools
import socket
import struct
import threading
import time

import row
import harness
import net
import station

EXCLUSIVE = True  # it measures how late results are
SECONDS = row.size(300, 9)
POLL_S, RATE = 1, row.size(0.5, 4)  # a reader says all of the day each time: many results would be late by themselves
STOP_S = 5
# kind -> how long one attempt may take before its pause begins
ATTEMPT_S = {"refused": 1, "reset": 1, "swallowed": 15, "unresolved": 35}
MIN_S, MAX_S, SLACK_S = 1, 60, 1.5
NAMES = 53


class Attempts:
    """When each of the ports was tried: first packets of connections and questions for names, as they come off the cable."""

    def __init__(self, ports):
        self.seen, self.ports = {kind: [] for kind in ports}, {port: kind for kind, port in ports.items()}
        self.known, self.ended = set(), False
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self.socket.bind(("county", 0))
        self.socket.settimeout(0.2)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while not self.ended:
            try:
                self.take(self.socket.recv(2048))
            except socket.timeout:
                continue

    def take(self, packet):
        start = 4 * (packet[0] & 15)
        protocol, (source, port) = packet[9], struct.unpack("!HH", packet[start:start + 4])
        first = protocol == 17 or protocol == 6 and packet[start + 13] & 0x12 == 0x02
        if first and port in self.ports and (port, source) not in self.known:
            self.known.add((port, source))
            self.seen[self.ports[port]].append(time.monotonic())

    def stop(self):
        self.ended = True
        self.thread.join()
        self.socket.close()


class Resetting:
    """Takes connections and resets them."""

    def __init__(self):
        self.listener = socket.create_server((net.COUNTY, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            taken, _ = self.listener.accept()
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            taken.close()


def attempts_of(kind, times):
    """The questions of one look-up belong together: a resolver asks again, from other ports, while it waits."""
    if kind != "unresolved":
        return times
    return [at for before, at in zip([-1e9, *times], times) if at - before > 5.5]


def judge_pauses(kind, times):
    """(figure, whether each pause was at most what full jitter allows, and the last of them long)"""
    pauses = [after - before for before, after in itertools.pairwise(times)]
    ceilings = [min(MAX_S, MIN_S * 2 ** turn) + ATTEMPT_S[kind] + SLACK_S for turn in range(len(pauses))]
    good = bool(times) and all(pause <= ceiling for pause, ceiling in zip(pauses, ceilings))
    busy = len(times) > 12 + SECONDS / 10
    grown = row.SMOKE or max(pauses, default=0) > MAX_S / 3
    if not good or busy or not grown:
        row.explain(f"{kind}: pauses {[round(pause, 1) for pause in pauses]}")
    return f"{kind} {len(times)} attempts, longest pause {max(pauses, default=0):.0f} s", good and grown and not busy


def main(cable):
    with station.Station() as room:
        broker, resetting = cable.broker(room), Resetting()
        subscriber = room.subscriber(broker.port)
        swallowed, refused, named = (harness.free_port() for _ in range(3))
        cable.swallow(swallowed)
        cable.no_names(room.path("resolv.conf"))
        attempts = Attempts({"refused": refused, "reset": resetting.port, "swallowed": swallowed, "unresolved": NAMES})
        more = "".join(f"\n[target {name}]\nbroker = mqtt://{where}\n" for name, where in (
            ("refused", f"{net.COUNTY}:{refused}"), ("reset", f"{net.COUNTY}:{resetting.port}"),
            ("swallowed", f"{net.COUNTY}:{swallowed}"), ("unresolved", f"broker.county.example:{named}")))
        results = int(RATE * SECONDS)
        room.reader(results, rate=RATE)
        room.run(broker.port, host=net.COUNTY, receipts="none", more=more, wrapper=cable.inside, poll=f"{POLL_S}s")
        time.sleep(SECONDS)
        verdict = harness.settle(room.simulators, subscriber, 30)
        faults = {name: target.get("fault", "") for name, target in room.assayd.status()["targets"].items()}
        late = station.lateness(room.truth(), subscriber)
        begun = time.monotonic()
        room.assayd.stop(seconds=60)
        stopped = time.monotonic() - begun
        attempts.stop()
    ends = [judge_pauses(kind, attempts_of(kind, times)) for kind, times in attempts.seen.items()]
    row.explain(*(f"{name}: {fault}" for name, fault in faults.items() if fault))
    # in the smoke form two attempts are not over yet
    told = row.SMOKE or all(faults[name] for name in faults if name != "county") and "host name" in faults["unresolved"]
    row.end("B3", f"{', '.join(figure for figure, _ in ends)}; beside them {verdict.finished} results, lost {len(verdict.lost)}, "
            f"the latest {late:.2f} s after it was finished (poll {POLL_S} s); stopped in {stopped:.1f} s",
            all(good for _, good in ends) and verdict.finished and not verdict.lost and late <= 2 * POLL_S and stopped < STOP_S
            and told)


main(net.enter())

#!/usr/bin/python3
"""C1: the gateway's clock: a start in 1970, a day back, a year on, over a leap day, a leap second, and right again, under load and
behind TLS. Entries stay in order of seq, timers keep their pace, each jump is told, records say that the clock is not
synchronised, a certificate refused because of the clock names the clock, and in the end nothing is lost.

Control: with a kernel that calls the clock synchronised the records say so."""
import datetime
import os
import subprocess
import sys
import time

import row
import harness
import kill
import testroom

WINDOW_S = row.size(5.0, 1.2)
YEAR, DAY = 31536000, 86400
LEAP_DAY = datetime.datetime(2028, 2, 28, 15, 59, 59, tzinfo=datetime.timezone.utc)  # a second before midnight in Shanghai


def make_pki(room):
    os.mkdir(room.path("pki"))
    subprocess.run(["/bin/sh", os.path.join(row.ROOT, "tests/unit/pki.sh"), room.path("pki")], check=True, stdin=subprocess.DEVNULL)
    return room.path("pki")


def start(room, clock, synced):
    pki = make_pki(room)
    port = harness.free_port()
    broker = room.broker(extra=f"listener {port} 127.0.0.1\ncafile {pki}/ca.crt\ncertfile {pki}/good.crt\nkeyfile {pki}/good.key\n")
    subscriber = room.subscriber(broker.port)
    common = ("--rate", "10", "--results", "1000000", "--capacity", "60000")
    paths = {name: room.path(f"line-{name}") for name in ("reader-1", "analyzer-1", "idle-1")}
    sims = [room.sim("reader-1", "a2", ("--serial", paths["reader-1"]), "--seed", "1", *common),
            room.sim("analyzer-1", "a6b", ("--serial", paths["analyzer-1"]), "--seed", "2", *common)]
    room.sim("idle-1", "a6b", ("--serial", paths["idle-1"]), "--results", "0")
    instruments = testroom.reader("reader-1", paths["reader-1"], reconcile="2s") + "".join(
        testroom.analyzer(name, paths[name], poll="100ms") for name in ("analyzer-1", "idle-1"))
    target = f"broker = mqtts://127.0.0.1:{port}\nca-file = {pki}/ca.crt\nreconnect-min = 100ms\nreconnect-max = 500ms\n"
    return broker, subscriber, sims, room.daemon(instruments, target, env=clock.environment(synced)).start()


def pace(daemon):
    """Looks a second at an instrument that has nothing to say."""
    before, began = daemon.status()["instruments"]["idle-1"]["polls"], time.monotonic()
    time.sleep(WINDOW_S)
    return (daemon.status()["instruments"]["idle-1"]["polls"] - before) / (time.monotonic() - began)


def fault(daemon, words):
    """The target's complaint, once it has these words."""
    said = lambda: daemon.status()["targets"]["county"].get("fault", "")
    harness.wait_for(lambda: words in said(), 15, f"the complaint {words!r}")
    return said()


def up(daemon):
    harness.wait_for(lambda: daemon.status()["targets"]["county"]["state"] == "up", 15, "the target up")


def bounce(broker):
    """The certificate is looked at when a connection is made."""
    broker.stop()
    broker.start()


def journey(broker, daemon, clock):
    """(paces, whether each complaint names the clock)"""
    named = ["this box's clock says 1970-01-01" in fault(daemon, "valid only from")]
    paces = [pace(daemon)]
    for offset in (0, -DAY, YEAR):
        clock.set(offset)
        paces.append(pace(daemon))
        if offset == 0:
            up(daemon)
    bounce(broker)
    named.append("set by no time service: see whether the clock is right" in fault(daemon, "expired on"))
    leap = int(LEAP_DAY.timestamp() - time.time()) + 1
    for offset in (leap, leap - 1, 0):
        clock.set(offset)
        paces.append(pace(daemon))
    up(daemon)
    return paces, named


def campaign(synced):
    with harness.Room() as room:
        clock = testroom.Clock(room, 30 - int(time.time()))
        broker, subscriber, sims, daemon = start(room, clock, synced)
        if synced:
            clock.set(0)
            harness.wait_for(lambda: len(subscriber.records()) > 20, 20, "records")
            return [record for record, _ in subscriber.records()]
        paces, named = journey(broker, daemon, clock)
        verdict = harness.settle(sims, subscriber, 30)
        entries = daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()
        received = [harness.json.loads(line).get("received_at", "") for line in entries]
        return (paces, named, verdict, kill.chain_faults(entries), len(testroom.events(subscriber, "clock_jump")),
                {at[:4] for at in received if at}, any(at.startswith("2028-02-29") for at in received),
                [record for record, _ in subscriber.records()])


def unsynced(records):
    return sum(record["clock"]["synced"] is False for record in records)


def main():
    paces, named, verdict, faults, jumps, years, leapt, records = campaign(False)
    control = campaign(True)
    steady = min(paces) > 0.75 * max(paces)
    order = harness.in_order(records) and not faults
    clock_told = jumps >= 5 and all(named) and leapt and {"1970", "2028"} <= years
    marked = unsynced(records) == len(records) > 0 == unsynced(control) and len(control) > 0
    if not (steady and order and clock_told and marked):
        row.explain(f"looks a second: {paces}", *faults[:3], f"years {sorted(years)}, leap day {leapt}")
    row.end("C1", f"1970, right, a day back, a year on, leap day, leap second, right: {testroom.count_of(verdict)}, order by seq "
            f"{'kept' if order else 'broken'}, {jumps} jumps told, polls {min(paces):.1f} to {max(paces):.1f} a second, "
            f"certificate complaints that name the clock {sum(named)} of {len(named)}, unsynchronised in {unsynced(records)} of "
            f"{len(records)} records; control, a clock that is synchronised: in {unsynced(control)} of {len(control)}",
            steady and order and clock_told and marked and not testroom.amiss(verdict))


if __name__ == "__main__":
    sys.exit(main())

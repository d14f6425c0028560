#!/usr/bin/python3
"""kill.py: kills the daemon at random moments while instruments deliver, and proves that nothing was lost or doubled.

    tests/faults/kill.py [--build build] [--kills 100] [--seed 1] [--rate 20]

Three instruments (serial line, Modbus TCP, Modbus RTU) keep finishing results; their truth files are the oracle, the
subscriber's records and the journal are what is judged. (That the judging finds loss, doubles and a broken chain is
proven in tests/e2e/test_harness.py.) Prints one line "KILL: ... PASS|FAIL" with its figures."""
import argparse
import hashlib
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=20)
    return parser.parse_args()


ARGS = options() if __name__ == "__main__" else argparse.Namespace(build=os.environ.get("BUILD", "build"))
os.environ["BUILD"] = ARGS.build
import harness  # noqa: E402
import integrity  # noqa: E402

KILLS_A_ROOM = 100
INSTRUMENTS = """[instrument reader-1]
driver = seven-e-aa
port = {serial}
line = 115200/8n1
poll = 200ms

[instrument analyzer-tcp]
driver = modbus
profile = analyzer-a6b
port = modbus-tcp:{tcp}
poll = 200ms

[instrument analyzer-rtu]
driver = modbus
profile = analyzer-a6b
port = modbus-rtu:{rtu}
line = 115200/8n1
unit = 1
poll = 200ms
lateness = 200ms
"""


def chain_faults(entries):
    """Holes, broken links and double ids in the journal, read back entry by entry."""
    faults, previous, seen = [], None, set()
    for number, line in enumerate(entries, 1):
        entry = json.loads(line)
        if entry["seq"] != number:
            faults.append(f"seq {entry['seq']} where {number} was due")
        if previous is not None and entry["prev"] != "sha256:" + hashlib.sha256(previous).hexdigest():
            faults.append(f"seq {number}: prev does not match")
        if entry["id"] in seen:
            faults.append(f"seq {number}: id {entry['id']} twice")
        seen.add(entry["id"])
        previous = line.encode()
    return faults


def one_room(kills, seed, rate, report):
    """Kills in one room: what was counted. A reader lists its whole day anew to each new life of the daemon: after some
    thousand results no life under a second hears it to the end, and its memory runs over. Hence several rooms."""
    random.seed(seed)
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        common = ("--rate", str(rate), "--results", "1000000", "--capacity", "5000")
        sims = [room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", str(seed), *common),
                room.sim("analyzer-tcp", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", str(seed + 1), *common),
                room.sim("analyzer-rtu", "a6b", ("--serial", room.path("analyzer")), "--seed", str(seed + 2), *common)]
        daemon = room.daemon(INSTRUMENTS.format(serial=room.path("reader"), tcp=sims[1].address, rtu=room.path("analyzer")),
                             f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n")
        damage = []
        for number in range(kills):
            daemon.start()
            time.sleep(random.uniform(0.01, 0.9))
            daemon.kill()
            found = integrity.faults(daemon.state)
            damage += [f"kill {number + 1}: {found[0]}"] if found else []
        daemon.start()
        verdict = harness.settle(sims, subscriber, 60)
        journal = daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()
        faults = chain_faults(journal)
        slowest = max(daemon.ready_seconds)
    for line in (*verdict.lost[:3], *verdict.doubled[:3], *verdict.invented[:3], *faults[:3], *damage[:3]):
        report(f"  {line}")
    return {"finished": verdict.finished, "received": verdict.received, "lost": len(verdict.lost),
            "doubled": len(verdict.doubled) + len(verdict.invented), "entries": len(journal), "faults": len(faults),
            "whole": kills - len(damage), "slowest": slowest}


def campaign(kills, seed, rate, report=print):
    """Returns (passed, figures)."""
    rooms = [one_room(min(KILLS_A_ROOM, kills - begun), seed + 10 * begun, rate, report) for begun in range(0, kills, KILLS_A_ROOM)]
    total = {name: sum(one[name] for one in rooms) for name in rooms[0]}
    slowest = max(one["slowest"] for one in rooms)
    figures = (f"kills {kills}, finished {total['finished']}, received {total['received']}, lost {total['lost']}, "
               f"doubled {total['doubled']}, journal {total['entries']} entries, journal faults {total['faults']}, "
               f"integrity ok {total['whole']}/{kills}, slowest READY {slowest:.2f} s")
    passed = (not (total["lost"] or total["doubled"] or total["faults"]) and total["whole"] == kills and slowest < 2
              and total["finished"] > kills)
    return passed, figures


if __name__ == "__main__":
    PASSED, FIGURES = campaign(ARGS.kills, ARGS.seed, ARGS.rate)
    print(f"KILL: {FIGURES} {'PASS' if PASSED else 'FAIL'}")
    sys.exit(0 if PASSED else 1)

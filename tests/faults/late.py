#!/usr/bin/python3
"""late.py: analyzers on serial lines that answer late, by 0.1 to 3 s in steps of 0.05 s; not one value may be wrong.

    tests/faults/late.py [--build build] [--results 10] [--every 9] [--seconds 240] [--lateness 3000ms]

Every lateness has a simulated analyzer, a Modbus RTU line and a thread of one daemon to itself, all at once; every
N-th answer is late against a timeout of 0.3 s. The truth files say what the analyzers measured, the journal what was
made of it. Prints one line "LATE: ... PASS|FAIL" with its figures.

    late.py --lateness 0ms    without the waiting: answers are taken for those of later questions, and only the driver's own
                              checks (running numbers, checksum of the window) are left. What the waiting itself keeps
                              out is shown at the link, in tests/unit/test_link_modbus.c
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--results", type=int, default=10)
    parser.add_argument("--every", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--lateness", default="3000ms")
    return parser.parse_args()


ARGS = options() if __name__ == "__main__" else argparse.Namespace(build=os.environ.get("BUILD", "build"))
os.environ["BUILD"] = ARGS.build
import harness  # noqa: E402

STEPS = tuple(range(100, 3001, 50))
INSTRUMENT = """[instrument {name}]
driver = modbus
profile = analyzer-a6b
port = modbus-rtu:{port}
line = 115200/8n1
unit = 1
poll = 500ms
timeout = 300ms
lateness = {lateness}

"""


def measure(lateness, steps=STEPS, results=10, every=9, seconds=240):
    """(verdict of harness.compare, answers missed, quarantines)."""
    with harness.Room() as room:
        ports = {late: room.path(f"line-{late}") for late in steps}
        sims = [room.sim(f"late-{late}", "a6b", ("--serial", ports[late]), "--rate", "5", "--results", str(results),
                         "--late", str(late), "--late-every", str(every), "--seed", str(late)) for late in steps]
        daemon = room.daemon("".join(INSTRUMENT.format(name=f"late-{late}", port=ports[late], lateness=lateness)
                                     for late in steps)).start()
        end = time.monotonic() + seconds
        while True:
            records = [entry for entry in daemon.entries() if "event" not in entry]
            verdict = harness.compare(harness.truth_of(sims), records)
            if (verdict.finished >= len(steps) * results and not verdict.lost) or time.monotonic() > end:
                break
            time.sleep(0.5)
        instruments = daemon.status()["instruments"].values()
        return verdict, *(sum(status[key] for status in instruments) for key in ("timeouts", "quarantines"))


def main():
    verdict, timeouts, quarantines = measure(ARGS.lateness, results=ARGS.results, every=ARGS.every, seconds=ARGS.seconds)
    good = not (verdict.lost or verdict.doubled or verdict.invented) and timeouts > 0
    print(f"LATE: {len(STEPS)} lines, {verdict.finished} results finished, {verdict.received} stored, "
          f"{timeouts} answers missed, {quarantines} quarantines: {len(verdict.invented)} wrong, {len(verdict.lost)} lost, "
          f"{len(verdict.doubled)} doubled {'PASS' if good else 'FAIL'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

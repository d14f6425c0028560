#!/usr/bin/python3
"""make bench: the budgets, each measured beside its peer in the same run. One JSON line a figure, then a table.

    tests/bench/bench.py [BUILD]        BENCH_QUICK=1: about a minute; BENCH_ONLY=NAME[,NAME...]: these sections only

Ends with 0 also when a budget is missed (the table says so), with 1 when something could not be measured."""
import os
import sys
import time
import traceback

import evidence
import peers
import rooms
import store
import tables
from measure import FIGURES, QUICK, harness

SECTIONS = {"push": store.push, "targets": store.targets, "poll": rooms.polled_latency, "cpu": rooms.thousand,
            "resident": rooms.small_rooms, "peers": peers.collectd, "drain": store.drain_and_start, "wear": store.wear, "readers": store.readers,
            "evidence": evidence.evidence, "tables": tables.tables}


def wanted():
    names = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name] or list(SECTIONS)
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        sys.exit(f"bench: no section '{unknown[0]}'; there are {', '.join(SECTIONS)}")
    return names


def shown(number):
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def table():
    print(f"\n{'what':58} {'measured':>20}  {'beside':>10}  {'ratio':>6}  budget")
    for line in FIGURES:
        peer = shown(line["peer_value"]) if "peer" in line else ""
        ratio = f"{line['ratio']:.2f}" if line.get("ratio") is not None else ""
        print(f"{line['bench']:58} {shown(line['value']) + ' ' + line['unit']:>20}  {peer:>10}  {ratio:>6}  "
              f"{line['budget']}: {'met' if line['met'] else 'MISSED'}")


def main():
    begun, failed = time.monotonic(), []
    for name in wanted():
        try:
            SECTIONS[name]()
        except Exception:  # the other sections are measured all the same
            traceback.print_exc()
            failed.append(name)
    table()
    missed = sum(not line["met"] for line in FIGURES)
    print(f"\n{len(FIGURES)} figures, {missed} over budget, {time.monotonic() - begun:.0f} s, "
          f"{'quick' if QUICK else 'full'} form, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {harness.BUILD}")
    if failed:
        print(f"could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

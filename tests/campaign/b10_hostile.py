#!/usr/bin/python3
"""B10: a scripted broker that breaks the protocol in every way we could think of: acknowledgements doubled, reversed, withheld
or of packets never sent, bytes that are no MQTT, a packet of 256 MB, a CONNACK full of properties, every kind of goodbye, a flood
of requests. The publisher's tests against it, in the whole form under AddressSanitizer and UBSan, and the daemon itself, whose
memory is capped.

The control is a broker that acknowledges and forgets: judged the same way, it must show as loss."""
import concurrent.futures
import json
import os
import re
import subprocess
import sys

import row
import harness
import station

BUILD = row.size("build-address-undefined", os.environ["BUILD"])
PROGRAM, SECONDS, JOBS = "tests/unit/test_publisher_hostile", 240, 6
# what needs no longer pauses; CI runs the others with the unit tests
QUICK = ("an_exceeded_quota_only_delays", "doubled_and_invented_acknowledgements_deliver_nothing",
         "a_connack_full_of_properties_is_survived", "a_receive_maximum_of_three_is_never_exceeded",
         "a_flood_from_the_broker_is_survived")
MODES = row.size(["huge", "properties", "flood", "garbage", "twice", "wrong-ids"], ["huge", "flood"])
RESULTS = row.size(200, 40)
MEMORY_MAX_KB = 40960


def tests():
    with open(os.path.join(row.ROOT, PROGRAM + ".c"), encoding="utf-8") as source:
        names = re.findall(r"cmocka_unit_test\((\w+)\)", source.read())
    return [name for name in names if not row.SMOKE or name in QUICK]


def run_test(name):
    """Why it failed, or ""."""
    done = subprocess.run([os.path.join(row.ROOT, BUILD, PROGRAM)], cwd=row.ROOT, env={**os.environ, "TEST": name},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    text = done.stdout.decode(errors="replace")
    passed = done.returncode == 0 and "[  PASSED  ] 1 test(s)." in text
    return "" if passed else f"{name}: ended with {done.returncode}\n{text[-2000:]}"


def peak_kb(process):
    with open(f"/proc/{process.child.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def daemon_with(mode):
    """(entries the broker never heard of, peak of the daemon's memory)"""
    with station.Station() as room:
        port, heard = harness.free_port(), room.path("heard")
        room.add(harness.Process([sys.executable, os.path.join(row.ROOT, "tests/unit/hostile_broker.py"), str(port), heard, mode],
                                 room.path("broker.log")).start())
        harness.wait_for(lambda: harness.listens(port), 10, "the broker listening")
        room.reader(RESULTS, rate=60)
        room.run(port, receipts="none", more="ack-timeout = 1s\n")
        harness.wait_for(lambda: room.all_acknowledged(RESULTS), 120, f"{mode}: everything acknowledged")
        with open(heard, encoding="utf-8") as lines:
            known = {json.loads(line).get("id") for line in lines if line.startswith("{")}
        ids = {json.loads(line)["id"] for line in room.journal().values()}
        return len(ids - known), peak_kb(room.assayd)


def main():
    if not row.SMOKE:
        subprocess.run(["make", "-s", "SAN=address,undefined", f"BUILD={BUILD}", f"{BUILD}/{PROGRAM}"], cwd=row.ROOT,
                       stdout=subprocess.DEVNULL, check=True)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        names = tests()
        runs = [pool.submit(run_test, name) for name in names]
        daemons = list(pool.map(daemon_with, [*MODES, "forgetful"]))
        failures = [failure for failure in (run.result() for run in runs) if failure]
    row.explain(*failures)
    lost, peak, control = sum(lost for lost, _ in daemons[:-1]), max(peak for _, peak in daemons), daemons[-1][0]
    how = "plain" if row.SMOKE else "ASan and UBSan"
    row.end("B10", f"{len(names) - len(failures)} of {len(names)} publisher tests passed ({how}); the daemon with {len(MODES)} brokers "
            f"({', '.join(MODES)}): lost {lost}, at most {peak / 1024:.1f} MiB; control lost {control}",
            len(names) >= len(QUICK) and not failures and lost == 0 and peak <= MEMORY_MAX_KB and control > 0)


main()

#!/usr/bin/python3
"""make demo: three simulated instruments, a private broker, the daemon, and a subscriber that prints each result.

DEMO_SECONDS=20 ends by itself with a summary and a non-zero exit if a result was lost or doubled; without it the demo runs
until Ctrl-C and then prints the summary."""
import json
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
os.environ.setdefault("BUILD", sys.argv[1] if len(sys.argv) > 1 else "build")
import harness  # noqa: E402  (the path is set just above)

INSTRUMENTS = """# An enzyme reader on a serial line, an analyzer on Modbus TCP, another on Modbus RTU.
[instrument reader-1]
driver = seven-e-aa
port = {serial}
line = 115200/8n1
poll = 500ms

[instrument analyzer-tcp]
driver = modbus
profile = analyzer-a6b
port = modbus-tcp:{tcp}
poll = 500ms

[instrument analyzer-rtu]
driver = modbus
profile = analyzer-a6b
port = modbus-rtu:{rtu}
line = 115200/8n1
unit = 1
poll = 500ms
"""

WORDS = {"negative": "negative", "positive": "POSITIVE", "suspect": "suspect", "invalid": "invalid", "none": "-"}


def show(message):
    kind = message.topic.rsplit("/", 1)[1]
    if kind not in ("result", "qc"):
        return
    record = json.loads(message.payload)
    sample, item = record.get("sample", {}), record.get("item", {})
    value = f"{record.get('qualifier', '')}{record.get('value', '')} {record.get('unit', '')}"
    print(f"{record['received_at'][11:23]}  {kind:6}  {record['instrument']['id']:13} {sample.get('no', ''):>8}  "
          f"{item.get('code', item.get('as_sent', '')):10} {value:>14}  {WORDS[record['verdict']]:9} seq {record['seq']:<5} "
          f"{sample.get('name', '')}", flush=True)


def latencies(truth, records):
    """Milliseconds from the moment the instrument finished a result to its arrival at the subscriber."""
    arrived = {}
    for record, at_ns in records:
        arrived.setdefault(harness.key_of_record(record), []).append(at_ns)
    for line in truth:
        times = arrived.get(harness.key_of_truth(line))
        if times:
            yield (times.pop(0) - line["at_ns"]) / 1e6


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def summary(sims, verdict, records):
    truth = harness.truth_of(sims)
    spread = list(latencies(truth, records))
    print(f"\ninstruments {len(sims)}, results finished {verdict.finished}, records received {verdict.received}, "
          f"lost {len(verdict.lost)}, doubled {len(verdict.doubled) + len(verdict.invented)}")
    print(f"latency from finished to received (polled every 500 ms): p50 {percentile(spread, .5):.1f} ms, "
          f"p99 {percentile(spread, .99):.1f} ms")
    silent = [sim.name for sim in sims if not sim.truth()]
    for name in silent:
        print(f"{name}: finished nothing")
    for key in verdict.lost[:5]:
        print("lost:", key)
    for key in (verdict.doubled + verdict.invented)[:5]:
        print("doubled or invented:", key)
    return not (verdict.lost or verdict.doubled or verdict.invented or silent)


def main():
    seconds = float(os.environ.get("DEMO_SECONDS", "0"))
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port, on_message=show)
        # Twenty results before the end are enough to watch; in a limited demo the instruments stop early enough to settle.
        results = str(max(3, int((seconds - 5) * 1.0))) if seconds else "1000000"
        common = ("--rate", "1", "--results", results)
        sims = [
            room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "1", *common),
            room.sim("analyzer-tcp", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", "2", *common),
            room.sim("analyzer-rtu", "a6b", ("--serial", room.path("analyzer")), "--seed", "3", *common),
        ]
        instruments = INSTRUMENTS.format(serial=room.path("reader"), tcp=sims[1].address, rtu=room.path("analyzer"))
        daemon = room.daemon(instruments, f"broker = mqtt://127.0.0.1:{broker.port}\n").start()
        print(f"broker on 127.0.0.1:{broker.port}; try:\n"
              f"  mosquitto_sub -V 5 -p {broker.port} -t 'assay/#' -v\n"
              f"  {os.path.relpath(harness.BUILD)}/assayctl -c {daemon.conf} status\n"
              f"The configuration is in {daemon.conf}. {'Ends by itself.' if seconds else 'Ctrl-C ends.'}\n", flush=True)
        over.wait(seconds - 3 if seconds else None)
        verdict = harness.settle(sims, subscriber, 15)
        sys.exit(0 if summary(sims, verdict, subscriber.records()) else 1)


main()

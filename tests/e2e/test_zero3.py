"""Analyzers and strip readers with 03-FF frames, through the whole gateway: nothing lost, nothing doubled."""
import json
import socket
import struct
import sys
import time

import harness
import pytest

ANALYZER = """[instrument {name}]
driver = zero3-ff
port = {port}
poll = 100ms
timeout = 300ms
reconcile = 1s
{extra}
"""


def start(room, sims, begin=True):
    """`sims`: name, archetype, options of the simulator, lines of configuration; by turns on a pty and over TCP."""
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    instruments, running = "", []
    for index, (name, archetype, options, extra) in enumerate(sims):
        where = ("--serial", room.path(name)) if index % 2 == 0 else ("--tcp", "127.0.0.1:0")
        sim = room.sim(name, archetype, where, "--seed", str(7 + index), *options)
        port = room.path(name) if index % 2 == 0 else f"tcp:{sim.address}"
        instruments += ANALYZER.format(name=name, port=port, extra=extra)
        running.append(sim)
    daemon = room.daemon(instruments, f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n")
    if begin:
        daemon.start()
    return subscriber, running, daemon


def finished(sims, count):
    harness.wait_for(lambda: all(len(sim.truth()) >= count for sim in sims), 60, f"{count} results finished")


def clean(verdict, least):
    assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
    assert verdict.finished >= least


def test_both_kinds_over_both_links_under_a_kill():
    with harness.Room() as room:
        subscriber, sims, daemon = start(room, [
            ("an-1", "a3", ("--rate", "60", "--burst", "6", "--results", "150", "--controls", "0.5"), ""),
            ("gt-1", "a4", ("--rate", "30", "--results", "75", "--signals"), ""),
            ("gt-2", "a4", ("--rate", "30", "--results", "75"), ""),
            ("an-2", "a3", ("--rate", "60", "--burst", "4", "--results", "150"), ""),
        ])
        finished(sims, 30)
        daemon.kill()
        time.sleep(0.2)
        daemon.start()
        finished(sims, 75)
        harness.wait_for(lambda: len(sims[0].truth()) >= 150 and len(sims[3].truth()) >= 150, 60, "all results finished")
        clean(harness.settle(sims, subscriber, 60), 450)
        records = [record for record, _ in subscriber.records()]
        assert {r["instrument"]["serial"] for r in records if r["instrument"]["id"] == "an-1"} == {"Z00007-00000"}
        assert {r["kind"] for r in records if r["instrument"]["id"] == "an-1"} == {"sample", "control"}
        assert all((r["kind"] == "control") == (r.get("channel") == 0) for r in records if r["instrument"]["id"].startswith("an"))
        # truth and record agree on item and verdict too
        items = {"": "农药残留", "1": "亚硝酸盐", "2": "二氧化硫"}
        truth = {(t["instrument_seq"], t["channel"]): items[t["item"]] for t in sims[0].truth()}
        for r in records:
            if r["instrument"]["id"] == "an-1":
                assert r["item"]["as_sent"] == truth[r["instrument_seq"], r["channel"]], r
        assert all({"c", "t"} <= set(r["signals"]) for r in records if r["instrument"]["id"] == "gt-1")
        verdicts = {(t["instrument"], t["instrument_seq"]): t["verdict"] for t in sims[1].truth() + sims[2].truth()}
        for r in records:
            if r["instrument"]["id"].startswith("gt"):
                assert r["verdict"] == verdicts[r["instrument"]["id"], r["instrument_seq"]], r
        assert daemon.stop() == 0


def test_gold_strips_on_a_bad_line():
    with harness.Room() as room:
        subscriber, sims, daemon = start(room, [
            ("gd-1", "a3", ("--gold", "--rate", "20", "--results", "60", "--noise", "0.1", "--bad-crc", "0.05", "--short", "0.03",
                            "--silence", "0.03"), "family = 6x"),
            ("an-1", "a3", ("--rate", "40", "--burst", "4", "--results", "80", "--split", "--bad-crc", "0.05", "--late", "400",
                            "--late-every", "9", "--unplug", "1:0.5"), "family = 4x"),
        ])
        finished(sims, 60)
        harness.wait_for(lambda: len(sims[1].truth()) >= 80, 60, "all results finished")
        clean(harness.settle(sims, subscriber, 90), 140)
        verdicts = {t["instrument_seq"]: t["verdict"] for t in sims[0].truth()}
        for record, _ in subscriber.records():
            if record["instrument"]["id"] == "gd-1":
                assert record["verdict"] == verdicts[record["instrument_seq"]] and "value" not in record
        events = [json.loads(m.payload)["event"] for m in subscriber.of("event")]
        assert "counter_restarted" not in events
        assert daemon.status()["instruments"]["an-1"]["health"] in ("ok", "silent")


def test_a_power_cut_that_clears_the_memory_is_told_and_what_follows_arrives():
    with harness.Room() as room:
        subscriber, sims, _ = start(room, [
            ("an-1", "a3", ("--rate", "40", "--burst", "2", "--results", "120", "--start-delay", "1", "--power-cycle", "3",
                            "--power-cycle-clears"), ""),
            ("gt-1", "a4", ("--rate", "20", "--results", "60", "--start-delay", "1", "--power-cycle", "3"), ""),
        ])
        finished(sims, 60)
        harness.wait_for(lambda: len(sims[0].truth()) >= 120, 60, "all results finished")
        truth = sims[0].truth()
        gap, cut = max((later["at_ns"] - before["at_ns"], index) for index, (before, later) in enumerate(zip(truth, truth[1:]), 1))
        assert gap > 1.5e9 and truth[cut]["instrument_seq"] == "1", "the numbers began anew"
        # what was finished and not yet read when the power went is nowhere any more; the strip reader kept its memory
        could_be_read = [t for t in truth if t["at_ns"] < truth[cut - 1]["at_ns"] - 1.5e9] + truth[cut:] + sims[1].truth()
        harness.wait_for(lambda: not harness.compare(could_be_read, [r for r, _ in subscriber.records()]).lost, 60, "the rest")
        verdict = harness.compare(truth + sims[1].truth(), [r for r, _ in subscriber.records()])
        assert verdict.doubled == [] and verdict.invented == [], verdict
        # on a slow machine little was read before the cut: then numbers that begin anew are no surprise
        read = max(int(r["instrument_seq"]) for r, _ in subscriber.records() if r["instrument"]["id"] == "an-1")
        events = [json.loads(m.payload) for m in subscriber.of("event")]
        assert read <= int(truth[-1]["instrument_seq"]) or "an-1" in [event.get("instrument") for event in events if event["event"] == "counter_restarted"], events


def test_a_clock_in_another_year_costs_no_result():
    """What such an instrument finished before the first contact lies outside of `lookback`; what follows must arrive."""
    with harness.Room() as room:
        subscriber, sims, _ = start(room, [
            ("an-1", "a3", ("--rate", "20", "--burst", "2", "--results", "40", "--clock-offset", "-480000000",
                            "--start-delay", "2"), ""),
            ("gt-1", "a4", ("--rate", "20", "--results", "40", "--clock-offset", "86400"), ""),
        ])
        finished(sims, 40)
        clean(harness.settle(sims, subscriber, 60), 80)
        flags = [record["flags"] for record, _ in subscriber.records() if record["instrument"]["id"] == "an-1"]
        assert all("clock_suspect" in flag for flag in flags)


def records_in(address):
    """How many records an analyzer says to hold, asked on a line of our own."""
    host, _, port = address.rpartition(":")
    question = bytes((3, 0xFF, 0x43, 0, 0, 0, 0, 0, 8, 0, 0xB7, 0)) + bytes(4) + b"\xFF" * 4
    with socket.create_connection((host, int(port)), 5) as line:
        line.sendall(question)
        answer = line.recv(24, socket.MSG_WAITALL)
    first, last = struct.unpack("<HH", answer[20:])
    return last - first + 1 if last else 0


def test_a_memory_is_not_cleared_while_a_channel_is_being_measured():
    with harness.Room() as room:
        subscriber, sims, daemon = start(room, [
            ("gt-1", "a4", ("--results", "0"), ""),
            ("an-1", "a3", ("--overlap", "--burst", "3", "--rate", "3", "--results", "6"), "clear = yes\nclear-after = 4s"),
        ], begin=False)
        finished(sims[1:], 2)
        assert records_in(sims[1].address) >= 1
        daemon.start()
        harness.wait_for(lambda: records_in(sims[1].address) == 0, 60, "the memory cleared")
        assert len(sims[1].truth()) == 6, "cleared with a channel under way"
        clean(harness.settle(sims, subscriber, 60), 6)
        assert "counter_restarted" not in [json.loads(m.payload)["event"] for m in subscriber.of("event")]
        assert daemon.stop() == 0


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))

"""Quality control in the whole gateway: samples name their controls, and a day without one is told, whatever fails."""
import json
import random
import sys
import time
import os

import harness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "contract"))
import judges  # noqa: E402

TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\n"
ITEM = "PR-OPCB"


def stored(subscriber, *kinds):
    """As a platform has them: once each, in their order."""
    entries = {entry["seq"]: entry for entry in (json.loads(message.payload) for message in subscriber.of(*kinds))}
    return [entries[seq] for seq in sorted(entries)]


def item_of(record):
    return record["item"].get("code") or record["item"]["as_sent"]


def expected_of(record):
    """What a control is made to show, by the words of its instrument."""
    word = record.get("said", {}).get(record["kind"], "")
    return word if word in ("negative", "positive") else "negative" if record["kind"] in ("blank", "control") else None


def controls_of(sample, earlier):
    """By a second hand: the last of each kind before it, of its item and day."""
    last = {}
    for record in earlier:
        if record["kind"] != "sample" and item_of(record) == item_of(sample) and record["tested_at"][:10] == sample["tested_at"][:10]:
            key = (record["kind"], None if record["kind"] == "calibration" else expected_of(record))
            if record["tested_at"] <= sample["tested_at"] and record["tested_at"] >= last.get(key, record)["tested_at"]:
                last[key] = record
    return sorted(record["id"] for record in last.values())


def state_of(sample, earlier):
    states = [record.get("qc", {}).get("state", "unjudged") for record in earlier
              if record["id"] in [control["id"] for control in sample["qc"]["controls"]] and record["kind"] != "calibration"]
    states.append(sample["qc"].get("delta_a_control", "none"))
    return max(states, key=["none", "unjudged", "valid", "failed"].index)


def test_each_sample_names_its_controls_through_kills():
    """An analyzer gives samples and controls of every kind while the gateway is killed again and again."""
    dice, results = random.Random(5), 90
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sim = room.sim("an-1", "a6b", ("--tcp", "127.0.0.1:0"), "--results", str(results), "--rate", "25", "--controls", "0.4",
                       "--seed", "4")
        daemon = room.daemon(f"[instrument an-1]\ndriver = modbus\nprofile = analyzer-a6b\nport = modbus-tcp:{sim.address}\n"
                             "poll = 20ms\nlateness = 100ms\ncontrol = daily\n", TARGET.format(port=broker.port))
        for _ in range(4):
            daemon.start()
            time.sleep(dice.uniform(0.3, 0.8))
            daemon.kill()
        daemon.start()
        harness.wait_for(lambda: len(sim.truth()) == results, 60, "all results finished")
        verdict = harness.settle([sim], subscriber)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
        harness.wait_for(lambda: daemon.status()["targets"]["county"]["backlog"] == 0, 20, "the events sent")
        records, events = stored(subscriber, "result", "qc"), [event for event in stored(subscriber, "event")
                                                               if event["event"] == "control_missing"]
        seen = set()
        for index, record in enumerate(records):
            assert judges.faults("record", record) == [], record
            if record["kind"] != "sample":
                continue
            named = [control["id"] for control in record["qc"]["controls"]]
            assert sorted(named) == controls_of(record, records[:index]), record
            assert record["qc"]["state"] == state_of(record, records[:index]), record
            assert ("no_valid_control" in record["flags"]) == (record["qc"]["state"] in ("none", "failed")), record
            assert ("control_failed" in record["flags"]) == (record["qc"]["state"] == "failed"), record
            seen.add((record["qc"]["state"], len(named) > 1))
        assert {("valid", True), ("failed", True)} <= seen, "the simulator gave controls that fail, and several kinds"
        assert {record["qc"]["state"] for record in records if record["kind"] == "control" and "qc" in record} == {"valid", "failed"}
        check_told(records, events)


def check_told(records, events):
    """Each run of samples without a valid control begins with an event, and ends with one when a control comes."""
    assert events and all(judges.faults("event", event) == [] for event in events)
    for item in {event["item"] for event in events}:
        mine = [event for event in events if event["item"] == item]
        assert [event["state"] for event in mine] == [("first", "late")[i % 2] for i in range(len(mine))]
        for begin, end in zip(mine[::2], mine[1::2]):
            since = next(record["seq"] for record in records if record["id"] == begin["record"])
            short = [record for record in records if item_of(record) == item and since <= record["seq"] < end["seq"]
                     and "no_valid_control" in record["flags"]]
            assert end["samples"] == len(short) and end["record"] == begin["record"] == short[0]["id"]
            control = next(record for record in records if record["id"] == end["control"])
            assert control["qc"]["state"] == "valid" and control["seq"] < end["seq"]

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


def message(number, item, value, minute, *, control=False, comment=""):
    """One result of an ASTM reader; a control by action code Q."""
    order = f"O|1|{number}||^^^{item}" + ("|||||||Q" if control else "")
    return (f"H|\\^&|||FR-100||||||||LIS2-A2\r{order}\r" + (f"C|1|I|{comment}|G\r" if comment else "") +
            f"R|1|^^^{item}|{value}|%||||F||01||2026030509{minute:02d}00\rL|1|N\r").encode()


class Reader:
    """Dials the gateway with one message after the other; gives the record each becomes."""

    def __init__(self, room, port, subscriber):
        self.room, self.port, self.subscriber = room, port, subscriber

    def test(self, *arguments, **options):
        before = len(stored(self.subscriber, "result", "qc"))
        with harness.dial(self.port) as instrument:
            instrument.sendall(message(*arguments, **options))
            harness.wait_for(lambda: len(stored(self.subscriber, "result", "qc")) == before + 1, 20, "the record")
        record = stored(self.subscriber, "result", "qc")[-1]
        assert judges.faults("record", record) == [], record
        return record


def reader(room, settings):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    port = harness.free_port()
    daemon = room.daemon(f"[instrument fr-1]\ndriver = astm\nport = tcp-listen:{port}\n{settings}", TARGET.format(port=broker.port))
    return daemon, Reader(room, port, subscriber)


def write(daemon, name, text):
    with open(os.path.join(daemon.conf, name), "w", encoding="utf-8") as table:
        table.write(text)


def test_a_day_without_a_control_is_seen_in_the_status_until_one_comes():
    with harness.Room() as room:
        daemon, fr_1 = reader(room, "control = daily\nitem = PR-OPCB\n")
        daemon.start()
        first = fr_1.test("S-1", ITEM, "12.50", 1)
        assert first["qc"] == {"state": "none", "controls": []} and "no_valid_control" in first["flags"]
        fr_1.test("S-2", ITEM, "12.60", 2)
        assert daemon.status()["instruments"]["fr-1"]["control_missing"] == [{"item": ITEM, "day": "2026-03-05", "samples": 2}]
        assert "2 samples of PR-OPCB" in daemon.ctl("status").stdout
        assert judges.faults("status", daemon.status()) == []
        daemon.kill()
        daemon.start()
        assert "2 samples of PR-OPCB" in daemon.ctl("status").stdout
        control = fr_1.test("K-1", ITEM, "0.00", 3, control=True)
        tied = fr_1.test("S-3", ITEM, "12.70", 4)
        assert [named["id"] for named in tied["qc"]["controls"]] == [control["id"]] and tied["qc"]["state"] == "unjudged"
        assert "no_valid_control" not in tied["flags"], "one that nobody can judge was measured all the same"


def test_controls_are_known_when_the_journal_had_to_be_set_aside():
    with harness.Room() as room:
        daemon, fr_1 = reader(room, "control = daily\n")
        daemon.start()
        control = fr_1.test("K-1", ITEM, "0.00", 1, control=True)
        daemon.stop()
        os.rename(os.path.join(daemon.state, "journal.db"), os.path.join(daemon.state, "journal.db.corrupt-20260305T094120Z"))
        daemon.start()
        with harness.dial(fr_1.port) as instrument:
            instrument.sendall(message("S-1", ITEM, "12.50", 2))
            harness.wait_for(lambda: stored(fr_1.subscriber, "result"), 20, "the record")
        sample = stored(fr_1.subscriber, "result")[-1]
        assert sample["epoch"] != control["epoch"]
        assert [named["id"] for named in sample["qc"]["controls"]] == [control["id"]]


def test_people_lots_and_certificates_are_told_by_records_and_the_doctor():
    with harness.Room() as room:
        daemon, fr_1 = reader(room, "calibration-certificate = JZ-1\ncalibration-until = 2026-03-04\n")
        write(daemon, "operators.csv", "id,name,certificate,trained_on\n01,张三,A-1,colloidal-gold\n")
        write(daemon, "lots.csv", "kind,lot,instruments,items,opened,expires\n试剂,R-1,fr-1,,2026-01-01,2026-03-04\n"
                                  "strip,26001,fr-1,,2026-01-01,2099-12-31\nstrip,26002,fr-1,,2026-02-01,2099-12-31\n")
        daemon.start()
        record = fr_1.test("S-1", ITEM, "12.50", 1, comment="LOT 26001")
        assert {"operator_untrained", "lot_expired", "calibration_expired"} <= set(record["flags"])
        assert record["operator"] == {"id": "01", "name": "张三", "certificate": "A-1", "valid": True, "trained": False}
        assert record["instrument"]["calibration"] == {"certificate": "JZ-1", "until": "2026-03-04", "valid": False}
        assert record["lots"] == [
            {"lot": "26001", "kind": "strip", "expires": "2099-12-31", "valid": True, "by": "instrument"},
            {"lot": "R-1", "kind": "reagent", "expires": "2026-03-04", "valid": False, "by": "station"}]
        assert "ENDED on 2026-03-04" in daemon.ctl("status").stdout
        told = daemon.ctl("doctor").stdout
        assert "calibration certificate of instrument fr-1 ended on 2026-03-04" in told and "lot R-1 (reagent) ended" in told
        assert "26001" not in told and "26002" not in told
        checked = daemon.ctl("status", "--json")
        assert json.loads(checked.stdout)["instruments"]["fr-1"]["calibration"]["days_left"] < 0

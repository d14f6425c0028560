"""What the platform may ask of a running station, and what it is told."""
import json
import os
import sys
import threading

import harness
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

sys.path.insert(0, os.path.join(harness.ROOT, "tests/contract"))
import judges  # noqa: E402

READER = "[instrument reader-1]\ndriver = seven-e-aa\nport = {serial}\npoll = 200ms\n"
TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\n{extra}"


class Platform:
    """Asks with a response topic and correlation data, and waits for the answer."""

    def __init__(self, port):
        self.answers, self.came = {}, threading.Condition()
        self.client = mqtt.Client("platform", protocol=mqtt.MQTTv5)
        self.client.on_message = self.heard
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("platform/answers", qos=1)
        self.client.loop_start()

    def heard(self, _client, _userdata, message):
        with self.came:
            self.answers[message.properties.CorrelationData] = json.loads(message.payload)
            self.came.notify_all()

    def say(self, topic, payload):
        self.client.publish(f"{harness.PREFIX}/{topic}", json.dumps(payload), qos=1).wait_for_publish()

    def ask(self, name, payload, number):
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "platform/answers"
        properties.CorrelationData = b"question-%d" % number
        self.client.publish(f"{harness.PREFIX}/request/{name}", json.dumps(payload), qos=1, properties=properties)
        with self.came:
            assert self.came.wait_for(lambda: properties.CorrelationData in self.answers, 10), f"no answer to {name}"
            return self.answers[properties.CorrelationData]


def start(room, extra="", results="20"):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "3", "--rate", "20", "--results", results)
    daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port, extra=extra))
    daemon.start()
    harness.wait_for(lambda: len(sim.truth()) >= int(results), 30, "all results finished")
    assert harness.settle([sim], subscriber).lost == []
    platform = Platform(broker.port)
    return subscriber, daemon, platform


def test_status_and_replay_are_answered_and_keep_the_contract():
    with harness.Room() as room:
        subscriber, _, platform = start(room)
        status = platform.ask("status", {}, 1)
        assert status["online"] is True and judges.faults("status", status) == []
        assert status["seq"] >= 20

        first = {json.loads(m.payload)["seq"]: m.payload for m in subscriber.of("result", "qc", "event")}
        before = len(subscriber.of("result", "qc", "event"))
        accepted = platform.ask("replay", {"epoch": status["epoch"], "from": 3, "to": 7}, 2)
        assert accepted == {"accepted": True, "epoch": status["epoch"], "from": 3, "to": 7}
        harness.wait_for(lambda: subscriber.of("result", "qc", "event")[before + 4:], 10, "five entries again")
        again = subscriber.of("result", "qc", "event")[before:]
        assert [m.payload for m in again] == [first[seq] for seq in range(3, 8)]

        for number, (name, payload) in enumerate([("replay", {"epoch": "x", "from": 1, "to": 1}), ("erase", {}),
                                                  ("replay", {"epoch": status["epoch"], "from": 9, "to": 1})], 3):
            answer = platform.ask(name, payload, number)
            assert "error" in answer and judges.faults("response", answer) == []
        assert judges.faults("response", accepted) == []
        for epoch, last, reason in ((status["epoch"], 10 ** 6, "not_yet"), ("0" * 32, 1, "unknown_epoch")):
            number += 1
            answer = platform.ask("replay", {"epoch": epoch, "from": last, "to": last}, number)
            assert answer["reason"] == reason and judges.faults("response", answer) == []
        platform.client.disconnect()


def test_what_the_platform_says_wrongly_is_counted_logged_and_shown():
    with harness.Room() as room:
        _, daemon, platform = start(room)
        county = lambda: daemon.status()["targets"]["county"]
        assert (county()["requests"], county()["requests_refused"], county()["receipts_taken"]) == (0, 0, 0)
        assert "not accepted" not in daemon.ctl("status").stdout + daemon.ctl("doctor").stdout

        platform.say("receipt", {"epoch": "0" * 32, "through": 7, "missing": [[2, 3]]})
        told = "/receipt was not understood: it is for another journal, of which this station has nothing"
        harness.wait_for(lambda: told in daemon.log(), 10, "the forged receipt in the log")
        assert county()["requests_refused"] == 1
        status = platform.ask("status", {}, 1)
        platform.ask("replay", {"epoch": "0" * 32, "from": 1, "to": 1}, 2)
        platform.say("receipt", {"epoch": status["epoch"], "through": status["seq"] + 1})
        platform.say("receipt", {"epoch": status["epoch"], "through": status["seq"]})
        harness.wait_for(lambda: county()["receipts_taken"] == 1, 10, "the true receipt to be counted")
        assert (county()["requests"], county()["requests_refused"]) == (2, 3)
        assert "not accepted since the start: 3;" in daemon.ctl("status").stdout
        found = [line for line in map(json.loads, daemon.ctl("--json", "doctor").stdout.splitlines()) if line["check"] == "requests"]
        assert [line["risk"] for line in found] == [True] and "target county: 3 requests and receipts" in found[0]["text"]
        assert judges.faults("status", platform.ask("status", {}, 3)) == []
        platform.client.disconnect()


def test_with_receipts_required_only_a_receipt_ends_the_backlog():
    with harness.Room() as room:
        subscriber, daemon, platform = start(room, extra="receipts = required\n")
        status = platform.ask("status", {}, 1)
        assert status["backlog"] == status["seq"] > 0
        platform.say("receipt", {"epoch": status["epoch"], "through": status["seq"], "missing": [[5, 6]]})
        harness.wait_for(lambda: daemon.status()["backlog"] == status["seq"] - 4, 10, "the backlog to begin at the gap")
        harness.wait_for(lambda: [json.loads(m.payload)["seq"] for m in subscriber.of("result", "qc", "event")][-2:] == [5, 6],
                         10, "the gap to be filled")
        platform.say("receipt", {"epoch": status["epoch"], "through": status["seq"]})
        harness.wait_for(lambda: daemon.status()["backlog"] == 0, 10, "no backlog")
        platform.client.disconnect()


def test_what_the_broker_refuses_is_counted_and_the_rest_arrives():
    with harness.Room() as room:
        acl = room.path("acl")
        with open(acl, "w", encoding="utf-8") as rules:
            rules.write(f"topic readwrite {harness.PREFIX}/result\ntopic readwrite {harness.PREFIX}/status\ntopic read #\n"
                        f"topic readwrite {harness.PREFIX}/request/status\ntopic write platform/answers\n")
        # with max_queued_messages 0 mosquitto 2.0.11 ends the link after each refusal
        broker = room.broker(extra=f"acl_file {acl}\nmax_queued_messages 10000\n")
        subscriber = room.subscriber(broker.port)
        sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "3", "--rate", "20", "--results", "40")
        daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port, extra=""))
        daemon.start()
        harness.wait_for(lambda: len(sim.truth()) >= 40, 30, "all results finished")
        samples = [truth for truth in sim.truth() if truth["kind"] == "sample"]
        harness.wait_for(lambda: len(subscriber.of("result")) >= len(samples), 20, "every sample")

        def all_else_is_refused():
            status = daemon.status()
            return status["backlog"] == 0 and status["targets"]["county"]["refused"] == status["seq"] - len(samples) > 0
        harness.wait_for(all_else_is_refused, 20, "everything else to be refused")
        assert "not authorised" in daemon.log()


def test_what_the_broker_refuses_is_shown_and_sent_again_on_demand():
    with harness.Room() as room:
        acl = room.path("acl")
        with open(acl, "w", encoding="ascii") as rules:
            rules.write(f"topic readwrite {harness.PREFIX}/event\ntopic readwrite {harness.PREFIX}/status\ntopic read #\n")
        broker = room.broker(extra=f"acl_file {acl}\nmax_queued_messages 10000\n")
        subscriber = room.subscriber(broker.port)
        sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "3", "--rate", "20", "--results", "3",
                       "--controls", "0")
        daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port, extra=""))
        daemon.start()
        refused = lambda: [e for e in map(lambda m: json.loads(m.payload), subscriber.of("event")) if e["event"] == "entry_refused"]
        harness.wait_for(lambda: len(refused()) == 3, 20, "the county to be told of three refusals")
        assert {e["target"] for e in refused()} == {"county"}
        parked = [json.loads(line) for line in daemon.ctl("--json", "parked").stdout.splitlines()]
        assert [p["seq"] for p in parked] == [e["entry_seq"] for e in refused()]
        assert all("not authorised" in p["reason"] for p in parked)
        assert "not authorised" in daemon.ctl("parked", "--target", "county").stdout
        assert daemon.ctl("retry", "all", "--target", "nobody").returncode == 1
        assert daemon.ctl("retry", "999").returncode == 1
        assert daemon.ctl("retry", "some").returncode == 64
        with open(acl, "w", encoding="ascii") as rules:
            rules.write("topic readwrite #\n")
        broker.child.send_signal(harness.signal.SIGHUP)
        # the broker may still be reading its rules when the first is tried again
        harness.wait_for(lambda: daemon.ctl("retry", "all").returncode == 1, 20, "nothing left to try again")
        assert "Nothing was refused" in daemon.ctl("parked").stdout
        assert harness.settle([sim], subscriber).lost == []


def test_stored_entries_are_sent_again_on_demand():
    with harness.Room() as room:
        subscriber, daemon, platform = start(room)
        platform.client.disconnect()
        entries = lambda: subscriber.of("result", "qc", "event")
        first = {json.loads(m.payload)["seq"]: m.payload for m in entries()}
        head = max(first)

        def again(*words):
            before = len(entries())
            told = daemon.ctl("--json", "resend", *words)
            assert told.returncode == 0, told.stderr
            count = json.loads(told.stdout)["resending"]
            harness.wait_for(lambda: len(entries()) >= before + count, 10, f"{count} entries again")
            return [m.payload for m in entries()[before:]]

        assert again("3", "7") == [first[seq] for seq in range(3, 8)]
        assert again(str(head - 1), "--target", "county") == [first[head - 1], first[head]]
        for words, code, why in [(("3", "--target", "nobody"), 1, "no target 'nobody'"), (("7", "3"), 1, "first"),
                                 (("1", str(head + 1)), 1, f"the last entry is {head}"), ((), 64, "sequence number"),
                                 (("0",), 64, "sequence number"), (("1", "2", "3"), 64, "too many")]:
            refused = daemon.ctl("resend", *words)
            assert refused.returncode == code and why in refused.stderr, (words, refused.stderr)


def test_what_is_to_be_sent_again_waits_for_the_broker():
    with harness.Room() as room:
        os.mkdir(room.path("kept"))  # the subscriber's session, so that it misses nothing
        broker = room.broker(extra=f"persistence true\npersistence_location {room.path('kept')}/\n")
        subscriber = room.subscriber(broker.port)
        sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "3", "--rate", "50", "--results", "20")
        daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port, extra=""))
        daemon.start()
        harness.wait_for(lambda: len(sim.truth()) >= 20, 30, "all results finished")
        assert harness.settle([sim], subscriber).lost == []
        head = daemon.status()["seq"]
        broker.stop()
        harness.wait_for(lambda: daemon.status()["targets"]["county"]["state"] != "up", 10, "the link to be seen broken")
        assert daemon.ctl("resend", "1", str(head)).returncode == 0
        busy = daemon.ctl("resend", "1")
        assert busy.returncode == 1 and "being sent again" in busy.stderr
        before = len(subscriber.of("result", "qc", "event"))
        broker.start()
        harness.wait_for(lambda: {json.loads(m.payload)["seq"] for m in subscriber.of("result", "qc", "event")[before:]}
                         >= set(range(1, head + 1)), 20, "all of them, once the broker is back")

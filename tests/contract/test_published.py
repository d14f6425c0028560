"""Every message the daemon really publishes, before the contract's independent judges."""
import hashlib
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]
import harness  # noqa: E402
import judges  # noqa: E402

INSTRUMENTS = """
[instrument reader-1]
driver = seven-e-aa
port = {serial}
poll = 200ms

[instrument analyzer-1]
driver = modbus
profile = analyzer-a6b
port = modbus-tcp:{tcp}
unit = 1
poll = 200ms

[instrument away-1]
driver = modbus
profile = analyzer-a6b
port = modbus-tcp:127.0.0.1:{nobody}
unit = 1
poll = 200ms
timeout = 200ms
"""
SCHEMA_OF = {"result": "record", "qc": "record", "event": "event", "status": "status", "seal": "seal", "manifest": "manifest"}


def chain_faults(payloads):
    """As config/contract/README.md tells the county to check: each entry carries the digest of the one before."""
    faults, last = [], {}
    for payload in payloads:
        entry = json.loads(payload)
        before = last.get(entry["epoch"])
        if before and entry["seq"] == before[0] + 1 and entry["prev"] != "sha256:" + before[1]:
            faults.append(entry["seq"])
        if entry["seq"] == 1 and entry["prev"] != "sha256:" + "0" * 64:
            faults.append(1)
        last[entry["epoch"]] = (entry["seq"], hashlib.sha256(payload).hexdigest())
    return faults


def test_every_published_message_keeps_the_contract(tmp_path):
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sims = [room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "5", "--rate", "10", "--results", "60"),
                room.sim("analyzer-1", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", "6", "--rate", "10", "--results", "60")]
        daemon = room.daemon(INSTRUMENTS.format(serial=room.path("reader"), tcp=sims[1].address, nobody=harness.free_port()),
                             f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n")
        daemon.start()
        harness.wait_for(lambda: len(harness.truth_of(sims)) >= 120, 60, "120 results finished")
        assert harness.settle(sims, subscriber).lost == []
        harness.wait_for(lambda: subscriber.of("event"), 20, "an event for the instrument that is away")
        daemon.stop()
        time.sleep(0.3)

        messages = {}
        for message in list(subscriber.messages):
            kind = message.topic.rsplit("/", 1)[1]
            payload = json.loads(message.payload)
            messages.setdefault(SCHEMA_OF[kind], []).append(payload)
            assert judges.faults(SCHEMA_OF[kind], payload) == [], message.payload.decode()
            assert json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() == message.payload
            if kind not in ("status", "seal", "manifest"):
                said = dict(message.properties.UserProperty)
                assert said == {"specversion": "1.0", "id": payload["id"], "source": harness.PREFIX, "type": f"assay.v1.{kind}",
                                "time": said["time"], "datacontenttype": "application/json"}
                assert message.properties.ContentType == "application/json"
        assert set(messages) == {"record", "event", "status", "seal"}
        assert len(messages["record"]) >= 120
        assert messages["status"][-1] == {"online": False}
        entries = sorted((m.payload for m in subscriber.of("result", "qc", "event")), key=lambda p: json.loads(p)["seq"])
        assert chain_faults(entries) == []
        if judges.node_is_ready():
            code, said = judges.judge_with_node(str(tmp_path), messages)
            assert code == 0, said

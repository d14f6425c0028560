"""Retests in the whole gateway: they find their first by number or by hand, also when the gateway is killed between."""
import json

import harness

ITEM = "PR-OPCB"


def message(sample, value, minute):
    return (f"H|\\^&|||FR-100||||||||LIS2-A2\rO|1|{sample}||^^^{ITEM}\r"
            f"R|1|^^^{ITEM}|{value}|%||||F||||202603050{9 + minute // 60}{minute % 60:02d}00\rL|1|N\r").encode()


def stored(subscriber, kind):
    """As a platform has them: once each, in their order."""
    entries = {entry["seq"]: entry for entry in (json.loads(message.payload) for message in subscriber.of(kind))}
    return [entries[seq] for seq in sorted(entries)]


def groups(subscriber):
    return [event for event in stored(subscriber, "event") if event["event"] == "retest_group"]


def test_a_positive_is_confirmed_by_number_and_another_overturned_by_hand():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        port = harness.free_port()
        daemon = room.daemon(f"[instrument fr-1]\ndriver = astm\nport = tcp-listen:{port}\n", f"broker = mqtt://127.0.0.1:{broker.port}\n")

        def test(sample, value, minute):
            before = len(stored(subscriber, "result"))
            with harness.dial(port) as instrument:
                instrument.sendall(message(sample, value, minute))
                harness.wait_for(lambda: len(stored(subscriber, "result")) == before + 1, 20, "the result")
            return stored(subscriber, "result")[-1]

        daemon.start()
        first = test("S-1", "63.50", 1)
        assert "retest_required" in first["flags"] and first["test_seq"] == 1
        assert "S-1" in daemon.ctl("retest").stdout
        daemon.kill()
        daemon.start()
        second = test("S-1", "58.00", 2)
        assert (second["test_seq"], second["retest_of"]) == (2, first["id"])
        test("S-1", "61.00", 3)
        harness.wait_for(lambda: len(groups(subscriber)) == 3, 20, "the group's events")
        assert [event["state"] for event in groups(subscriber)] == ["retest_required", "retest_required", "confirmed_positive"]
        assert len(groups(subscriber)[-1]["members"]) == 3

        nameless = test("", "70.00", 4)
        told = daemon.ctl("retest", nameless["id"]).stdout
        assert "fr-1" in told and nameless["id"] in told
        daemon.kill()
        daemon.start()
        assert test("", "12.00", 5)["retest_of"] == nameless["id"]
        daemon.ctl("--json", "retest", str(nameless["seq"]))
        assert test("", "11.00", 6)["retest_of"] == nameless["id"]
        harness.wait_for(lambda: groups(subscriber)[-1]["state"] == "overturned", 20, "the verdict")
        assert "retest_of" not in test("", "10.00", 7)
        assert len(groups(subscriber)) == 6


def test_what_cannot_be_tested_again_says_why():
    with harness.Room() as room:
        daemon = room.daemon(f"[instrument fr-1]\ndriver = astm\nport = tcp-listen:{harness.free_port()}\n", None).start()
        for words, reason in ((("17",), "no such entry"), (("1",), "no result of a sample"), (("nonsense",), "no such entry"),
                              (("1", "2"), "too many"), (("1", "--for", "long"), "--for")):
            refused = daemon.ctl("retest", *words)
            assert refused.returncode != 0 and reason in refused.stderr, (words, refused.stderr)

"""The oil tester: no running number, no second in its time, and a memory whose pages move while they are read."""
import collections
import json
import os
import random
import time

import harness
import pytest

KILLS = int(os.environ.get("KILLS", "10"))

TESTER = """[instrument oil-1]
driver = modbus
profile = {profile}
port = modbus-{port}
{line}
poll = 100ms
timeout = 150ms
lateness = 400ms
reconcile = {reconcile}
"""

OLDEST_FIRST = "order    = oldest-first"


def start(room, *sim_options, begin=True, tcp=False, profile="oil-dy2620", reconcile="2s"):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    where = ("--tcp", "127.0.0.1:0") if tcp else ("--serial", room.path("bus"))
    sim = room.sim("oil-1", "a6a", where, "--seed", "5", "--same", "0.3", *sim_options)
    port, line = (f"tcp:{sim.address}", "") if tcp else (f"rtu:{room.path('bus')}", "line = 115200/8n1")
    daemon = room.daemon(TESTER.format(port=port, line=line, profile=profile, reconcile=reconcile),
                         f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n")
    if begin:
        daemon.start()
    return subscriber, sim, daemon


def of_truth(truth):
    return truth["tested_at"][:16], truth["value"], truth["temperature"]


def of_record(record):
    assert record["item"]["code"] == "OIL-TPM" and record["unit"] == "%", record
    return record["tested_at"][:16], record["value"], record["signals"]["temperature"]


def settle(sim, subscriber, count, seconds=60):
    """Nothing tells two alike results apart but how many there are: so they are counted."""
    harness.wait_for(lambda: len(sim.truth()) >= count, 60, f"{count} results finished")
    truth = collections.Counter(map(of_truth, sim.truth()))
    records = lambda: collections.Counter(map(of_record, {r["id"]: r for r, _ in subscriber.records()}.values()))
    try:
        harness.wait_for(lambda: not truth - records(), seconds, "all results received")
    except TimeoutError:
        pass
    time.sleep(0.5)  # for what should not come any more
    received = records()
    lost, extra = list((truth - received).elements()), list((received - truth).elements())
    assert lost == [] and extra == [], (lost, extra)
    assert max(truth.values()) > 1, "no two alike: this run proves nothing about them"
    return sum(received.values())


@pytest.mark.parametrize("tcp", [False, True], ids=["rtu", "tcp"])
def test_every_result_arrives_once(tcp):
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, "--rate", "8", "--results", "32", tcp=tcp)
        assert settle(sim, subscriber, 32) == 32
        status = daemon.status()["instruments"]["oil-1"]
        assert status["health"] == "ok", status
        assert daemon.stop() == 0


def test_pages_from_the_oldest_on_work_as_well():
    with harness.Room() as room:
        os.makedirs(room.path("etc/profiles"))
        with open(os.path.join(harness.ROOT, "config/profiles/oil-dy2620.conf"), encoding="utf-8") as shipped:
            text = shipped.read().replace("order    = newest-first", OLDEST_FIRST)
        assert OLDEST_FIRST in text
        with open(room.path("etc/profiles/oil-oldest.conf"), "w", encoding="utf-8") as own:
            own.write(text)
        subscriber, sim, _ = start(room, "--oldest-first", "--rate", "6", "--results", "30", "--capacity", "20",
                                   profile="oil-oldest")
        assert settle(sim, subscriber, 30) == 30


def test_what_came_in_an_absence_is_fetched_from_the_memory():
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, "--rate", "20", "--results", "60")
        harness.wait_for(lambda: len(subscriber.records()) >= 5, 30, "the first records")
        daemon.kill()
        harness.wait_for(lambda: len(sim.truth()) >= 60, 30, "60 results finished")
        daemon.start()
        assert settle(sim, subscriber, 60) == 60


def test_late_noisy_and_missing_answers_give_no_wrong_value():
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, "--rate", "4", "--results", "20", "--late", "250", "--late-every", "9",
                                        "--noise", "0.02", "--bad-crc", "0.02", "--silence", "0.02", "--short", "0.02",
                                        "--busy", "0.05")
        assert settle(sim, subscriber, 20, 90) == 20
        events = [json.loads(message.payload)["event"] for message in subscriber.of("event")]
        assert "undecodable" not in events, events
        assert daemon.status()["instruments"]["oil-1"]["quarantines"] > 0


def test_kills_at_random_moments_lose_and_double_nothing():
    random.seed(6)
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, "--rate", "6", "--results", "50", "--late", "250", "--late-every", "40",
                                        begin=False)
        for _ in range(KILLS):
            daemon.start()
            time.sleep(random.uniform(0.05, 1.0))
            daemon.kill()
        daemon.start()
        received = settle(sim, subscriber, 50, 90)
        print(f"kills {KILLS}, received {received}")
        assert received == 50

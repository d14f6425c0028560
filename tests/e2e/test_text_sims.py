"""Simulated text instruments and the whole gateway: tickets, lines asked by date, pushes, JSON. Each result once, killed or not."""
import os
import random
import time

import harness
import pytest

KILLS = int(os.environ.get("KILLS", "6"))
PROFILES = {"a8": "ticket-a8", "a9": "reader-a9", "a10": "push-a10", "json": "reader-dy6260-json"}


def start(room, archetype, *sim_options, serial=False, extra=""):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    where = ("--serial", room.path("line")) if serial else ("--tcp", "127.0.0.1:0")
    sim = room.sim("text-1", archetype, where, "--seed", "5", *sim_options)
    port = room.path("line") if serial else f"tcp:{sim.address}"
    daemon = room.daemon(f"[instrument text-1]\ndriver = text\nprofile = {PROFILES[archetype]}\nport = {port}\npoll = 100ms\n"
                         f"timeout = 500ms\n{extra}",
                         f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n")
    return subscriber, sim, daemon


def finished(sim, count):
    harness.wait_for(lambda: len(sim.truth()) >= count, 60, f"{count} results finished")


def clean(verdict, least):
    assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
    assert verdict.finished >= least


@pytest.mark.parametrize("archetype, serial", [("a8", True), ("a9", True), ("a10", False), ("json", False)])
def test_every_result_arrives_once(archetype, serial):
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, archetype, "--results", "60", "--rate", "120", "--start-delay", "1", serial=serial)
        daemon.start()
        finished(sim, 60)
        clean(harness.settle([sim], subscriber), 60)
        records = [record for record, _ in subscriber.records()]
        assert {record["kind"] for record in records} == ({"sample"} if archetype == "a10" else {"sample", "control"})
        below = [record for record in records if record.get("qualifier") == "<"]
        assert 0 < len(below) < len(records)


@pytest.mark.parametrize("archetype", ["a9", "json"])
def test_what_can_be_read_again_survives_kills(archetype):
    random.seed(11)
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, archetype, "--rate", "100", "--same", "0.3", "--results", "300", "--noise", "0.002",
                                        "--short", "0.002", "--late", "30", "--late-every", "5")
        for _ in range(KILLS):
            daemon.start()
            time.sleep(random.uniform(0.05, 0.8))
            daemon.kill()
        daemon.start()
        clean(harness.settle([sim], subscriber, 60), KILLS)


@pytest.mark.parametrize("archetype", ["a8", "a10"])
def test_what_was_pushed_before_a_kill_is_there_once_and_nothing_is_invented(archetype):
    random.seed(12)
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, archetype, "--rate", "100")
        for _ in range(KILLS):
            daemon.start()
            heard = len(subscriber.records())
            harness.wait_for(lambda: len(subscriber.records()) > heard, 20, "a push that arrives")
            time.sleep(random.uniform(0, 0.3))
            daemon.kill()
        daemon.start()
        stored = {entry["id"] for entry in daemon.entries() if entry.get("kind") in ("sample", "control")}
        assert stored
        harness.wait_for(lambda: stored <= {record["id"] for record, _ in subscriber.records()}, 30, "what is stored")
        verdict = harness.compare(sim.truth(), [record for record, _ in subscriber.records()])
        assert verdict.doubled == [] and verdict.invented == [], verdict
        assert verdict.received > 0


def test_a_damaged_push_costs_itself_only():
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, "a10", "--rate", "200", "--results", "300", "--noise", "0.1", "--bad-crc", "0.05",
                                        "--short", "0.05", "--start-delay", "1")
        daemon.start()
        finished(sim, 300)
        harness.wait_for(lambda: len(subscriber.records()) > 200, 20, "most pushes")
        time.sleep(0.5)
        verdict = harness.compare(sim.truth(), [record for record, _ in subscriber.records()])
        assert verdict.doubled == [] and verdict.invented == [], verdict
        # one in ten is damaged, and one whose end is missing may take the next with it
        assert 5 < len(verdict.lost) < 75, len(verdict.lost)

"""A day's manifest says how much was recorded: the county holds it against what it stored."""
import json
import os
import sqlite3

import harness
import pytest
from test_platform import alarms, county, daemon_of, lost, reader, receipted

VECTORS = os.path.join(harness.ROOT, "config/contract/vectors")


def told(store):
    return [what for (what,) in store.db.execute("SELECT what FROM alarm")]


@pytest.fixture(name="store")
def fixture_store(tmp_path):
    store = county.Store(tmp_path / "platform.db")
    yield store
    store.db.close()


def recorded(name):
    """(entries as (kind, bytes), manifest) of an export."""
    entries, manifest = [], None
    with open(os.path.join(VECTORS, f"{name}.jsonl"), "rb") as file:
        for line in file.read().splitlines():
            document = json.loads(line)
            if "prev" in document:
                entries.append(("event" if "event" in document else "result", line))
            elif "day" in document:
                manifest = line
    return entries, manifest


def give(store, entries):
    for kind, payload in entries:
        store.take_entry(harness.STATION, kind, payload)
    store.count(harness.STATION, json.loads(entries[0][1])["epoch"])


@pytest.mark.parametrize("name", ("ed25519-sha256", "sm2-sm3"))
def test_a_manifest_is_counted_when_all_of_it_is_there_and_says_nothing_where_it_is_right(store, name):
    entries, manifest = recorded(name)
    give(store, entries[:3])
    epoch = json.loads(manifest)["epoch"]
    assert store.take_proof(harness.STATION, "manifest", manifest) == epoch
    waiting = lambda: store.db.execute("SELECT count(*) FROM uncounted").fetchone()[0]
    give(store, entries[4:])
    assert waiting() == 1  # entry 4 is missing, and asked for as such
    give(store, entries[3:4])
    assert (waiting(), told(store)) == (0, [])
    assert store.take_proof(harness.STATION, "manifest", manifest) is None  # once is enough
    assert waiting() == 0


@pytest.mark.parametrize("change,says", (
    ({"events": 2}, "events 2, here 1"),
    ({"instruments": {"analyzer-1": {"sample": 6, "counter_first": "1", "counter_last": "6"}}}, "'sample': 6"),
    ({"instruments": {}}, "instruments {}"), ({"instruments": 7}, "instruments 7"),
    ({"digest": "sha256:" + "0" * 64}, "digest 'sha256:000"), ({"events": "\ud800"}, "events '\\ud800'"), ({"digest": None, "events": None}, "events None")))
def test_a_manifest_that_says_otherwise_than_what_is_stored_is_an_alarm_once(store, change, says):
    entries, manifest = recorded("ed25519-sha256")
    store.take_proof(harness.STATION, "manifest", json.dumps({**json.loads(manifest), **change}).encode())
    for _again in range(2):
        give(store, entries)
    assert len(told(store)) == 1 and "the manifest of '2026-11-25' says of entries 1 to 6: " in told(store)[0]
    assert says in told(store)[0], told(store)


def test_an_entry_altered_with_its_chain_is_found_by_the_count_where_no_key_was_given(store):
    entries, manifest = recorded("ed25519-sha256")
    altered = [(kind, payload.replace(b'"value":"', b'"value":"9') if payload == entries[5][1] else payload) for kind, payload in entries]
    assert altered != entries
    store.take_proof(harness.STATION, "manifest", manifest)
    give(store, altered[:6])
    assert [what.partition(": ")[2].split()[0] for what in told(store)] == ["digest"]


@pytest.mark.parametrize("place", ({"first": 0}, {"last": 0}, {"first": "1"}, {"last": 2**63}, {"epoch": ["e"]}, {"last": None}))
def test_a_manifest_of_no_place_is_not_taken(store, place):
    _, manifest = recorded("ed25519-sha256")
    with pytest.raises((ValueError, TypeError)):
        store.take_proof(harness.STATION, "manifest", json.dumps({**json.loads(manifest), **place}).encode())
    assert not store.db.execute("SELECT * FROM uncounted").fetchall() and not store.db.execute("SELECT * FROM proof").fetchall()


def test_what_is_no_record_is_counted_as_none_and_stops_nothing(store):
    entries, manifest = recorded("ed25519-sha256")
    whole = json.loads(entries[5][1])
    head = {member: whole[member] for member in ("v", "id", "station", "epoch", "seq", "prev")}
    for other in ({"event": 5}, {"kind": "\ud800", "instrument": {"id": "\ud800"}}, {"instrument": 7, "kind": "sample"}, {"instrument": {"id": []}, "kind": []},
                  {"instrument": {"id": "analyzer-1"}, "kind": "sample", "instrument_seq": 5}):
        store.db.executescript("DELETE FROM entry; DELETE FROM proof; DELETE FROM alarm")
        store.take_proof(harness.STATION, "manifest", manifest)
        give(store, entries[:5] + [("result", json.dumps({**head, **other}, separators=(",", ":")).encode())])
        assert len(told(store)) == 1 and "instruments" in told(store)[0]


def make_yesterday(daemon):
    """What is stored becomes of a day that is over: the next start makes its manifest."""
    with sqlite3.connect(os.path.join(daemon.state, "journal.db")) as journal:
        journal.execute("UPDATE entry SET received_ms = received_ms - 86400000")
    journal.close()


def test_a_day_of_a_station_comes_to_the_same_count_and_a_false_one_is_told():
    with harness.Room() as room:
        broker = room.broker()
        platform = county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=0.2).start()
        sim = reader(room, "--results", "25")
        daemon = daemon_of(room, broker)
        harness.wait_for(lambda: len(sim.truth()) == 25 and not lost(sim, platform) and receipted(daemon), 30, "25 results receipted")
        assert daemon.stop() == 0
        make_yesterday(daemon)
        daemon.start()
        found = lambda query: platform.store.db.execute(query).fetchall()
        (payload,), = harness.wait_for(lambda: found("SELECT payload FROM proof WHERE kind = 'manifest'"), 20, "a manifest")
        harness.wait_for(lambda: found("SELECT count(*) FROM uncounted") == [(0,)], 10, "it counted")
        said = json.loads(payload)["instruments"]["reader-1"]
        assert sum(number for number in said.values() if isinstance(number, int)) == 25 and alarms(platform) == []
        other = payload.replace(b'"sample":', b'"sample":1')
        platform.client.publish(f"{harness.PREFIX}/manifest", other, qos=1).wait_for_publish()
        harness.wait_for(lambda: alarms(platform), 10, "an alarm")
        assert "the manifest of" in alarms(platform)[0][0] and platform.worker.is_alive()
        daemon.stop()
        platform.stop()

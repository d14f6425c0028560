"""A station that is given a new code: what it recorded before reaches the county once, as the old code's, and nobody else's does."""
import hashlib
import json
import os

import harness
import pytest
import test_redecode
from test_platform import alarms, county, daemon_of, reader, receipted, verified, write_key
from test_salvage import damage_head

OLD, NEW, OTHER, EPOCH = harness.STATION, "330421103-02", "330421103-09", "e" * 32


def chain(*stations, epoch=EPOCH):
    """The entries 1, 2, 3 ... of one journal, each of the station at its place."""
    payloads, prev = [], "sha256:" + "0" * 64
    for seq, station in enumerate(stations, 1):
        entry = {"v": 1, "id": f"{epoch[0] * 8}-0000-7000-8000-{seq:012}", "station": station, "epoch": epoch, "seq": seq, "prev": prev}
        payloads.append(json.dumps({**entry, "event": "gateway_started"}, separators=(",", ":")).encode())
        prev = "sha256:" + hashlib.sha256(payloads[-1]).hexdigest()
    return payloads


def by_code(store):
    return store.db.execute("SELECT seq, station FROM entry ORDER BY seq").fetchall()


@pytest.fixture(name="store_of")
def fixture_store_of(tmp_path):
    opened = []

    def store_of(**former):
        opened.append(county.Store(tmp_path / "platform.db", former=county.former_of([f"{NEW}={OLD}"]) if former else {}))
        return opened[-1]
    yield store_of
    for store in opened:
        store.db.close()


def told(store):
    return [what for (what,) in store.db.execute("SELECT what FROM alarm")]


def test_entries_of_another_code_are_not_taken_and_told_once(store_of):
    store = store_of()
    payloads = chain(OLD, OLD, OLD, NEW)
    assert store.take_entry(OLD, "event", payloads[0]) == EPOCH
    assert [store.take_entry(NEW, "event", payload) for payload in 3 * payloads] == 3 * [None, None, None, EPOCH]
    assert by_code(store) == [(1, OLD), (4, NEW)]
    assert store.missing(NEW, EPOCH, 1, 4) == [[1, 3]]  # so the station drops none of it
    assert len(told(store)) == 1 and f"say --formerly {NEW}={OLD}" in told(store)[0]


def test_what_was_recorded_under_the_code_before_is_taken_as_that_codes_and_the_epoch_is_whole(store_of):
    payloads = chain(OLD, OLD, OLD, NEW, NEW)
    before = store_of()
    for payload in payloads[:2]:
        before.take_entry(OLD, "event", payload)
    before.take_entry(NEW, "event", payloads[4])
    assert before.missing(NEW, EPOCH, 1, 5) == [[1, 4]]
    store = store_of(renamed=True)
    assert store.missing(NEW, EPOCH, 1, store.last(NEW, EPOCH)) == [[3, 4]]  # 1 and 2 are there, whatever it was called
    assert [store.take_entry(NEW, "event", payload) for payload in payloads] == 5 * [EPOCH]
    assert store.take_entry(OLD, "event", payloads[2]) == EPOCH  # what the broker still held under the old topic
    assert by_code(store) == [(1, OLD), (2, OLD), (3, OLD), (4, NEW), (5, NEW)]
    for code in (OLD, NEW):
        assert (store.missing(code, EPOCH, 1, 5), store.last(code, EPOCH), store.epochs(code)) == ([], 5, [EPOCH])
        assert [payload for (payload,) in store.entries(code)] == payloads
    assert told(store) == []


def test_a_place_has_one_entry_whatever_the_code_and_the_chain_is_checked_over_both(store_of):
    store = store_of(renamed=True)
    for payload in chain(OLD, OLD):
        store.take_entry(OLD, "event", payload)
    store.take_entry(NEW, "event", chain(OLD, NEW)[1])
    assert by_code(store) == [(1, OLD), (2, OLD)] and "entry 2 came with other bytes" in told(store)[0]
    store.take_entry(NEW, "event", chain(NEW, NEW, NEW)[2])
    assert "entry 3 does not carry the digest of the one before" in told(store)[1]


def test_a_code_given_up_lets_nobody_write_under_another_name(store_of):
    """Neither another station under the old code, nor who still may publish under the old topics as the new one."""
    store = store_of(renamed=True)
    of_old, of_new = chain(OLD)[0], chain(NEW)[0]
    refused = ((OTHER, of_old), (OTHER, of_new), (OLD, of_new), (NEW, chain(OTHER)[0]))
    assert [store.take_entry(topic, "event", payload) for topic, payload in refused] == 4 * [None]
    seals = [(topic, json.dumps({"station": json.loads(payload)["station"], "epoch": EPOCH}).encode()) for topic, payload in refused]
    assert [store.take_proof(topic, "seal", payload) for topic, payload in seals] == 4 * [None]
    assert by_code(store) == [] and not store.db.execute("SELECT * FROM proof").fetchall() and len(told(store)) == 8
    assert store.take_entry(NEW, "event", of_old) == EPOCH


def rename(daemon, code):
    path = os.path.join(daemon.conf, "assayd.conf")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(f"code = {OLD}\n", f"code = {code}\n"))


def sealed_through(store):
    return max((json.loads(payload).get("seq", 0) for (payload,) in store.proofs(NEW)), default=0)


def platform_alarms(database):
    store = county.Store(database)
    try:
        return told(store)
    finally:
        store.db.close()


def test_a_backlog_of_the_code_before_reaches_the_county_once_under_the_new_topics_and_is_proven():
    with harness.Room() as room:
        broker, database = room.broker(), room.path("platform.db")
        daemon = daemon_of(room, broker)
        key = write_key(room, daemon)
        start = lambda **options: county.Platform("127.0.0.1", broker.port, database, receipt_every=0.2, identities=county.identities_of(
            [f"{OLD}={key}"]), **options).start()
        platform = start()
        harness.wait_for(lambda: receipted(daemon), 20, "what there is receipted")
        broker.stop()
        platform.stop()
        sim = reader(room, "--results", "30")
        harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["stored"] >= 30, 30, "30 results stored")
        last = daemon.status()["seq"]
        assert daemon.stop() == 0
        rename(daemon, NEW)  # the reader still has all its results, and is asked for them again
        broker.start()
        platform = start()  # nobody has told the county
        daemon.start()
        harness.wait_for(lambda: alarms(platform), 20, "an alarm")
        epoch = daemon.status()["epoch"]
        harness.wait_for(lambda: platform.newest.get((NEW, epoch), 0) > last, 20, "the status under the new code")
        with platform.lock:
            assert {json.loads(payload)["station"] for (payload,) in platform.store.entries(NEW)} <= {NEW}
            assert platform.store.missing(NEW, epoch, 1, last) == [[1, last]]
        platform.stop()
        untaken = platform_alarms(database)
        assert len(untaken) == len(set(untaken)) and {"result", "event"} <= {what.split()[1] for what in untaken}, untaken
        assert all(f"--formerly {NEW}={OLD}" in what or "which was not given" in what for what in untaken), untaken
        harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["known"] >= 30, 30, "all read again")
        platform = start(former=county.former_of([f"{NEW}={OLD}"]))
        sim.stop()  # one more event, whose seal proves all before it
        harness.wait_for(lambda: receipted(daemon) and not platform.store.missing(NEW, epoch, 1, daemon.status()["seq"]), 60, "all there")
        daemon.stop()
        harness.wait_for(lambda: sealed_through(platform.store) >= platform.store.last(NEW, epoch), 20, "the last seal")
        with platform.lock:
            entries = [json.loads(payload) for (payload,) in platform.store.entries(NEW)]
        verdict = harness.compare(sim.truth(), [entry for entry in entries if "kind" in entry])
        assert (verdict.lost, verdict.doubled, verdict.invented) == ([], [], [])
        codes = [entry["station"] for entry in entries]
        assert codes == sorted(codes) and codes.count(OLD) >= last and NEW in codes
        harness.wait_for(lambda: all(platform.store.sealed(NEW, epoch, entry["seq"]) for entry in entries), 20, "every entry proven")
        platform.stop()
        assert platform_alarms(database) == untaken
        assert verified(room, key, database) == (0, set())  # of the old code, as far as it went
        assert verified(room, key, database, "--formerly", f"{NEW}={OLD}", station=NEW) == (0, set())


def test_what_a_damaged_journal_held_under_the_code_before_is_not_recorded_again():
    with harness.Room() as room:
        daemon = daemon_of(room, room.broker(), receipts="none")
        reader(room, "--results", "12")
        harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["stored"] >= 12, 30, "12 results stored")
        assert daemon.stop() == 0
        rename(daemon, NEW)
        damage_head(os.path.join(daemon.state, "journal.db"))
        for _ in range(2):  # at the second start the old journal has been taken over
            daemon.start()
            harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["known"] >= 12, 30, "all read again")
            assert daemon.status()["instruments"]["reader-1"]["stored"] == 0
            assert daemon.stop() == 0


def test_records_of_the_code_before_are_decoded_again():
    with harness.Room() as room:
        address = f"127.0.0.1:{harness.free_port()}"
        daemon = room.daemon(test_redecode.INSTRUMENT.format(address))
        test_redecode.write_profile(daemon, right=False)
        daemon.start()
        sim = room.sim("an-1", "a6b", ("--tcp", address), "--seed", "9", "--rate", "20", "--results", "6")
        harness.wait_for(lambda: len(test_redecode.records(daemon)) >= 6, 30, "the records")
        sim.stop()
        assert daemon.stop() == 0
        rename(daemon, NEW)
        test_redecode.write_profile(daemon, right=True)
        daemon.start()
        old = test_redecode.records(daemon)
        assert daemon.ctl("redecode").returncode == 0
        new = test_redecode.records(daemon)[len(old):]
        assert [(entry["station"], entry["supersedes"]) for entry in new] == [(NEW, entry["id"]) for entry in old]
        assert daemon.stop() == 0

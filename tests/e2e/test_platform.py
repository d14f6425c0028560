"""The whole way, from the instrument to the platform's database, with receipts: a broker's acknowledgement is none."""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "tests/platform"))
import county  # noqa: E402

READER = "[instrument reader-1]\ndriver = seven-e-aa\nport = {serial}\npoll = 200ms\n"
TARGET = ("broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\nreceipts = {receipts}\n")


def reader(room, *options):
    return room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "3", "--rate", "30", *options)


def daemon_of(room, broker, receipts="required"):
    return room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port, receipts=receipts)).start()


def stored(platform):
    with platform.lock:
        return [json.loads(payload) for (payload,) in platform.store.entries(harness.STATION)]


def lost(sim, platform):
    return harness.compare(sim.truth(), [entry for entry in stored(platform) if "kind" in entry]).lost


def alarms(platform):
    return platform.store.db.execute("SELECT what FROM alarm").fetchall()


def receipted(daemon):
    status = daemon.status()
    return status["targets"]["county"]["through"] == status["seq"]


def test_every_result_is_receipted():
    with harness.Room() as room:
        broker = room.broker()
        platform = county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=0.2).start()
        sim = reader(room, "--results", "60")
        daemon = daemon_of(room, broker)
        harness.wait_for(lambda: len(sim.truth()) == 60 and not lost(sim, platform), 30, "60 results at the platform")
        harness.wait_for(lambda: receipted(daemon), 15, "a receipt for all")
        assert alarms(platform) == []
        platform.stop()


def run_without_platform(room, receipts):
    """The broker acknowledges while nobody is subscribed, and forgets. What of it is with the platform in the end?"""
    broker = room.broker()
    sim = reader(room, "--results", "40")
    daemon = daemon_of(room, broker, receipts)
    harness.wait_for(lambda: len(sim.truth()) == 40, 30, "40 results")
    harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["stored"] >= 40, 15, "everything stored")
    acknowledged = lambda status: status["targets"]["county"]["acknowledged"] >= status["seq"]
    harness.wait_for(lambda: acknowledged(daemon.status()), 15, "everything acknowledged by the broker")
    return broker, sim, daemon


def test_what_the_broker_acknowledged_and_forgot_is_sent_again():
    with harness.Room() as room:
        broker, sim, daemon = run_without_platform(room, "required")
        assert daemon.status()["targets"]["county"]["through"] == 0
        platform = county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=0.2).start()
        harness.wait_for(lambda: not lost(sim, platform), 30, "everything at the platform")
        harness.wait_for(lambda: receipted(daemon), 15, "a receipt for all")
        assert alarms(platform) == []
        platform.stop()


def test_without_receipts_it_is_lost_unless_the_platform_asks():
    """The negative control: a platform that only listens never gets what was acknowledged before it came."""
    with harness.Room() as room:
        broker, sim, _daemon = run_without_platform(room, "none")
        platform = county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=1e9).start()
        time.sleep(2)
        assert len(lost(sim, platform)) == 40
        platform.stop()


def test_kills_on_all_sides_lose_and_double_nothing():
    with harness.Room() as room:
        broker = room.broker()
        sim = reader(room, "--results", "150")
        daemon = daemon_of(room, broker)
        platform = county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=0.2).start()
        for turn in range(6):
            time.sleep(0.7)
            if turn % 3 == 0:
                broker.stop(harness.signal.SIGKILL)  # without persistence: queues and sessions are gone
                broker.start()
            elif turn % 3 == 1:
                daemon.kill()
                daemon.start()
            else:
                platform.stop()
                platform = county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=0.2).start()
        harness.wait_for(lambda: len(sim.truth()) == 150 and not lost(sim, platform), 60, "everything at the platform")
        verdict = harness.compare(sim.truth(), [entry for entry in stored(platform) if "kind" in entry])
        assert verdict.doubled == [] and verdict.invented == []
        assert alarms(platform) == []
        platform.stop()


def test_a_forged_entry_is_an_alarm_and_changes_nothing():
    with harness.Room() as room:
        broker = room.broker()
        platform = county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=0.2).start()
        sim = reader(room, "--results", "5")
        daemon = daemon_of(room, broker)
        harness.wait_for(lambda: len(sim.truth()) == 5 and not lost(sim, platform), 30, "5 results")
        before = stored(platform)
        forged = dict(next(entry for entry in before if "kind" in entry), value="0.00")
        payload = json.dumps(forged, ensure_ascii=False, separators=(",", ":"))
        platform.client.publish(f"{harness.PREFIX}/result", payload, qos=1).wait_for_publish()
        harness.wait_for(lambda: alarms(platform), 10, "an alarm")
        assert "other bytes" in alarms(platform)[0][0]
        assert [entry for entry in stored(platform) if entry in before] == before
        daemon.stop()
        platform.stop()


def verified(room, station_key, database, *options, station=harness.STATION):
    """(exit code, kinds of faults) of what the platform's program exports of its database."""
    copy = subprocess.run([sys.executable, county.__file__, "--database", database, "--export", station, *options], capture_output=True,
                          check=True).stdout
    with open(room.path("copy"), "wb") as file:
        file.write(copy)
    done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "--json", "verify", "--key", station_key, "--station", station,
                           room.path("copy")], capture_output=True, text=True, check=False)
    return done.returncode, {line["fault"] for line in map(json.loads, done.stdout.splitlines()) if "fault" in line}


def write_key(room, daemon):
    with open(room.path("station.pem"), "w", encoding="utf-8") as file:
        file.write(json.loads(daemon.ctl("--json", "identity").stdout)["pem"])
    return room.path("station.pem")


def lose_journal(daemon):
    """A new disk; the station's key was kept elsewhere."""
    for name in os.listdir(daemon.state):
        if not name.startswith("seal-"):
            os.unlink(os.path.join(daemon.state, name))


def all_sealed(daemon, platform):
    status = daemon.status()
    with platform.lock:
        seals = [json.loads(payload) for (payload,) in platform.store.proofs(harness.STATION, status["epoch"])]
    return max((seal["seq"] for seal in seals), default=0) >= status["seq"]


def test_what_a_station_without_its_journal_reads_again_is_kept_as_evidence_and_counted_once():
    with harness.Room() as room:
        broker = room.broker()
        database = room.path("platform.db")
        platform = county.Platform("127.0.0.1", broker.port, database, receipt_every=0.2).start()
        sim = reader(room, "--results", "30")
        daemon = daemon_of(room, broker)
        key = write_key(room, daemon)
        harness.wait_for(lambda: len(sim.truth()) == 30 and not lost(sim, platform) and receipted(daemon), 30, "30 results receipted")
        old = daemon.status()["epoch"]
        assert daemon.stop() == 0
        lose_journal(daemon)
        daemon.start()
        harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["stored"] >= 30, 30, "all of it read again")
        harness.wait_for(lambda: receipted(daemon) and all_sealed(daemon, platform), 30, "the new epoch receipted and sealed")
        status = daemon.status()
        assert status["epoch"] != old and sorted(platform.store.epochs(harness.STATION)) == sorted([old, status["epoch"]])
        assert alarms(platform) == []
        results = [entry for entry in stored(platform) if "kind" in entry]
        assert len(results) == 60 and len({entry["id"] for entry in results}) == 30
        with platform.lock:
            counted = [json.loads(payload) for (payload,) in platform.store.counted(harness.STATION)]
        verdict = harness.compare(sim.truth(), [entry for entry in counted if "kind" in entry])
        assert (verdict.lost, verdict.doubled, verdict.invented) == ([], [], [])
        assert sum("kind" in entry for entry in counted) == 30 and {entry["epoch"] for entry in counted if "kind" in entry} == {old}
        assert [platform.store.missing(harness.STATION, epoch, 1, platform.store.last(harness.STATION, epoch))
                for epoch in (old, status["epoch"])] == [[], []]
        assert verified(room, key, database) == (0, set())
        for epoch, change in (("e" * 32, {"lots": []}), ("f" * 32, {"value": "0.00"})):
            again = dict(results[0], epoch=epoch, seq=1, prev="sha256:" + "0" * 64, **change)
            payload = json.dumps(again, ensure_ascii=False, separators=(",", ":"))
            platform.client.publish(f"{harness.PREFIX}/result", payload, qos=1).wait_for_publish()
            harness.wait_for(lambda: platform.store.last(harness.STATION, epoch) == 1, 10, "it stored")  # noqa: B023
            assert ["not as it was measured" in what for (what,) in alarms(platform)] == [True] * ("value" in change)
        daemon.stop()
        platform.stop()


def test_a_station_that_comes_back_gets_a_receipt_for_each_epoch():
    """The one that was published while its link was down is gone."""
    with harness.Room() as room:
        broker = room.broker()
        platform = county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=0.2).start()
        sim = reader(room, "--results", "5")
        daemon = daemon_of(room, broker)
        harness.wait_for(lambda: len(sim.truth()) == 5 and not lost(sim, platform) and receipted(daemon), 30, "5 results receipted")
        old = daemon.status()["epoch"]
        assert daemon.stop() == 0
        lose_journal(daemon)
        daemon.start()
        harness.wait_for(lambda: receipted(daemon) and daemon.status()["epoch"] != old, 30, "the new epoch receipted")
        subscriber = room.subscriber(broker.port)
        for _turn in range(2):
            assert daemon.stop() == 0
            subscriber.messages[:] = []
            daemon.start()
            harness.wait_for(lambda: old in {json.loads(m.payload)["epoch"] for m in subscriber.of("receipt")}, 10,
                             "a receipt for the old epoch")
        daemon.stop()
        platform.stop()


def test_a_store_by_id_of_before_becomes_one_by_place(tmp_path):
    before = sqlite3.connect(tmp_path / "platform.db")
    before.executescript("CREATE TABLE entry(id TEXT PRIMARY KEY, station TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, "
                         "kind TEXT NOT NULL, payload BLOB NOT NULL, at REAL NOT NULL, UNIQUE(station, epoch, seq));")
    entry = {"v": 1, "id": "0" * 36, "station": "s", "epoch": "e", "seq": 1, "prev": "sha256:" + "0" * 64, "kind": "sample"}
    before.execute("INSERT INTO entry VALUES(?, 's', 'e', 1, 'result', ?, 0)", (entry["id"], json.dumps(entry, separators=(",", ":")).encode()))
    before.commit()
    before.close()
    for _again in range(2):
        store = county.Store(tmp_path / "platform.db")
        assert store.take_entry("s", "result", json.dumps(dict(entry, epoch="f"), separators=(",", ":")).encode()) == "f"
        assert (store.epochs("s"), len(store.counted("s").fetchall())) == (["e", "f"], 1)
        store.db.close()


def changed(old, new):
    return f"CAST(replace(payload, '{old}', '{new}') AS BLOB)"


def test_what_the_platform_keeps_is_proven_and_what_is_changed_there_is_found():
    with harness.Room() as room:
        broker = room.broker()
        database = room.path("platform.db")
        platform = county.Platform("127.0.0.1", broker.port, database, receipt_every=0.2).start()
        sim = reader(room, "--results", "40")
        daemon = daemon_of(room, broker)
        harness.wait_for(lambda: len(sim.truth()) == 40 and not lost(sim, platform), 30, "40 results at the platform")
        key = write_key(room, daemon)
        harness.wait_for(lambda: all_sealed(daemon, platform), 15, "the last seal at the platform")
        platform.stop()
        assert verified(room, key, database) == (0, set())
        changes = {  # what somebody with access to the county's database may try
            "edited": "UPDATE entry SET payload = {} WHERE seq = 9".format(changed('"verdict":"', '"verdict":"x')),
            "missing": "DELETE FROM entry WHERE seq = 9",
            "truncated": "DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)",
            "inserted": "INSERT INTO entry SELECT 'x', station, epoch || 'x', seq, kind, {}, at FROM entry WHERE seq = 9".format(
                changed('"value":"', '"value":"9')),
            "seal": "UPDATE proof SET payload = {}".format(changed('"at":"2', '"at":"3'))}
        for fault, change in changes.items():
            shutil.copy(database, room.path("changed.db"))
            with sqlite3.connect(room.path("changed.db")) as store:
                assert store.execute(change).rowcount > 0
            store.close()
            code, faults = verified(room, key, room.path("changed.db"))
            assert code == 1 and fault in faults, (fault, faults)

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


def verified(room, station_key, database):
    """(exit code, kinds of faults) of what the platform's program exports of its database."""
    copy = subprocess.run([sys.executable, county.__file__, "--database", database, "--export", harness.STATION], capture_output=True,
                          check=True).stdout
    with open(room.path("copy"), "wb") as file:
        file.write(copy)
    done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "--json", "verify", "--key", station_key, "--station", harness.STATION,
                           room.path("copy")], capture_output=True, text=True, check=False)
    return done.returncode, {line["fault"] for line in map(json.loads, done.stdout.splitlines()) if "fault" in line}


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
        key = room.path("station.pem")
        with open(key, "w", encoding="utf-8") as file:
            file.write(json.loads(daemon.ctl("--json", "identity").stdout)["pem"])

        def sealed():
            with platform.lock:
                return max((json.loads(p)["seq"] for (p,) in platform.store.proofs(harness.STATION)), default=0) >= daemon.status()["seq"]
        harness.wait_for(sealed, 15, "the last seal at the platform")
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

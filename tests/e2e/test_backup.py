"""Backup while results come in, and restore of a journal that is older than what was published."""
import os
import shutil
import subprocess

import harness
from test_salvage import of_event, start, store_without_broker


def sqlite(path, statement):
    return subprocess.run(["sqlite3", path, statement], capture_output=True, text=True, check=True).stdout.strip()


def test_a_backup_is_whole_while_results_come_in_and_a_copy_of_the_file_is_not():
    with harness.Room() as room:
        _, subscriber, sim, daemon = start(room)
        daemon.start()
        harness.wait_for(lambda: daemon.status()["seq"] > 30, 20, "the first results")
        shutil.copy(os.path.join(daemon.state, "journal.db"), room.path("copy.db"))  # the control
        before = daemon.status()["seq"]
        done = daemon.ctl("backup", room.path("backup.db"))
        assert done.returncode == 0, done.stderr
        assert int(sqlite(room.path("backup.db"), "SELECT count(*) FROM entry")) >= before
        assert sqlite(room.path("backup.db"), "PRAGMA integrity_check") == "ok"
        copied = subprocess.run(["sqlite3", room.path("copy.db"), "SELECT count(*) FROM entry"], capture_output=True, text=True,
                                check=False)
        assert copied.returncode != 0 or int(copied.stdout) < before
        again = daemon.ctl("backup", room.path("backup.db"))
        assert again.returncode == 1 and "is there already" in again.stderr
        assert daemon.ctl("restore", room.path("backup.db")).returncode == 1  # while the daemon runs
        harness.wait_for(lambda: len(sim.truth()) == 120, 20, "the last result")
        verdict = harness.settle([sim], subscriber)
        assert verdict.lost == [] and verdict.doubled == []


def test_a_restored_older_journal_gives_no_number_twice():
    with harness.Room() as room:
        _, subscriber, sim, daemon = start(room)
        daemon.start()
        harness.wait_for(lambda: daemon.status()["seq"] > 30, 20, "the first results")
        assert daemon.ctl("backup", room.path("backup.db")).returncode == 0
        harness.wait_for(lambda: len(sim.truth()) == 120, 20, "the last result")
        verdict = harness.settle([sim], subscriber)
        assert verdict.lost == [] and verdict.finished == 120
        epoch = daemon.status()["epoch"]
        assert daemon.stop() == 0

        refused = daemon.ctl("restore", room.path("backup.db"))
        assert refused.returncode == 1 and "--force" in refused.stderr
        journal = os.path.join(daemon.state, "journal.db")
        os.rename(journal, room.path("lost.db"))  # the disk is gone
        for name in os.listdir(daemon.state):
            os.unlink(os.path.join(daemon.state, name))
        done = daemon.ctl("restore", room.path("backup.db"))
        assert done.returncode == 0, done.stderr
        daemon.start()
        assert daemon.status()["epoch"] != epoch
        harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["known"] > 0, 20, "what is known from the backup")
        harness.wait_for(lambda: daemon.status()["targets"]["county"]["backlog"] == 0, 20, "nothing left to send")
        numbers = {}
        for message in subscriber.of("result", "qc", "event"):
            entry = harness.json.loads(message.payload)
            known = numbers.setdefault((entry["epoch"], entry["seq"]), message.payload)
            assert known == message.payload, "one number, two entries"
        assert of_event(subscriber, "gateway_started")[-1]["epoch"] != epoch


def test_a_restored_backup_takes_in_what_is_salvaged_of_the_damaged_journal():
    """What the backup has and what is left of the damaged file come under one epoch: neither replaces the other."""
    with harness.Room() as room:
        broker, subscriber, sim, daemon = start(room)
        epoch = store_without_broker(broker, subscriber, sim, daemon)
        stored = daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()
        assert daemon.ctl("backup", room.path("backup.db")).returncode == 0
        assert daemon.stop() == 0
        sim.stop()  # it will not tell its results a second time
        path = os.path.join(daemon.state, "journal.db")
        size = os.path.getsize(path)
        with open(path, "r+b") as file:  # a few entries are left, and no head
            file.write(bytes(600))
            file.seek(size // 10)
            file.write(bytes(size - size // 10))
        done = daemon.ctl("restore", room.path("backup.db"))
        assert done.returncode == 0, done.stderr
        harness.start_when_heard(broker, daemon, subscriber)
        daemon.start()
        told = harness.wait_for(lambda: of_event(subscriber, "journal_set_aside"), 15, "the event")[0]
        assert 0 < told["salvaged"] < len(stored) and "lost" not in told and told["old_epoch"] == epoch
        def arrived():
            payloads = {message.payload.decode() for message in subscriber.of("result", "qc")}
            return {line for line in stored if '"event"' not in line} <= payloads
        harness.wait_for(arrived, 20, "every result of the backup")
        assert {harness.key_of_truth(line) for line in sim.truth()} <= {
            harness.key_of_record(record) for record, _ in subscriber.records()}


def test_what_is_no_journal_or_damaged_is_not_restored():
    with harness.Room() as room:
        _, _, _, daemon = start(room)
        daemon.start()
        harness.wait_for(lambda: daemon.status()["seq"] > 30, 20, "the first results")
        backup = room.path("backup.db")
        assert daemon.ctl("backup", backup).returncode == 0
        assert daemon.stop() == 0
        before = {name: open(os.path.join(daemon.state, name), "rb").read() for name in os.listdir(daemon.state)}
        cases = {"other.db": "CREATE TABLE t(c)"}
        for name, statement in cases.items():
            sqlite(room.path(name), statement)
        shutil.copy(backup, room.path("altered.db"))
        sqlite(room.path("altered.db"), "UPDATE entry SET body = replace(body, 'sample', 'simple') WHERE seq = 10")
        shutil.copy(backup, room.path("newer.db"))
        sqlite(room.path("newer.db"), "PRAGMA user_version = 99")
        shutil.copy(backup, room.path("torn.db"))
        os.truncate(room.path("torn.db"), os.path.getsize(backup) // 2)
        for name, why in (("other.db", "no journal"), ("altered.db", "chain is broken"), ("newer.db", "newer assayd"),
                          ("torn.db", "damaged"), ("missing.db", "cannot be opened")):
            done = daemon.ctl("restore", "--force", room.path(name))
            assert done.returncode == 1 and why in done.stderr, (name, done.stderr)
        after = {name: open(os.path.join(daemon.state, name), "rb").read() for name in os.listdir(daemon.state)}
        before.pop("lock", None), after.pop("lock", None)
        assert before == after
        done = daemon.ctl("restore", "--force", backup)
        assert done.returncode == 0 and "is kept as" in done.stdout


def risks(daemon):
    done = daemon.ctl("--json", "doctor")
    lines = [harness.json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == (1 if any(line["risk"] for line in lines) else 0), done.stderr
    return {line["check"]: line["text"] for line in lines if line["risk"]}


def check_secrets(room, daemon):
    """`assayd --check` and the doctor say of each secret who could misuse it, before a start does."""
    def check():
        done = subprocess.run([daemon.command[0], "--check", "-c", daemon.conf], capture_output=True, text=True, check=False,
                              env={**os.environ, **daemon.env})
        return done.returncode, done.stderr

    key = os.path.join(daemon.state, "seal-ed25519.key")
    assert check()[0] == 0 and "seal-" not in check()[1]
    os.chmod(key, 0o640)
    code, text = check()
    assert code == 78 and key in text and "mode 640" in text and "chmod 600" in text
    assert "mode 640" in risks(daemon)["secrets"]
    os.chmod(key, 0o600)
    os.chmod(room.path("password"), 0o620)
    code, text = check()
    assert code == 0 and "warning: " in text and "changed by them (mode 620)" in text
    os.chmod(room.path("password"), 0o600)
    if os.geteuid() == 0:
        for path, code in ((key, 78), (room.path("password"), 0)):
            os.chown(path, 65534, 65534)
            said = check()
            assert said[0] == code and "belongs to user 65534" in said[1]
            os.chown(path, 0, 0)
    assert check()[0] == 0


def test_the_doctor_names_each_risk_and_what_to_do():
    with harness.Room() as room:
        _, _, _, daemon = start(room)
        daemon.start()
        harness.wait_for(lambda: daemon.status()["seq"] > 5, 20, "the first results")
        os.chmod(os.path.realpath(room.path("reader")), 0o620)
        assert "udev rules" in risks(daemon)["ports"]
        os.chmod(os.path.realpath(room.path("reader")), 0o660)
        found = risks(daemon)
        assert "receipts = required" in found["receipts"] and "mqtts://" in found["tls"]
        assert not {"disk", "damage", "journal", "ports", "secrets", "protocol"} & set(found)
        with open(room.path("password"), "w", encoding="utf-8") as secret:
            secret.write("secret\n")
        os.chmod(room.path("password"), 0o644)
        path = os.path.join(daemon.conf, "assayd.conf")
        with open(path, encoding="utf-8") as conf:
            content = conf.read()
        with open(path, "w", encoding="utf-8") as conf:
            conf.write(content.replace("[target county]\n", f"[target county]\nprotocol = 3.1.1\npassword-file = {room.path('password')}\n"
                                                            "username = station\n"))
        with open(os.path.join(daemon.conf, "instruments.d", "gone.conf"), "w", encoding="utf-8") as conf:
            conf.write("[instrument gone-1]\ndriver = seven-e-aa\nport = /dev/ttyNOTTHERE\n")
        with open(os.path.join(daemon.state, "journal.db.corrupt-20260305T094120Z"), "w", encoding="utf-8"):
            pass
        found = risks(daemon)
        assert "chmod 600" in found["secrets"] and "protocol = 5" in found["protocol"]
        assert "/dev/ttyNOTTHERE" in found["ports"] and "corrupt-20260305T094120Z" in found["damage"]
        text = daemon.ctl("doctor")
        assert text.returncode == 1 and text.stdout.startswith("! ") and "risks: " in text.stdout
        os.chmod(room.path("password"), 0o600)
        assert "secrets" not in risks(daemon)
        check_secrets(room, daemon)

"""A profile was wrong; the bytes were kept. Decoding again supersedes openly, once, and edits nothing."""
import os
import shutil
import socket

import harness

PROFILES = os.path.join(harness.ROOT, "config", "profiles")
INSTRUMENT = ("[instrument an-1]\ndriver = modbus\nprofile = mine\nport = modbus-tcp:{}\npoll = 100ms\n"
              "control = daily\ncalibration-certificate = JZ-1\ncalibration-until = 2026-01-01\n")


def write_profile(daemon, right):
    """The unit's own names are wrong in the wrong one, and the place of the value."""
    with open(os.path.join(PROFILES, "analyzer-a6b.conf"), encoding="utf-8") as text:
        profile = text.read()
    assert "value       = 0x10D f32 " in profile
    if not right:
        profile = profile.replace("value       = 0x10D f32 plausible=0.000001..1000000", "value       = 0x10D u16 scale=0.01")
    folder = os.path.join(daemon.conf, "profiles")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "mine.conf"), "w", encoding="utf-8") as out:
        out.write(profile)


def records(daemon):
    return [entry for entry in daemon.entries() if "kind" in entry]


def test_a_wrong_profile_is_put_right_by_superseding_records_once():
    with harness.Room() as room:
        address = f"127.0.0.1:{harness.free_port()}"
        daemon = room.daemon(INSTRUMENT.format(address))
        write_profile(daemon, right=False)
        daemon.start()
        sim = room.sim("an-1", "a6b", ("--tcp", address), "--seed", "9", "--rate", "20", "--results", "6")
        harness.wait_for(lambda: len(records(daemon)) >= 6, 30, "the records")
        before = daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()
        old = records(daemon)
        same = daemon.ctl("redecode")
        assert same.returncode == 0 and same.stdout == "" and len(records(daemon)) == len(old), same.stdout

        right = room.path("right.conf")
        shutil.copy(os.path.join(PROFILES, "analyzer-a6b.conf"), right)
        look = daemon.ctl("redecode", "--profile", right, "--dry-run")
        assert look.returncode == 0 and "nothing was changed" in look.stderr and "value=" in look.stdout, look.stderr
        assert len(records(daemon)) == len(old)

        done = daemon.ctl("redecode", "--profile", right, "--instrument", "an-1")
        assert done.returncode == 0, done.stderr
        new = records(daemon)[len(old):]
        assert daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()[:len(before)] == before
        by_id = {record["id"]: record for record in old}
        assert sorted(record["supersedes"] for record in new) == sorted(by_id)
        truth = {str(line["instrument_seq"]): line for line in sim.truth()}
        for record in new:
            was = by_id[record["supersedes"]]
            assert record["value"] == truth[record["instrument_seq"]]["value"] != was["value"]
            assert record["received_at"] == was["received_at"] and record["raw"] == was["raw"]
            if was["kind"] == "sample":  # under which controls it was measured is no matter of decoding
                assert record["qc"] == was["qc"]
                assert ("no_valid_control" in record["flags"]) == ("no_valid_control" in was["flags"])
            assert record["instrument"]["calibration"] == was["instrument"]["calibration"]
            assert record["flags"].count("calibration_expired") == was["flags"].count("calibration_expired") == 1
            assert record["redecoded_at"] > record["received_at"] and record["instrument"]["profile"] == "right"
        again = daemon.ctl("redecode", "--profile", right)
        assert again.returncode == 0 and len(records(daemon)) == len(old) + len(new), again.stderr
        write_profile(daemon, right=True)
        assert daemon.stop() == 0
        daemon.start()
        assert daemon.ctl("redecode").returncode == 0
        assert len(records(daemon)) == len(old) + len(new), "what was put right stays"
        assert daemon.stop() == 0


PUSHED = "[instrument tx-1]\ndriver = text\nprofile = meter\nport = tcp:127.0.0.1:{}\npoll = 100ms\n"
METER = """[profile]
title = Meter

[frame]
kind = lines
start = "#"
end = \\r\\n

[line]
separator = semicolon
columns = {columns}

[field]
sample-no = column 2
value = column {value} decimal
unit = is mg/kg
time = "column 1 time #yyyy-MM-dd HH:mm:ss"
"""


class Meter:
    """Somebody who writes lines to whoever calls."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]

    def write(self, lines):
        self.line = self.server.accept()[0]
        self.line.sendall(lines)


def undecodable(daemon):
    return [entry for entry in daemon.entries() if entry.get("event") == "undecodable"]


def test_bytes_that_could_not_be_read_become_records_that_supersede_their_event_once():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        meter = Meter()
        daemon = room.daemon(PUSHED.format(meter.port), f"broker = mqtt://127.0.0.1:{broker.port}\n")
        os.makedirs(os.path.join(daemon.conf, "profiles"))
        profile = os.path.join(daemon.conf, "profiles", "meter.conf")
        with open(profile, "w", encoding="utf-8") as out:
            out.write(METER.format(columns=3, value=3))
        daemon.start()
        meter.write("#2026-11-20 09:41:00;S1;菠菜;0.50\r\n#2026-11-20 09:42:00;S2;韭菜;1.20\r\n".encode("gb18030"))
        harness.wait_for(lambda: len(undecodable(daemon)) == 2, 20, "an event for each line")
        events = undecodable(daemon)
        assert {event["instrument"] for event in events} == {"tx-1"} and records(daemon) == []
        told = daemon.ctl("redecode")
        assert told.returncode == 0 and "2 cannot be read again" in told.stderr and records(daemon) == [], told.stderr

        with open(profile, "w", encoding="utf-8") as out:
            out.write(METER.format(columns=4, value=4))
        look = daemon.ctl("redecode", "--profile", profile, "--dry-run")
        assert look.returncode == 0 and "0.50" in look.stdout and records(daemon) == [], look.stdout + look.stderr
        done = daemon.ctl("redecode", "--profile", profile)
        assert done.returncode == 0, done.stderr
        new = records(daemon)
        assert [(record["value"], record["sample"]["no"]) for record in new] == [("0.50", "S1"), ("1.20", "S2")]
        assert [record["supersedes"] for record in new] == [event["id"] for event in events]
        assert [record["raw"] for record in new] == [event["raw"] for event in events]
        assert [record["received_at"] for record in new] == [event["at"] for event in events]
        assert undecodable(daemon) == events, "nothing is edited"
        harness.wait_for(lambda: len(subscriber.records()) == 2, 20, "the records at the county's")
        for _ in range(2):
            assert daemon.ctl("redecode", "--profile", profile).returncode == 0
            assert len(records(daemon)) == len(new)
        assert daemon.stop() == 0
        daemon.start()
        assert daemon.ctl("redecode").returncode == 0 and len(records(daemon)) == len(new)


def test_what_people_corrected_stays_so_when_its_bytes_are_read_again():
    with harness.Room() as room:
        meter = Meter()
        daemon = room.daemon(PUSHED.format(meter.port))
        os.makedirs(os.path.join(daemon.conf, "profiles"))
        profile = os.path.join(daemon.conf, "profiles", "meter.conf")
        with open(profile, "w", encoding="utf-8") as out:
            out.write(METER.format(columns=4, value=3))
        daemon.start()
        assert daemon.ctl("register", "S-7", "name=韭菜").returncode == 0
        meter.write(b"#2026-11-20 09:41:00;S1;0.90;0.50\r\n#2026-11-20 09:42:00;S2;0.90;0.60\r\n")
        harness.wait_for(lambda: len(records(daemon)) == 2, 20, "two records")
        named, nameless = records(daemon)
        for to, record in (("S-7", named), ("none", nameless)):
            assert daemon.ctl("rebind", to, record["id"], "--by", "李四", "--why", "扫错样").returncode == 0
        corrected = records(daemon)[2:]
        with open(profile, "w", encoding="utf-8") as out:
            out.write(METER.format(columns=4, value=4))
        done = daemon.ctl("redecode", "--profile", profile)
        assert done.returncode == 0 and "2 are superseded already" in done.stderr, done.stderr
        again = records(daemon)[4:]
        assert [record["supersedes"] for record in again] == [record["id"] for record in corrected]
        assert [record["value"] for record in again] == ["0.50", "0.60"]
        for was, record in zip(corrected, again, strict=True):
            assert record.get("sample") == was.get("sample") and record["correction"] == was["correction"]
        assert again[0]["sample"]["name"] == "韭菜" and "sample" not in again[1]


def test_groups_and_records_in_numbers_are_read_again_with_what_their_records_keep():
    with harness.Room() as room:
        sims = [room.sim("pr-1", "a1", ("--tcp", "127.0.0.1:0"), "--results", "8", "--rate", "100", "--burst", "8", "--press", "0.1",
                         "--float2", "sample-abs"),
                room.sim("an-1", "a3", ("--tcp", "127.0.0.1:0"), "--results", "6", "--rate", "100")]
        daemon = room.daemon(f"[instrument pr-1]\ndriver = dump8\nport = tcp:{sims[0].address}\npoll = 100ms\n\n"
                             f"[instrument an-1]\ndriver = zero3-ff\nport = tcp:{sims[1].address}\npoll = 100ms\n"
                             "value = concentration\n")
        daemon.start()
        harness.wait_for(lambda: len(records(daemon)) >= 14, 30, "the records")
        old = records(daemon)
        assert daemon.ctl("redecode").returncode == 0 and len(records(daemon)) == len(old)
        assert daemon.stop() == 0
        room_conf = os.path.join(daemon.conf, "instruments.d", "room.conf")
        with open(room_conf, encoding="utf-8") as text:
            conf = text.read()
        with open(room_conf, "w", encoding="utf-8") as out:
            out.write(conf.replace("value = concentration\n", "value = inhibition\n")
                      .replace("driver = dump8\n", "driver = dump8\nfloat2 = sample-abs\n"))
        daemon.start()
        done = daemon.ctl("redecode")
        assert done.returncode == 0 and "0 cannot be read again" in done.stderr, done.stderr
        new = [record for record in records(daemon) if "supersedes" in record]
        assert {record["supersedes"] for record in new if record["instrument"]["id"] == "pr-1"} == {
            record["id"] for record in old if record["instrument"]["id"] == "pr-1"}
        assert all("value" not in record and record["signals"].keys() == {"abs", "abs_control"} for record in new
                   if record["instrument"]["id"] == "pr-1")
        by_id = {record["id"]: record for record in old}
        strips = [record for record in new if record["instrument"]["id"] == "an-1"]
        assert strips
        for record in strips:
            was = by_id[record["supersedes"]]
            assert record["item"]["as_sent"] == was["item"]["as_sent"] and record["value"] != was["value"]


def test_what_cannot_be_done_says_why():
    with harness.Room() as room:
        daemon = room.daemon(INSTRUMENT.format(f"127.0.0.1:{harness.free_port()}"))
        write_profile(daemon, right=True)
        daemon.start()
        assert daemon.ctl("redecode", "--from", "x").returncode == 64
        assert daemon.ctl("redecode", "--profile", room.path("none")).returncode == 1
        wrong = daemon.ctl("redecode", "--profile", os.path.join(PROFILES, "reader-a9.conf"))
        assert wrong.returncode == 1 and "is no profile of driver modbus" in wrong.stderr
        assert "takes a profile" in daemon.ctl("redecode", "--profile", os.path.join(PROFILES, "reader-a9.conf"), "--instrument",
                                               "other").stderr
        daemon.stop()
        assert daemon.ctl("redecode").returncode == 69
        assert daemon.ctl("redecode", "--dry-run").returncode == 0

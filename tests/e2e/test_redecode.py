"""A profile was wrong; the bytes were kept. Decoding again supersedes openly, once, and edits nothing."""
import os
import shutil

import harness

PROFILES = os.path.join(harness.ROOT, "config", "profiles")
INSTRUMENT = "[instrument an-1]\ndriver = modbus\nprofile = mine\nport = modbus-tcp:{}\npoll = 100ms\n"


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
            assert record["redecoded_at"] > record["received_at"] and record["instrument"]["profile"] == "right"
        again = daemon.ctl("redecode", "--profile", right)
        assert again.returncode == 0 and len(records(daemon)) == len(old) + len(new), again.stderr
        write_profile(daemon, right=True)
        assert daemon.stop() == 0
        daemon.start()
        assert daemon.ctl("redecode").returncode == 0
        assert len(records(daemon)) == len(old) + len(new), "what was put right stays"
        assert daemon.stop() == 0


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

"""A journal that is damaged while results wait to be sent: what can be read of it reaches the county all the same."""
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3

import harness
import pytest

READER = """[instrument reader-1]
driver = seven-e-aa
port = {serial}
line = 115200/8n1
poll = 100ms
"""
TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 500ms\n{extra}"


def damage_head(path):
    with open(path, "r+b") as file:
        file.write(random.Random(1).randbytes(100))


def damage_middle(path):
    """Every eleventh page but the first: some entries are lost for good."""
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        for page in range(11, size // 512, 11):
            file.seek(page * 512)
            file.write(bytes(512))


def of_event(subscriber, name):
    return [event for event in (json.loads(message.payload) for message in subscriber.of("event")) if event["event"] == name]


def verified(room, daemon, data):
    """(kinds of faults, what is said of the epoch) of an export or a copy."""
    for name, content in (("station.pem", json.loads(daemon.ctl("--json", "identity").stdout)["pem"].encode()), ("judged", data)):
        with open(room.path(name), "wb") as file:
            file.write(content)
    done = daemon.ctl("--json", "verify", "--key", room.path("station.pem"), room.path("judged"))
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["fault"] for line in said if "fault" in line}, next(line for line in said if "epoch" in line)


def check_proofs(room, daemon, subscriber, told):
    """What is left of the old epoch's seals proves it, at the station and at the platform."""
    salvaged = os.path.join(daemon.state, f"salvaged-{told['old_epoch']}.db")
    done = daemon.ctl("export", "--journal", salvaged, "-o", room.path("old"))
    assert done.returncode == 0, done.stderr
    with open(room.path("old"), "rb") as file:
        faults, epoch = verified(room, daemon, file.read())
    assert faults == ({"unsealed"} if told["unsealed"] else set())
    assert epoch["epoch"] == told["old_epoch"] and epoch["proven"] == told["last"] - told["unsealed"]
    copy = b"\n".join(message.payload for message in subscriber.of("result", "qc", "event", "seal")
                      if json.loads(message.payload)["epoch"] == told["old_epoch"])
    faults, epoch = verified(room, daemon, copy)
    assert faults == ({"unsealed"} if told["unsealed"] else set())
    assert epoch["proven"] == told["last"] - told["unsealed"]


def start(room, extra="", results="120"):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "3", "--rate", "60", "--results", results)
    daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port, extra=extra))
    return broker, subscriber, sim, daemon


def store_without_broker(broker, subscriber, sim, daemon):
    """Some results are delivered, the others wait; returns the epoch."""
    daemon.start()
    harness.wait_for(lambda: daemon.status()["targets"]["county"]["acknowledged"] > 20, 20, "the first deliveries")
    harness.stop_when_quiet(broker, daemon, subscriber)
    harness.wait_for(lambda: len(sim.truth()) == 120 and daemon.status()["instruments"]["reader-1"]["stored"] >= 120, 30,
                     "all results stored")
    return daemon.status()["epoch"]


@pytest.mark.parametrize("killed", [False, True])
def test_what_waited_in_a_damaged_journal_is_delivered_under_its_own_epoch(killed):
    with harness.Room() as room:
        broker, subscriber, sim, daemon = start(room)
        epoch = store_without_broker(broker, subscriber, sim, daemon)
        stored = {line for line in daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()}
        if killed:
            daemon.kill()
        else:
            assert daemon.stop() == 0
        damage_head(os.path.join(daemon.state, "journal.db"))
        assert daemon.extended == 0
        daemon.start()
        assert daemon.extended >= 3  # the manager waits on while it salvages, merges and takes over
        harness.start_when_heard(broker, daemon, subscriber)
        verdict = harness.settle([sim], subscriber, 30)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [] and verdict.finished == 120, verdict
        harness.wait_for(lambda: of_event(subscriber, "journal_set_aside"), 10, "the event")
        told = of_event(subscriber, "journal_set_aside")
        assert len(told) == 1 and told[0]["old_epoch"] == epoch and told[0]["lost"] == 0 and told[0]["unverified"] == 0
        assert told[0]["salvaged"] == len(stored) and told[0]["epoch"] != epoch
        assert told[0]["seals"] > 0 and (killed or told[0]["unsealed"] == 0)
        payloads = {message.payload.decode() for message in subscriber.of("result", "qc")}
        assert payloads <= stored  # not one byte differs, and the instrument's memory gave nothing anew
        harness.wait_for(lambda: "it has all that was salvaged" in daemon.log(), 10, "the old journal worked off")
        check_proofs(room, daemon, subscriber, told[0])
        assert daemon.stop() == 0
        before = len(subscriber.of("result", "qc"))
        daemon.start()
        harness.wait_for(lambda: daemon.status()["targets"]["county"]["backlog"] == 0, 10, "nothing left to send")
        assert len(of_event(subscriber, "journal_set_aside")) == 1 and len(subscriber.of("result", "qc")) == before


@pytest.mark.parametrize("mark", ["journal.db.corrupt-20260305T094120Z\n", ""])
def test_a_power_cut_while_a_journal_is_set_aside_parts_no_file_from_its_log(mark):
    """Its file was moved, its log was not: the results are in the log only. Without the name of the former, each is salvaged."""
    with harness.Room() as room:
        broker, subscriber, sim, daemon = start(room)
        store_without_broker(broker, subscriber, sim, daemon)
        daemon.kill()
        path = os.path.join(daemon.state, "journal.db")
        with open(path + ".damaged", "w", encoding="ascii") as file:
            file.write(mark)
        os.rename(path, path + ".corrupt-20260305T094120Z")
        daemon.start()
        assert os.path.exists(path + ".corrupt-20260305T094120Z-wal") == bool(mark) and not os.path.exists(path + ".damaged")
        harness.start_when_heard(broker, daemon, subscriber)
        verdict = harness.settle([sim], subscriber, 30)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.finished == 120, verdict
        harness.wait_for(lambda: of_event(subscriber, "journal_set_aside"), 10, "the event")
        assert len(of_event(subscriber, "journal_set_aside")) == (1 if mark else 2)


def test_entries_that_are_lost_for_good_are_told_and_read_again_from_the_instrument():
    with harness.Room() as room:
        broker, subscriber, sim, daemon = start(room)
        store_without_broker(broker, subscriber, sim, daemon)
        assert daemon.stop() == 0
        damage_middle(os.path.join(daemon.state, "journal.db"))
        daemon.start()
        harness.start_when_heard(broker, daemon, subscriber)
        harness.wait_for(lambda: of_event(subscriber, "journal_set_aside"), 15, "the event")
        told = of_event(subscriber, "journal_set_aside")[0]
        assert told["lost"] > 0 and told["salvaged"] > 20
        lost = sum(one["last"] - one["first"] + 1 for one in told["lost_ranges"])
        assert lost == told["lost"] or len(told["lost_ranges"]) == 32
        # This instrument still holds its results: what was delivered before the damage may come under its id once more.
        def arrived():
            records = [record for record, _ in subscriber.records()]
            return {harness.key_of_truth(line) for line in sim.truth()} <= {harness.key_of_record(record) for record in records}
        harness.wait_for(arrived, 30, "every result")


def test_entries_that_come_back_below_what_was_delivered_are_sent():
    """A journal is salvaged with holes and delivered to its end; a backup that has what was lost takes its place later."""
    with harness.Room() as room:
        broker, subscriber, sim, daemon = start(room)
        epoch = store_without_broker(broker, subscriber, sim, daemon)
        last = daemon.status()["seq"]
        assert daemon.ctl("backup", room.path("backup.db")).returncode == 0
        assert daemon.stop() == 0
        damage_middle(os.path.join(daemon.state, "journal.db"))
        daemon.start()
        harness.start_when_heard(broker, daemon, subscriber)
        harness.wait_for(lambda: "it has all that was salvaged" in daemon.log(), 20, "the old journal worked off")
        def heard():
            return [record["seq"] for record in map(lambda message: json.loads(message.payload),
                                                    subscriber.of("result", "qc", "event")) if record["epoch"] == epoch]
        assert len(set(heard())) < last  # the holes
        assert daemon.stop() == 0
        os.rename(os.path.join(daemon.state, f"salvaged-{epoch}.db"), room.path("with-holes.db"))
        done = daemon.ctl("restore", room.path("backup.db"))
        assert done.returncode == 0, done.stderr
        daemon.start()
        harness.wait_for(lambda: set(heard()) >= set(range(1, last + 1)), 20, "what was lost")
        with contextlib.closing(sqlite3.connect(room.path("backup.db"))) as backup:
            seals = {seq for seq, in backup.execute("SELECT seq FROM seal")}
        harness.wait_for(lambda: seals <= {seal["seq"] for seal in map(lambda message: json.loads(message.payload), subscriber.of("seal"))
                                           if seal["epoch"] == epoch}, 10, "what proves them")
        harness.wait_for(lambda: daemon.log().count("it has all that was salvaged") == 2, 10, "the backup worked off")
        assert daemon.stop() == 0
        before = len(heard())
        daemon.start()
        harness.wait_for(lambda: daemon.status()["targets"]["county"]["backlog"] == 0, 10, "nothing left to send")
        assert daemon.log().count("are sent now") == 2 and len(heard()) == before


def test_a_salvage_that_cannot_be_put_in_its_place_sends_nothing_again_at_each_start():
    """A person gave the file of one epoch the name of another, whose journal is damaged then."""
    with harness.Room() as room:
        broker, subscriber, sim, daemon = start(room)
        store_without_broker(broker, subscriber, sim, daemon)
        assert daemon.stop() == 0
        damage_head(os.path.join(daemon.state, "journal.db"))
        daemon.start()
        harness.start_when_heard(broker, daemon, subscriber)
        harness.wait_for(lambda: "it has all that was salvaged" in daemon.log(), 20, "the old journal worked off")
        old, epoch = of_event(subscriber, "journal_set_aside")[0]["old_epoch"], daemon.status()["epoch"]
        assert daemon.stop() == 0
        shutil.copy(os.path.join(daemon.state, f"salvaged-{old}.db"), os.path.join(daemon.state, f"salvaged-{epoch}.db"))
        damage_head(os.path.join(daemon.state, "journal.db"))
        def heard():
            return sum(json.loads(message.payload)["epoch"] == old for message in subscriber.of("result", "qc", "event"))
        counts = []
        for _ in range(3):
            daemon.start()
            harness.wait_for(lambda: daemon.status()["targets"]["county"]["state"] == "up", 10, "the link")
            harness.wait_for_calm(heard, 1)
            counts.append(heard())
            assert daemon.stop() == 0
        assert "holds another epoch than its name says" in daemon.log() and counts[1] == counts[2], counts


def test_of_a_number_registered_twice_the_later_holds_when_the_first_comes_back():
    """The first registration stood in a hole of what was salvaged; a restored backup has it."""
    with harness.Room() as room:
        _, _, sim, daemon = start(room, results="5")
        harness.wait_for(lambda: len(sim.truth()) == 5, 20, "the results")
        number = next(test["sample_no"] for test in sim.truth() if test.get("sample_no") and test["kind"] == "sample")
        section = READER.format(serial=room.path("reader"))
        daemon.write_config("")
        daemon.start()
        epoch = daemon.status()["epoch"]
        for stall in ("first", "last"):
            assert daemon.ctl("register", number, f"stall={stall}").returncode == 0
        assert daemon.ctl("backup", room.path("backup.db")).returncode == 0
        assert daemon.stop() == 0
        for name in os.listdir(daemon.state):
            if name.startswith("journal.db"):
                os.unlink(os.path.join(daemon.state, name))
        kept = os.path.join(daemon.state, f"salvaged-{epoch}.db")
        assert daemon.ctl("restore", room.path("backup.db")).returncode == 0
        with contextlib.closing(sqlite3.connect(kept)) as file, file:
            file.execute("DELETE FROM entry WHERE seq = (SELECT min(seq) FROM entry WHERE instr(body, 'sample_registered') > 0)")
        daemon.start()
        assert daemon.stop() == 0
        os.unlink(kept)
        assert daemon.ctl("restore", room.path("backup.db")).returncode == 0
        daemon.write_config(section)
        daemon.start()
        def named():
            return [entry["sample"] for entry in daemon.entries() if entry.get("sample", {}).get("no") == number and "kind" in entry]
        harness.wait_for(named, 20, "the result")
        assert named()[0]["stall"] == "last", named()


def test_what_was_registered_and_what_was_refused_is_still_known():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port, extra=""))
        daemon.start()
        registered = daemon.ctl("register", "--next", "reader-1", "20260305-017", "name=菠菜")
        assert registered.returncode == 0, registered.stderr
        daemon.ctl("register", "20260305-018", "name=白菜")
        harness.wait_for(lambda: len(of_event(subscriber, "sample_registered")) == 2, 10, "two registrations")
        harness.stop_when_quiet(broker, daemon, subscriber)  # what it takes is refused no more
        daemon.kill()
        with sqlite3.connect(os.path.join(daemon.state, "journal.db")) as journal:
            journal.execute("INSERT INTO parked VALUES('county', 1, 1772674980000, 'too large')")
        journal.close()
        damage_head(os.path.join(daemon.state, "journal.db"))
        daemon.start()
        told = [event for event in daemon.entries() if event.get("event") == "journal_set_aside"][0]
        assert told["refused"] == 1
        parked = json.loads(daemon.ctl("--json", "parked").stdout)
        assert (parked["target"], parked["seq"], parked["reason"]) == ("county/" + told["old_epoch"][:8], 1, "too large")
        samples = {line["no"]: line for line in map(json.loads, daemon.ctl("--json", "samples").stdout.splitlines())}
        assert samples["20260305-017"]["name"] == "菠菜" and samples["20260305-018"]["name"] == "白菜"
        at = {event["sample"]["no"]: event["at"] for event in of_event(subscriber, "sample_registered")}
        assert {no: line["at"] for no, line in samples.items()} == at, "no younger than it is"
        assert not samples["20260305-017"].get("next")  # to what it was bound is for people to say again
        daemon.ctl("register", "20260305-018", "name=小白菜")
        daemon.stop()
        for name in os.listdir(daemon.state):  # as if the file had been put there by hand later
            if name.endswith(".known"):
                os.unlink(os.path.join(daemon.state, name))
        daemon.start()
        samples = [json.loads(line) for line in daemon.ctl("--json", "samples").stdout.splitlines()]
        assert [line["name"] for line in samples if line["no"] == "20260305-018"][-1] == "小白菜"


def test_what_is_known_outlives_the_next_damage_too():
    """The reader still holds all it tested: no result becomes a second record in the third journal."""
    with harness.Room() as room:
        _, subscriber, sim, daemon = start(room)
        daemon.start()
        harness.wait_for(lambda: len(sim.truth()) == 120, 20, "all tests finished")
        for name in ("白菜", "小白菜"):
            assert daemon.ctl("register", "20260305-018", f"name={name}").returncode == 0
            assert harness.settle([sim], subscriber).lost == []
            daemon.kill()
            damage_head(os.path.join(daemon.state, "journal.db"))
            daemon.start()
            harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["known"] >= 120, 20, "all read again")
        verdict = harness.settle([sim], subscriber)
        assert verdict.doubled == [] and verdict.finished == 120, verdict
        samples = [json.loads(line) for line in daemon.ctl("--json", "samples").stdout.splitlines()]
        assert [line["name"] for line in samples if line["no"] == "20260305-018"][-1] == "小白菜"


@pytest.mark.parametrize("restored", [True, False])
def test_results_that_were_removed_after_their_time_stay_known(restored):
    """The reader still holds them: a restore or a salvage gives them no second record."""
    with harness.Room() as room:
        _, subscriber, _, daemon = start(room, results="40")
        daemon.start()
        harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["stored"] >= 40
                         and daemon.status()["targets"]["county"]["backlog"] == 0, 20, "all results delivered")
        assert daemon.stop() == 0
        path = os.path.join(daemon.state, "journal.db")
        with sqlite3.connect(path) as journal:  # as the journal leaves them
            journal.executescript("INSERT OR IGNORE INTO known SELECT id, seq FROM entry WHERE seq <= 20 AND kind <> 2;"
                                  "DELETE FROM entry WHERE seq <= 20; DELETE FROM seal WHERE seq <= 20;"
                                  "REPLACE INTO state VALUES('pruned', '', 20, '20')")
        journal.close()
        if restored:
            assert daemon.ctl("backup", room.path("backup.db")).returncode == 0
            for name in os.listdir(daemon.state):
                if name.startswith("journal.db"):
                    os.unlink(os.path.join(daemon.state, name))
            assert daemon.ctl("restore", room.path("backup.db")).returncode == 0
        else:
            damage_head(path)
        daemon.start()
        reader = harness.wait_for(lambda: (now := daemon.status()["instruments"]["reader-1"])["known"] + now["stored"] >= 40
                                  and now, 20, "all read again")
        assert reader["stored"] == 0, reader
        numbers = {}
        for record, _ in subscriber.records():
            numbers.setdefault(record["id"], set()).add((record["epoch"], record["seq"]))
        assert len(numbers) == 40 and all(len(where) == 1 for where in numbers.values())


@pytest.mark.parametrize("table", ["binding", "sqlite_autoindex_sample_1", "retest", "known"])
def test_damage_beside_the_entries_does_not_keep_the_daemon_from_starting(table):
    """The start may end, told to begin anew; the next one sets the journal aside, wherever the damage lies."""
    with harness.Room() as room:
        broker, subscriber, sim, daemon = start(room)
        store_without_broker(broker, subscriber, sim, daemon)
        assert daemon.stop() == 0
        path = os.path.join(daemon.state, "journal.db")
        with sqlite3.connect(path) as file:
            page = file.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
        file.close()
        with open(path, "r+b") as file:
            file.seek((page - 1) * 512)
            file.write(bytes(512))
        with contextlib.suppress(AssertionError):
            daemon.start()
        if not daemon.alive():
            assert daemon.child.wait(10) == 1
            daemon.start()
        harness.start_when_heard(broker, daemon, subscriber)
        verdict = harness.settle([sim], subscriber, 30)
        assert verdict.lost == [] and verdict.invented == [] and verdict.finished == 120, verdict


def test_with_receipts_required_the_old_epoch_waits_for_its_receipt():
    with harness.Room() as room:
        broker, subscriber, sim, daemon = start(room, extra="receipts = required\n")
        epoch = store_without_broker(broker, subscriber, sim, daemon)
        last = daemon.status()["seq"]
        daemon.kill()
        damage_head(os.path.join(daemon.state, "journal.db"))
        daemon.start()
        harness.start_when_heard(broker, daemon, subscriber)
        verdict = harness.settle([sim], subscriber, 30)
        assert verdict.lost == [] and verdict.doubled == [], verdict
        assert "it has all that was salvaged" not in daemon.log()
        subscriber.client.publish(f"{harness.PREFIX}/receipt", json.dumps({"epoch": epoch, "through": last}), qos=1)
        harness.wait_for(lambda: "it has all that was salvaged" in daemon.log(), 10, "the old journal worked off")


def denied_before_and_after_the_damage(room, receipts):
    """Every entry of two epochs is refused: two results and what goes with them by the journal that is damaged then, two more
    when they are sent out of what was salvaged. Returns also the rules' file and the first epoch."""
    acl = room.path("acl")
    with open(acl, "w", encoding="ascii") as rules:
        rules.write(f"topic readwrite {harness.PREFIX}/status\ntopic readwrite {harness.PREFIX}/receipt\ntopic read #\n")
    # with max_queued_messages 0 mosquitto 2.0.11 ends the link after each refusal
    broker = room.broker(extra=f"acl_file {acl}\nmax_queued_messages 10000\n")
    subscriber = room.subscriber(broker.port)
    sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "3", "--rate", "2", "--results", "4",
                   "--controls", "0")
    daemon = room.daemon(READER.format(serial=room.path("reader")),
                         TARGET.format(port=broker.port, extra=f"receipts = {receipts}\n"))
    daemon.start()
    harness.wait_for(lambda: daemon.status()["targets"]["county"]["refused"] >= 2, 20, "the first two to be refused")
    broker.stop()
    harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["stored"] >= 4, 20, "all results stored")
    epoch = daemon.status()["epoch"]
    stored = daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()
    daemon.kill()
    damage_head(os.path.join(daemon.state, "journal.db"))
    daemon.start()
    harness.start_when_heard(broker, daemon, subscriber)
    harness.wait_for(lambda: len(parked(daemon, "county/" + epoch[:8])) == len(stored), 20, "the old epoch to be refused")
    return broker, subscriber, sim, daemon, stored, epoch


def everything_arrives(stored, subscriber):
    harness.wait_for(lambda: set(stored) <= {message.payload.decode() for message in subscriber.of("result", "qc", "event")}, 10,
                     "every entry, byte for byte")


def parked(daemon, target):
    return [json.loads(line) for line in daemon.ctl("--json", "parked", "--target", target).stdout.splitlines()]


def allow_all(room, broker):
    with open(room.path("acl"), "w", encoding="ascii") as rules:
        rules.write("topic readwrite #\n")
    broker.child.send_signal(signal.SIGHUP)


def test_the_county_is_told_of_what_is_refused_of_a_damaged_journal():
    """As of the present one: each result once, by its old number. Of events nobody is told."""
    with harness.Room() as room:
        acl = room.path("acl")
        with open(acl, "w", encoding="ascii") as rules:
            rules.write(f"topic readwrite {harness.PREFIX}/event\ntopic readwrite {harness.PREFIX}/status\ntopic read #\n")
        broker = room.broker(extra=f"acl_file {acl}\nmax_queued_messages 10000\n")
        subscriber = room.subscriber(broker.port)
        room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "3", "--rate", "60", "--results", "4", "--controls", "0")
        daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port, extra=""))
        broker.stop()
        daemon.start()
        harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["stored"] >= 4, 20, "all results stored")
        stored = [entry for entry in daemon.entries() if "event" not in entry]
        daemon.kill()
        damage_head(os.path.join(daemon.state, "journal.db"))
        daemon.start()
        harness.start_when_heard(broker, daemon, subscriber)
        harness.wait_for(lambda: len(of_event(subscriber, "entry_refused")) >= len(stored), 20, "the county to be told")
        refused = [event for event in of_event(subscriber, "entry_refused") if event.get("entry_epoch")]
        assert [(event["entry"], event["entry_seq"], event["entry_epoch"]) for event in refused] == [
            (entry["id"], entry["seq"], entry["epoch"]) for entry in stored]
        assert all("not authorised" in event["reason"] and event["epoch"] != event["entry_epoch"] for event in refused)
        assert daemon.ctl("retry", "all").returncode == 0  # refused again
        harness.wait_for(lambda: daemon.status()["targets"]["county"]["refused"] > len(stored), 10, "one refused again")
        assert sum(entry.get("event") == "entry_refused" and "entry_epoch" in entry for entry in daemon.entries()) == len(stored)


def test_what_was_refused_of_a_damaged_journal_is_sent_again_on_demand():
    with harness.Room() as room:
        broker, subscriber, sim, daemon, stored, epoch = denied_before_and_after_the_damage(room, "none")
        place = "county/" + epoch[:8]
        harness.wait_for(lambda: len(parked(daemon, "county")) > len(stored), 10, "refusals of the new epoch")
        assert {line["target"] for line in parked(daemon, "county")} == {"county", place}
        assert daemon.ctl("retry", "all", "--target", "county/00000000").returncode == 1
        assert daemon.ctl("retry", "99", "--target", place).returncode == 1

        salvaged = os.path.join(daemon.state, f"salvaged-{epoch}.db")
        os.rename(salvaged, room.path("elsewhere"))
        away = daemon.ctl("retry", "all", "--target", place)
        assert away.returncode == 1 and "put" in away.stderr and epoch[:8] in away.stderr
        os.rename(room.path("elsewhere"), salvaged)

        allow_all(room, broker)
        def one_again():
            daemon.ctl("retry", "2", "--target", place)
            return 2 not in {line["seq"] for line in parked(daemon, place)}
        harness.wait_for(one_again, 20, "entry 2 of the old epoch")
        assert len(parked(daemon, place)) == len(stored) - 1
        assert [message.payload.decode() for message in subscriber.of("result", "qc", "event")
                if json.loads(message.payload)["epoch"] == epoch] == stored[1:2]
        os.rename(salvaged, room.path("elsewhere"))
        some = daemon.ctl("retry", "all")
        assert some.returncode == 0 and f"{len(stored) - 1} more" in some.stdout, some.stdout
        os.rename(room.path("elsewhere"), salvaged)
        harness.wait_for(lambda: daemon.ctl("retry", "all").returncode == 1, 20, "nothing left to try again")
        assert "Nothing was refused" in daemon.ctl("parked").stdout
        everything_arrives(stored, subscriber)
        assert harness.settle([sim], subscriber).lost == []


def test_what_was_refused_of_a_damaged_journal_needs_no_receipt():
    """The platform names it as missing again and again; the old epoch is settled all the same, and a retry still reaches it."""
    with harness.Room() as room:
        broker, subscriber, sim, daemon, stored, epoch = denied_before_and_after_the_damage(room, "required")
        receipt = {"epoch": epoch, "through": len(stored), "missing": [[1, len(stored)]]}
        subscriber.client.publish(f"{harness.PREFIX}/receipt", json.dumps(receipt), qos=1)
        allow_all(room, broker)
        harness.wait_for(lambda: "it has all that was salvaged" in daemon.log(), 15, "the old journal settled")
        harness.wait_for(lambda: daemon.ctl("retry", "all").returncode == 1, 20, "nothing left to try again")
        everything_arrives(stored, subscriber)
        assert harness.settle([sim], subscriber).lost == []


def test_what_was_refused_is_still_known_when_the_next_journal_is_damaged_too():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port, extra=""))
        daemon.start()
        harness.wait_for(lambda: daemon.status()["targets"]["county"]["acknowledged"] >= 1, 10, "the first entry")
        harness.stop_when_quiet(broker, daemon, subscriber)
        for times in (1, 2):
            epoch = daemon.status()["epoch"]
            daemon.kill()
            with sqlite3.connect(os.path.join(daemon.state, "journal.db")) as journal:
                journal.execute("INSERT INTO parked VALUES('county', 1, 1772674980000, 'too large')")
            journal.close()
            damage_head(os.path.join(daemon.state, "journal.db"))
            daemon.start()
            told = [event for event in daemon.entries() if event.get("event") == "journal_set_aside" and event["old_epoch"] == epoch]
            assert told[0]["refused"] == 1
            assert len(parked(daemon, "county")) == times
        again = len(subscriber.of("result", "qc", "event"))
        harness.start_when_heard(broker, daemon, subscriber)
        assert daemon.ctl("retry", "all").returncode == 0
        harness.wait_for(lambda: not parked(daemon, "county"), 10, "both to be taken")
        harness.wait_for(lambda: len(subscriber.of("result", "qc", "event")) >= again + 2, 10, "both to arrive")


def test_what_was_refused_is_still_known_when_nothing_is_left_of_the_next_journal():
    """The third journal knows it from the first: the second, which had it from there, is gone."""
    with harness.Room() as room:
        broker, subscriber, sim, daemon, stored, epoch = denied_before_and_after_the_damage(room, "none")
        place = "county/" + epoch[:8]
        daemon.kill()
        refused = sqlite3.connect(os.path.join(daemon.state, f"salvaged-{epoch}.db")).execute(
            "SELECT seq FROM parked WHERE target = 'county'").fetchall()
        for name in ("journal.db", "journal.db-wal"):
            path = os.path.join(daemon.state, name)
            if os.path.exists(path):
                with open(path, "r+b") as file:
                    file.write(bytes(os.path.getsize(path)))
        daemon.start()
        listed = harness.wait_for(lambda: {line["seq"] for line in parked(daemon, place)}, 10, "refusals of the first epoch")
        assert refused and {seq for seq, in refused} <= listed
        allow_all(room, broker)
        def all_arrived():
            daemon.ctl("retry", "all")
            return set(stored) <= {message.payload.decode() for message in subscriber.of("result", "qc", "event")}
        harness.wait_for(all_arrived, 20, "the first epoch as it was stored")
        assert harness.settle([sim], subscriber).lost == []


def test_a_person_can_salvage_a_file():
    with harness.Room() as room:
        broker, subscriber, sim, daemon = start(room)
        store_without_broker(broker, subscriber, sim, daemon)
        count = daemon.status()["seq"]
        assert daemon.stop() == 0
        path = os.path.join(daemon.state, "journal.db")
        damage_head(path)
        done = daemon.ctl("--json", "salvage", path, "-o", room.path("out.db"))
        found = json.loads(done.stdout)
        assert done.returncode == 0 and found["salvaged"] == count and found["lost"] == 0 and os.path.exists(room.path("out.db"))
        again = daemon.ctl("salvage", path, "-o", room.path("out.db"))
        assert again.returncode == 1 and "is there already" in again.stderr
        nothing = daemon.ctl("salvage", os.path.join(daemon.conf, "assayd.conf"))
        assert nothing.returncode == 1 and "nothing could be salvaged" in nothing.stdout
        assert daemon.ctl("salvage", room.path("missing.db")).returncode == 1

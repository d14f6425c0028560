"""The main job: results travel from instruments over serial, Modbus RTU and Modbus TCP to a subscriber, once each."""
import os
import sys
import time

import harness
import pytest

sys.path.insert(0, os.path.join(harness.ROOT, "tests/faults"))
import kill  # noqa: E402

# The long forms have their own make targets; these keep `make test` short and still bite.
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "8"))
KILLS = int(os.environ.get("KILLS", "12"))

INSTRUMENTS = kill.INSTRUMENTS
TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\n{extra}"


def start(room, rate="10", results="100", extra="", sim_options=(), instruments=INSTRUMENTS, reader="a2"):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    common = ("--rate", rate, "--results", results, *sim_options)
    sims = [room.sim("reader-1", reader, ("--serial", room.path("reader")), "--seed", "11", *common),
            room.sim("analyzer-tcp", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", "12", *common),
            room.sim("analyzer-rtu", "a6b", ("--serial", room.path("analyzer")), "--seed", "13", *common)]
    daemon = room.daemon(instruments.format(serial=room.path("reader"), tcp=sims[1].address, rtu=room.path("analyzer")),
                         TARGET.format(port=broker.port, extra=extra))
    daemon.start()
    return broker, subscriber, sims, daemon


def finished(sims, count):
    harness.wait_for(lambda: len(harness.truth_of(sims)) >= count, 60, f"{count} results finished")


def clean(verdict):
    assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
    assert verdict.finished > 0


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_every_result_arrives_once_and_in_order(protocol):
    with harness.Room() as room:
        _, subscriber, sims, daemon = start(room, results="40", extra=f"protocol = {protocol}")
        finished(sims, 120)
        verdict = harness.settle(sims, subscriber)
        clean(verdict)
        assert verdict.finished == 120
        assert harness.in_order([record for record, _ in subscriber.records()])
        assert kill.chain_faults(daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()) == []
        assert daemon.stop() == 0


def test_the_bytes_published_are_the_bytes_stored():
    with harness.Room() as room:
        _, subscriber, sims, daemon = start(room, results="10")
        finished(sims, 30)
        clean(harness.settle(sims, subscriber))
        stored = set(daemon.ctl("--json", "list", "--from", "1").stdout.splitlines())
        published = {message.payload.decode() for message in subscriber.of("result", "qc", "event")}
        assert published and published <= stored


def test_the_tl310_layout_is_found_by_itself():
    with harness.Room() as room:
        _, subscriber, sims, _ = start(room, results="30", reader="a2b")
        finished(sims, 90)
        clean(harness.settle(sims, subscriber))


def test_controls_go_to_the_qc_topic_and_samples_do_not():
    with harness.Room() as room:
        _, subscriber, sims, _ = start(room, results="60")
        finished(sims, 180)
        clean(harness.settle(sims, subscriber))
        kinds = {topic: {record["kind"] for record in map(lambda m: harness.json.loads(m.payload), subscriber.of(topic))}
                 for topic in ("result", "qc")}
        assert kinds["result"] == {"sample"}
        assert kinds["qc"] and "sample" not in kinds["qc"]


def test_a_broker_outage_loses_nothing_and_keeps_the_order():
    with harness.Room() as room:
        broker, subscriber, sims, daemon = start(room, rate="20", results="1000000")
        finished(sims, 30)
        broker.stop(harness.signal.SIGKILL)
        time.sleep(OUTAGE_SECONDS)
        during = len(harness.truth_of(sims))
        harness.start_when_heard(broker, daemon, subscriber)
        verdict = harness.settle(sims, subscriber, 40)
        clean(verdict)
        assert verdict.finished >= during
        assert harness.in_order([record for record, _ in subscriber.records()])


def test_kills_at_random_moments_lose_and_double_nothing():
    passed, figures = kill.campaign(KILLS, 5, 20)
    assert passed, figures


def test_a_second_daemon_on_the_same_journal_is_refused():
    with harness.Room() as room:
        _, _, _, daemon = start(room, results="1")
        second = harness.Process([*daemon.command], room.path("second.log"), env={"LC_ALL": "C.UTF-8"}).start()
        assert second.child.wait(10) == 1
        assert str(daemon.child.pid) in second.log()


def test_status_tells_instruments_and_targets():
    with harness.Room() as room:
        _, subscriber, sims, daemon = start(room, results="10")
        finished(sims, 30)
        clean(harness.settle(sims, subscriber))
        status = daemon.status()
        assert status["online"] is True and status["backlog"] == 0
        assert {name: it["health"] for name, it in status["instruments"].items()} == {
            "reader-1": "ok", "analyzer-tcp": "ok", "analyzer-rtu": "ok"}
        assert status["targets"]["county"]["state"] == "up"
        assert "reader-1" in daemon.ctl("status").stdout


def test_list_and_show_work_with_and_without_the_daemon():
    with harness.Room() as room:
        _, subscriber, sims, daemon = start(room, results="5")
        finished(sims, 15)
        clean(harness.settle(sims, subscriber))
        entries = daemon.entries()
        shown = daemon.ctl("--json", "show", entries[-1]["id"])
        assert harness.json.loads(shown.stdout) == entries[-1]
        daemon.stop()
        assert daemon.entries() == entries
        assert daemon.ctl("show", "no-such-id").returncode == 1
        assert daemon.ctl("status").returncode == 69
        assert daemon.ctl("frobnicate").returncode == 64


def test_a_reload_touches_only_what_changed_and_keeps_the_old_on_a_fault():
    with harness.Room() as room:
        broker, subscriber, sims, daemon = start(room, rate="5", results="1000000")
        finished(sims, 15)
        instruments = INSTRUMENTS.format(serial=room.path("reader"), tcp=sims[1].address, rtu=room.path("analyzer"))
        before = daemon.status()
        target = TARGET.format(port=broker.port, extra="")
        daemon.write_config(instruments.replace("poll = 200ms", "pol = 200ms"), target)
        daemon.child.send_signal(harness.signal.SIGHUP)
        harness.wait_for(lambda: "stays in force" in daemon.log(), 10, "the refusal")
        head, _, tail = instruments.rpartition("poll = 200ms")
        daemon.write_config(head + "poll = 300ms" + tail, target)
        daemon.child.send_signal(harness.signal.SIGHUP)
        harness.wait_for(lambda: "is in force" in daemon.log().replace("stays in force", ""), 10, "the reload")
        harness.wait_for(lambda: daemon.status()["instruments"]["analyzer-rtu"]["health"] == "ok", 15, "the new line")
        after = daemon.status()
        assert after["instruments"]["reader-1"]["polls"] >= before["instruments"]["reader-1"]["polls"]
        assert after["instruments"]["analyzer-rtu"]["polls"] < after["instruments"]["reader-1"]["polls"]
        assert after["targets"]["county"]["connects"] == before["targets"]["county"]["connects"]
        clean(harness.settle(sims, subscriber))
        assert any(harness.json.loads(m.payload)["event"] == "config_changed" for m in subscriber.of("event"))


def test_it_stops_within_five_seconds_under_load_and_goes_on_where_it_was():
    with harness.Room() as room:
        # A memory that a slow machine cannot let overflow: what an instrument itself overwrites is another test's subject.
        _, subscriber, sims, daemon = start(room, rate="50", results="1000000", sim_options=("--capacity", "5000"))
        for _ in range(5):
            finished(sims, len(harness.truth_of(sims)) + 30)
            began = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - began < 5
            daemon.start()
        clean(harness.settle(sims, subscriber))


def test_a_journal_damaged_while_nobody_ran_is_set_aside_and_the_capture_goes_on():
    with harness.Room() as room:
        _, subscriber, sims, daemon = start(room, rate="5", results="1000000", sim_options=("--capacity", "5000"))
        finished(sims, 30)
        clean(harness.settle(sims, subscriber))
        daemon.kill()
        log = os.path.getsize(os.path.join(daemon.state, "journal.db-wal"))
        for name, at, size in (("journal.db", 1024, 8192), ("journal.db-wal", log // 3, log // 3)):  # the file's end may be unused
            with open(os.path.join(daemon.state, name), "r+b") as journal:
                journal.seek(at)
                journal.write(os.urandom(size))
        daemon.start()
        aside = [name for name in os.listdir(daemon.state) if name.startswith("journal.db.corrupt-")]
        assert [name for name in aside if not name.endswith(("-wal", "-shm"))]
        harness.wait_for(lambda: len({json_of(m)["epoch"] for m in subscriber.of("event")}) == 2, 20, "the new epoch")
        begun = [json_of(m) for m in subscriber.of("event") if json_of(m)["event"] == "gateway_started"][-1]
        assert begun["journal_set_aside"].rsplit("/", 1)[1] in aside
        # What could be salvaged is known: the reader keeps its day, and gives it no second time.
        finished(sims, len(harness.truth_of(sims)) + 15)
        of_epoch = lambda: [record["id"] for record, _ in subscriber.records() if record["epoch"] == begun["epoch"]]
        harness.wait_for(of_epoch, 10, "records of the new epoch")
        fresh = of_epoch()
        assert len(fresh) == len(set(fresh))
        old = {record["id"] for record, _ in subscriber.records() if record["epoch"] != begun["epoch"]}
        told = [json_of(m) for m in subscriber.of("event") if json_of(m)["event"] == "journal_set_aside"]
        assert len(told) == 1 and told[0]["salvaged"] > 0
        assert len(old & set(fresh)) <= told[0]["lost"], "only what is lost comes again, under the same ids"


def json_of(message):
    return harness.json.loads(message.payload)

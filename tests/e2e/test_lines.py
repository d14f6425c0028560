"""Lines under trouble: a dead unit, late replies, noise, unplugging, a power-cycled instrument. No wrong value, no loss."""
import os
import time

import harness
import pytest

TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\n"


def room_with(room, instruments, *sims):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    started = [room.sim(*sim) for sim in sims]
    daemon = room.daemon(instruments, TARGET.format(port=broker.port)).start()
    return subscriber, started, daemon


def clean(verdict):
    assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict


def modbus_rtu(port, name="an-1", **settings):
    lines = "".join(f"{key.replace('_', '-')} = {value}\n" for key, value in settings.items())
    return (f"[instrument {name}]\ndriver = modbus\nprofile = analyzer-a6b\nport = modbus-rtu:{port}\nline = 115200/8n1\n{lines}")


def polls_in(daemon, seconds):
    before = daemon.status()["instruments"]
    time.sleep(seconds)
    after = daemon.status()["instruments"]
    return {name: after[name]["polls"] - before[name]["polls"] for name in after}


def test_one_dead_unit_of_four_leaves_the_others_their_rate():
    with harness.Room() as room:
        port = room.path("bus")
        instruments = "".join(modbus_rtu(port, f"an-{unit}", unit=unit, poll="500ms") for unit in range(1, 5))
        _, _, daemon = room_with(room, instruments, ("bus", "a6b", ("--serial", port), "--units", "1,2,3,4", "--dead-unit", "4",
                                                     "--results", "0"))
        polls = polls_in(daemon, 30)
        for unit in (1, 2, 3):
            assert polls[f"an-{unit}"] >= 0.95 * 30 / 0.5, polls
        status = daemon.status()["instruments"]
        assert status["an-4"]["health"] == "silent" and status["an-1"]["health"] == "ok"


def test_late_replies_from_0_1_to_3_s_in_steps_of_0_05_give_no_wrong_value():
    """One line and one analyzer for each lateness, all at once: every eleventh answer comes that late, after the daemon
    stopped waiting for it at 0.3 s and while it may be asking something else."""
    with harness.Room() as room:
        lates = [10 * (10 + 5 * step) for step in range(59)]
        sims = [(f"late-{ms}", "a6b", ("--serial", room.path(f"bus-{ms}")), "--rate", "5", "--results", "8", "--late", str(ms),
                 "--late-every", "11", "--seed", str(ms)) for ms in lates]
        instruments = "".join(modbus_rtu(room.path(f"bus-{ms}"), f"late-{ms}", unit=1, poll="100ms", timeout="300ms") for ms in lates)
        subscriber, started, daemon = room_with(room, instruments, *sims)
        harness.wait_for(lambda: len(harness.truth_of(started)) >= 8 * len(lates), 60, "all results finished")
        verdict = harness.settle(started, subscriber, 120)
        clean(verdict)
        assert verdict.finished >= 8 * len(lates)
        status = daemon.status()["instruments"]
        assert all(status[f"late-{ms}"]["timeouts"] > 0 for ms in lates if ms > 400)


@pytest.mark.parametrize("fault", [("--noise", "0.1"), ("--bad-crc", "0.1"), ("--silence", "0.05"), ("--short", "0.1"), ("--split",),
                                   ("--busy", "0.3"), ("--torn", "0.2")])
def test_faults_on_the_wire_give_no_wrong_value_and_lose_nothing(fault):
    with harness.Room() as room:
        port = room.path("bus")
        subscriber, sims, _ = room_with(
            room, modbus_rtu(port, unit=1, poll="100ms", timeout="200ms", lateness="200ms"),
            ("an-1", "a6b", ("--serial", port), "--rate", "10", "--results", "40", "--seed", "7", *fault))
        harness.wait_for(lambda: len(harness.truth_of(sims)) >= 40, 20, "40 results finished")
        clean(harness.settle(sims, subscriber, 60))


@pytest.mark.parametrize("fault", [("--noise", "0.1"), ("--bad-crc", "0.1"), ("--silence", "0.1"), ("--short", "0.1"), ("--split",)])
@pytest.mark.parametrize("layout", ["a2", "a2b"])
def test_faults_on_a_serial_line_lose_nothing(layout, fault):
    with harness.Room() as room:
        port = room.path("reader")
        subscriber, sims, _ = room_with(
            room, f"[instrument pr-1]\ndriver = seven-e-aa\nport = {port}\npoll = 200ms\ntimeout = 300ms\nreconcile = 1s\n",
            ("pr-1", layout, ("--serial", port), "--rate", "10", "--results", "40", "--seed", "7", *fault))
        harness.wait_for(lambda: len(harness.truth_of(sims)) >= 40, 20, "40 results finished")
        clean(harness.settle(sims, subscriber, 60))


@pytest.mark.parametrize("again", ["reconcile", "restart"])
def test_a_day_that_a_reader_left_unanswered_arrives_later_and_once(again):
    """The results are three days old: no poll asks for that day unless it is remembered as unread."""
    with harness.Room() as room:
        port = room.path("reader")
        reconcile = "reconcile = 1s\n" if again == "reconcile" else ""
        sim = room.sim("pr-1", "a2", ("--serial", port), "--rate", "1000", "--results", "6", "--seed", "7", "--clock-offset", "-259200",
                       "--mute-days", "3")
        harness.wait_for(lambda: len(sim.truth()) >= 6, 20, "6 results finished")
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon(f"[instrument pr-1]\ndriver = seven-e-aa\nport = {port}\npoll = 100ms\ntimeout = 200ms\n{reconcile}",
                             TARGET.format(port=broker.port)).start()
        harness.wait_for(lambda: [m for m in subscriber.of("event") if b"missed_results" in m.payload], 20, "the silence told")
        if again == "restart":
            # a whole sweep lies behind the day: were it not for the cursor that waits, it would be over and done with
            polls = daemon.status()["instruments"]["pr-1"]["polls"]
            harness.wait_for(lambda: daemon.status()["instruments"]["pr-1"]["polls"] >= polls + 12, 20, "the other days asked for")
            assert subscriber.records() == []
            daemon.kill()
            daemon.start()
        harness.wait_for(lambda: len(subscriber.records()) >= 6, 20, "the day's results")
        verdict = harness.settle([sim], subscriber, 20)
        clean(verdict)
        assert verdict.finished == 6
        told = [entry for entry in daemon.entries() if entry.get("event") == "missed_results"]
        assert len(told) == 1 and "asked for again later" in told[0]["reason"], told


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_unplugged_adapter_comes_back_under_another_name_within_five_seconds():
    with harness.Room() as room:
        port = room.path("reader")
        away = 6.0
        subscriber, sims, daemon = room_with(
            room, f"[instrument pr-1]\ndriver = seven-e-aa\nport = {port}\npoll = 200ms\n",
            ("pr-1", "a2", ("--serial", port), "--rate", "5", "--results", "1000000", "--unplug", f"3:{away}", "--seed", "3"))
        health = lambda: daemon.status()["instruments"]["pr-1"]["health"]
        harness.wait_for(lambda: health() == "ok", 10, "the reader heard")
        harness.wait_for(lambda: not os.path.exists(port), 10, "the unplugging")
        spent, began = cpu_seconds(daemon.child.pid), time.monotonic()
        harness.wait_for(lambda: health() == "no_link", 5, "the loss noticed")
        harness.wait_for(lambda: os.path.exists(port), away + 5, "the replugging")
        share = (cpu_seconds(daemon.child.pid) - spent) / (time.monotonic() - began)
        plugged = time.monotonic()
        harness.wait_for(lambda: health() == "ok", 5, "back within 5 s")
        assert time.monotonic() - plugged <= 5
        assert share < 0.02, f"{share:.1%} of a core while away"
        clean(harness.settle(sims, subscriber))
        events = [harness.json.loads(m.payload)["event"] for m in subscriber.of("event")]
        assert events.count("instrument_lost") == 1 and events.count("instrument_back") == 1


@pytest.mark.parametrize("extra", [(), ("--power-cycle-clears",)])
def test_a_power_cycled_analyzer_that_counts_from_one_again_loses_nothing(extra):
    with harness.Room() as room:
        port = room.path("bus")
        subscriber, sims, _ = room_with(
            room, modbus_rtu(port, unit=1, poll="100ms", timeout="300ms", lateness="300ms"),
            ("an-1", "a6b", ("--serial", port), "--rate", "4", "--results", "40", "--power-cycle", "4", "--seed", "5", *extra))
        harness.wait_for(lambda: len(harness.truth_of(sims)) >= 40, 30, "40 results finished")
        verdict = harness.settle(sims, subscriber, 30)
        # what the power cycle cleared before anybody could ask is gone with the instrument's memory
        assert verdict.doubled == [] and verdict.invented == []
        assert len(verdict.lost) <= (4 if extra else 0), verdict.lost


def test_a_long_absence_is_caught_up_from_the_memory_and_what_overflowed_is_announced():
    with harness.Room() as room:
        port = room.path("bus")
        subscriber, sims, daemon = room_with(
            room, modbus_rtu(port, unit=1, poll="100ms"),
            ("an-1", "a6b", ("--serial", port), "--rate", "50", "--results", "300", "--capacity", "40", "--controls", "0", "--seed", "5"))
        harness.wait_for(lambda: len(subscriber.records()) >= 10, 20, "the first records")
        daemon.stop()
        harness.wait_for(lambda: len(harness.truth_of(sims)) >= 300, 30, "300 results finished")
        daemon.start()
        last = lambda: max((int(record["instrument_seq"]) for record, _ in subscriber.records()), default=0)
        harness.wait_for(lambda: last() >= 300, 30, "the last result")
        verdict = harness.settle(sims, subscriber, 1)
        assert verdict.doubled == [] and verdict.invented == []
        missed = [harness.json.loads(m.payload) for m in subscriber.of("event")]
        missed = [event for event in missed if event["event"] == "missed_results"]
        assert sum(event["last"] - event["first"] + 1 for event in missed) >= len(verdict.lost) > 0


def test_the_sequence_wraps_without_loss():
    with harness.Room() as room:
        port = room.path("bus")
        subscriber, sims, _ = room_with(
            room, modbus_rtu(port, unit=1, poll="100ms"),
            ("an-1", "a6b", ("--serial", port), "--rate", "20", "--results", "40", "--first-seq", "4294967280", "--seed", "5"))
        harness.wait_for(lambda: len(harness.truth_of(sims)) >= 40, 20, "40 results finished")
        clean(harness.settle(sims, subscriber, 30))

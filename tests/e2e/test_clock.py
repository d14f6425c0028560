"""Wrong clocks: of instruments, found and announced once; of the box."""
import datetime
import glob
import os
import signal
import time

import harness
import pytest

FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
CLOCKSHIM = os.path.join(harness.BUILD, "tests/faults/clockshim.so")
TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\n"
pytestmark = pytest.mark.skipif(harness.SANITIZED, reason="a sanitizer must be the first library of a process")


class Synced:
    """What the kernel says of the box's clock, for processes that get its environment()."""

    def __init__(self, room, synced):
        self.path = room.path("synced")
        self.set(synced)

    def set(self, synced):
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write("1" if synced else "0")
        os.rename(self.path + ".new", self.path)

    def environment(self, *shims, **more):
        return {"LD_PRELOAD": ":".join((*shims, harness.SHIM, CLOCKSHIM)), "CLOCK_SYNCED": self.path, **more}


def events(daemon, *names):
    return [entry for entry in daemon.entries() if entry.get("event") in names]


def wait_for_events(daemon, name, count=1, seconds=15):
    harness.wait_for(lambda: len(events(daemon, name)) >= count, seconds, f"{count} {name}")
    return events(daemon, name)


def skew_told(daemon):
    """Seconds, by the instrument's own clock; 0 while it has not told it."""
    return daemon.status()["instruments"]["an-1"].get("clock", {}).get("skew_s", 0)


def wait_for_polls(daemon, count):
    polls = lambda: daemon.status()["instruments"]["an-1"]["polls"]
    until = polls() + count
    harness.wait_for(lambda: polls() >= until, 15, f"{count} polls")


def analyzer(address, more=""):
    return (f"[instrument an-1]\ndriver = modbus\nprofile = analyzer-a6b\nport = modbus-tcp:{address}\n"
            f"poll = 100ms\n{more}")


def test_a_clock_that_is_told_is_announced_once_when_it_is_seven_minutes_slow():
    with harness.Room() as room:
        synced = Synced(room, True)
        sim = room.sim("an-1", "a6b", ("--tcp", "127.0.0.1:0"), "--results", "4", "--rate", "10", "--clock-offset", "-420")
        daemon = room.daemon(analyzer(sim.address), env=synced.environment()).start()
        event = wait_for_events(daemon, "clock_skew")[0]
        assert event["instrument"] == "an-1" and event["skew_by"] == "clock" and event["alarm_s"] == 300, event
        assert -423 <= event["skew_s"] <= -419 and event["within_s"] == 2 and "T" in event["since"], event
        clock = daemon.status()["instruments"]["an-1"]["clock"]
        assert clock["alarm"] and clock["skew_by"] == "clock" and -423 <= clock["skew_s"] <= -419, clock
        text = daemon.ctl("status").stdout
        assert "-7 min" in text and "its clock is wrong since" in text, text
        harness.wait_for(lambda: sum("instrument_seq" in entry for entry in daemon.entries()) == 4, 15, "the results")
        for record in (entry for entry in daemon.entries() if "instrument_seq" in entry):
            assert record["clock"]["skew_by"] == "clock" and -423 <= record["clock"]["skew_s"] <= -418, record["clock"]
            assert "clock_suspect" not in record["flags"]
        assert daemon.stop() == 0
        daemon.start()  # what was announced is not announced again
        harness.wait_for(lambda: daemon.status()["instruments"]["an-1"].get("clock", {}).get("skew_by") == "clock", 15, "a look")
        assert daemon.status()["instruments"]["an-1"]["clock"]["alarm"] is True
        assert len(events(daemon, "clock_skew", "clock_skew_over")) == 1
        daemon.write_config(analyzer(sim.address, "clock-skew-alarm = 20min\n"))
        daemon.child.send_signal(signal.SIGHUP)
        over = wait_for_events(daemon, "clock_skew_over")
        assert len(over) == 1 and over[0]["instrument"] == "an-1", over
        assert "right again" in daemon.log()


def test_a_fast_clock_is_found_by_the_first_result_and_a_right_one_is_not():
    with harness.Room() as room:
        synced = Synced(room, True)
        lines = {name: room.path(name) for name in ("fast", "right")}
        for name, offset in (("fast", "600"), ("right", "0")):
            room.sim(name, "a2", ("--serial", lines[name]), "--results", "3", "--rate", "10", "--clock-offset", offset)
        daemon = room.daemon("".join(
            f"[instrument {name}]\ndriver = seven-e-aa\nport = {path}\npoll = 100ms\n" for name, path in lines.items()),
            env=synced.environment()).start()
        event = wait_for_events(daemon, "clock_skew")[0]
        assert event["instrument"] == "fast" and event["skew_by"] == "future" and 590 <= event["skew_s"] <= 600, event
        assert "within_s" not in event
        harness.wait_for(lambda: sum("instrument_seq" in entry for entry in daemon.entries()) == 6, 15, "the results")
        records = [entry for entry in daemon.entries() if "instrument_seq" in entry]
        assert all(("skew_s" in record["clock"]) == (record["instrument"]["id"] == "fast") for record in records)
        assert len(events(daemon, "clock_skew")) == 1


@pytest.mark.skipif(not FAKETIME, reason="libfaketime (package faketime) is not here")
def test_a_slow_clock_is_found_by_results_that_are_received_at_once():
    with harness.Room() as room:
        synced = Synced(room, True)
        fast = {"FAKETIME": "+0 x20", "FAKETIME_FORCE_MONOTONIC_FIX": "0"}
        path = room.path("pr-1")
        daemon = room.daemon(f"[instrument pr-1]\ndriver = seven-e-aa\nport = {path}\npoll = 1s\ntimeout = 60s\n",
                             env=synced.environment(FAKETIME[0], **fast)).start()
        sim = harness.Sim(room.directory, "pr-1", "a2", ("--serial", path), "--results", "6", "--rate", "0.02",
                          "--clock-offset", "-420")
        sim.env = {**(sim.env or {}), "LD_PRELOAD": FAKETIME[0], **fast}
        room.add(sim.start())
        event = wait_for_events(daemon, "clock_skew", seconds=40)[0]
        assert event["instrument"] == "pr-1" and event["skew_by"] == "results" and -600 <= event["skew_s"] <= -400, event
        assert event["within_s"] in (60, 120), event
        assert time.strptime(event["since"][:19], "%Y-%m-%dT%H:%M:%S")


class BoxClock:
    """The wall clock of a process, told by a file while it runs; monotonic and boot time run on."""

    def __init__(self, room, offset_s):
        self.path = room.path("clock")
        self.set(offset_s)

    def set(self, offset_s):
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(f"{offset_s:+d}\n")
        os.rename(self.path + ".new", self.path)

    def environment(self):
        return {"FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_FORCE_MONOTONIC_FIX": "0"}


def seconds(text):
    return datetime.datetime.fromisoformat(text).timestamp()


@pytest.mark.skipif(not FAKETIME, reason="libfaketime (package faketime) is not here")
def test_a_box_that_started_in_1970_says_by_how_much_its_records_are_off():
    with harness.Room() as room:
        synced, behind = Synced(room, False), int(time.time()) - 86400
        box = BoxClock(room, -behind)
        sim = room.sim("an-1", "a6b", ("--tcp", "127.0.0.1:0"), "--results", "6", "--rate", "3")
        daemon = room.daemon(analyzer(sim.address), env=synced.environment(FAKETIME[0], **box.environment())).start()
        results = lambda: [entry for entry in daemon.entries() if "instrument_seq" in entry]
        harness.wait_for(lambda: len(results()) >= 2, 15, "results of an unset clock")
        assert daemon.stop() == 0  # neither the gateway's restart ...
        daemon.start()
        harness.wait_for(lambda: len(results()) == 6, 15, "the results")
        assert events(daemon, "clock_correction", "clock_uncorrected", "clock_skew") == []
        box.set(0)
        synced.set(True)
        event = wait_for_events(daemon, "clock_correction")[0]
        jump = wait_for_events(daemon, "clock_jump")[0]
        assert jump["synced"] and abs(jump["by_ms"] - behind * 1000) < 3000, jump
        assert abs(event["by_ms"] - behind * 1000) < 50 and event["boot"], event
        finished = {str(line["instrument_seq"]): seconds(line["at"]) for line in sim.truth()}
        for record in results():
            assert event["first"] <= record["seq"] <= event["last"]
            assert record["clock"]["synced"] is False and "clock_unsynced" in record["flags"]
            assert record["received_at"].startswith("1970-01-0") and "clock_suspect" not in record["flags"]
            right = seconds(event["booted_at"]) + record["clock"]["up_ms"] / 1000
            assert abs(right - seconds(record["received_at"]) - event["by_ms"] / 1000) < 0.1
            assert -0.1 <= right - finished[record["instrument_seq"]] < 10
        assert daemon.stop() == 0  # ... nor another tells it again
        daemon.start()
        time.sleep(1.5)
        assert len(events(daemon, "clock_correction")) == 1


@pytest.mark.skipif(not FAKETIME, reason="libfaketime (package faketime) is not here")
@pytest.mark.parametrize("at, offset", [("23:52:00", 600), ("00:05:00", -420)])
def test_near_midnight_results_of_the_other_day_do_not_wait_for_a_reconcile(at, offset):
    with harness.Room() as room:
        synced = Synced(room, True)
        here = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8)))
        wanted = here.replace(hour=int(at[:2]), minute=int(at[3:5]), second=0)
        box = BoxClock(room, round((wanted - here).total_seconds()))
        clocks, path = {"LD_PRELOAD": FAKETIME[0], **box.environment()}, room.path("pr-1")
        daemon = room.daemon(f"[instrument pr-1]\ndriver = seven-e-aa\nport = {path}\npoll = 200ms\n",
                             env=synced.environment(FAKETIME[0], **box.environment()))
        sim = harness.Sim(room.directory, "pr-1", "a2", ("--serial", path), "--results", "12", "--rate", "2",
                          "--clock-offset", str(offset))
        sim.env = {**(sim.env or {}), **clocks}
        room.add(sim.start())
        daemon.start()
        results = lambda: [entry for entry in daemon.entries() if "instrument_seq" in entry]
        harness.wait_for(lambda: len(results()) == 12, 30, "the results")  # `reconcile` is ten minutes
        for record in results():
            assert record["tested_at"][:10] != record["received_at"][:10], record


@pytest.mark.parametrize("offset", [-420, 600])
def test_a_clock_is_set_where_the_station_wishes_it_and_no_result_is_lost_or_doubled(offset):
    with harness.Room() as room:
        synced = Synced(room, True)
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sim = room.sim("an-1", "a6b", ("--tcp", "127.0.0.1:0"), "--results", "24", "--rate", "6", "--clock-offset", str(offset))
        daemon = room.daemon(analyzer(sim.address, "set-clock = yes\n"), TARGET.format(port=broker.port),
                             env=synced.environment()).start()
        event = wait_for_events(daemon, "clock_set")[0]
        assert event["instrument"] == "an-1" and abs(event["by_ms"] + offset * 1000) <= 3000, event
        assert abs(event["skew_s"]) <= 2 and event["skew_by"] == "clock", event
        assert abs(seconds(event["after"]) - seconds(event["before"]) + offset) <= 3, event
        wait_for_events(daemon, "clock_skew_over")
        harness.wait_for(lambda: len(sim.truth()) == 24, 30, "all results")
        verdict = harness.settle([sim], subscriber)
        assert verdict.finished == 24 and not verdict.lost and not verdict.doubled and not verdict.invented, verdict
        records = [record for record, _ in subscriber.records()]
        off = [seconds(record["tested_at"]) - seconds(record["received_at"]) for record in records]
        assert abs(off[0] - offset) < 5 and abs(off[-1]) < 5, off
        assert len({record["id"] for record in records}) == 24
        assert daemon.stop() == 0
        daemon.start()  # and not again at once
        time.sleep(1)
        assert len(events(daemon, "clock_set")) == 1 and "alarm" in daemon.status()["instruments"]["an-1"]["clock"]


@pytest.mark.parametrize("offset, is_set", [(-25, False), (-40, True), (40, True)])
def test_a_clock_is_set_from_half_a_minute_on(offset, is_set):
    with harness.Room() as room:
        synced = Synced(room, True)
        sim = room.sim("an-1", "a6b", ("--tcp", "127.0.0.1:0"), "--results", "3", "--rate", "10", "--clock-offset", str(offset))
        daemon = room.daemon(analyzer(sim.address, "set-clock = yes\n"), env=synced.environment()).start()
        harness.wait_for(lambda: skew_told(daemon) or events(daemon, "clock_set"), 15, "its clock's own word")
        if is_set:
            assert abs(wait_for_events(daemon, "clock_set")[0]["skew_s"]) <= 2
        else:
            wait_for_polls(daemon, 30)
            assert events(daemon, "clock_set") == [] and abs(skew_told(daemon) - offset) <= 2


@pytest.mark.skipif(not FAKETIME, reason="libfaketime (package faketime) is not here")
@pytest.mark.parametrize("way", [1, -1])  # a box whose clock went back must not wait for ever either
def test_a_clock_that_does_not_keep_its_time_is_set_again_after_six_hours_and_not_before(way):
    with harness.Room() as room:
        synced, box = Synced(room, True), BoxClock(room, 0)
        sim = room.sim("an-1", "a6b", ("--tcp", "127.0.0.1:0"), "--results", "3", "--rate", "10", "--clock-offset", "-420")
        daemon = room.daemon(analyzer(sim.address, "set-clock = yes\n"), env=synced.environment(FAKETIME[0], **box.environment())).start()
        set_at = seconds(wait_for_events(daemon, "clock_set")[0]["at"])
        for minutes, times_set in (359, 1), (361, 2):  # counted from the first time, over the restarts between
            assert daemon.stop() == 0
            box.set(round(set_at + way * minutes * 60 - time.time()))
            daemon.start()
            harness.wait_for(lambda: abs(skew_told(daemon)) > 3600 or len(events(daemon, "clock_set")) == 2, 15, "its clock's own word")
            if times_set == 1:
                wait_for_polls(daemon, 30)
            told = wait_for_events(daemon, "clock_set", times_set)
            assert len(told) == times_set, told
        assert abs(told[1]["by_ms"] - way * 361 * 60000) <= 60000 and abs(told[1]["skew_s"]) <= 2, told


@pytest.mark.parametrize("setting, box_synced", [("", True), ("set-clock = yes\n", False)])
def test_a_clock_is_left_alone_unless_it_is_wished_and_ours_is_right(setting, box_synced):
    with harness.Room() as room:
        synced = Synced(room, box_synced)
        sim = room.sim("an-1", "a6b", ("--tcp", "127.0.0.1:0"), "--results", "3", "--rate", "10", "--clock-offset", "-420")
        daemon = room.daemon(analyzer(sim.address, setting), env=synced.environment()).start()
        results = lambda: [entry for entry in daemon.entries() if "instrument_seq" in entry]
        harness.wait_for(lambda: len(results()) == 3, 15, "the results")
        wait_for_polls(daemon, 10)
        assert events(daemon, "clock_set") == []
        assert all(seconds(record["tested_at"]) - seconds(record["received_at"]) < -410 for record in results())

"""The disk and the clock of a station: a real small disk that fills up under load, and a clock that is set."""
import contextlib
import glob
import json
import os
import socket
import subprocess

import harness
import pytest

READER = """[instrument reader-1]
driver = seven-e-aa
port = {serial}
line = 115200/8n1
poll = 100ms
"""
ANALYZER = """[instrument host-1]
driver = astm
port = tcp-listen:127.0.0.1:{port}
"""
TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 500ms\n"
ENQ, ACK, EOT = b"\x05", b"\x06", b"\x04"


@contextlib.contextmanager
def small_disk(room, size="16m"):
    """The journal's directory as a file system of its own; only root may mount one."""
    state = room.path("state")
    os.makedirs(state, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "assayd-test", state], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("needs a small tmpfs, which only root may mount")
    try:
        yield state
    finally:
        for process in room.processes:
            process.stop()
        subprocess.run(["umount", "-l", state], check=False)


def fill(directory):
    """Somebody else's file takes what there is."""
    path = os.path.join(directory, "theirs")
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return path


def level(daemon):
    return daemon.status()["store"]["level"]


def names(subscriber):
    return [json.loads(message.payload)["event"] for message in subscriber.of("event")]


def setting(daemon, text):
    """A [journal] setting beside those the harness writes."""
    path = os.path.join(daemon.conf, "assayd.conf")
    with open(path, encoding="utf-8") as conf:
        content = conf.read()
    with open(path, "w", encoding="utf-8") as conf:
        conf.write(content.replace("[journal]\n", f"[journal]\n{text}\n"))


def entries_of(daemon, kind):
    return [entry for entry in daemon.entries() if entry.get("kind") == kind]


def reader_room(room, reserve="reserve-mib = 4", rate="250", results="4000"):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "7", "--rate", rate, "--results", results,
                   "--capacity", "60000")
    daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port))
    setting(daemon, reserve)
    return broker, subscriber, sim, daemon


def test_a_full_disk_refuses_until_what_waits_is_delivered_and_loses_nothing():
    """Nobody frees anything: the reserve lets the acknowledgements be written, and what is delivered makes room."""
    with harness.Room() as room, small_disk(room) as state:
        broker, subscriber, sim, daemon = reader_room(room)
        daemon.start()
        harness.wait_for(lambda: daemon.status()["seq"] > 100, 20, "the first results")
        harness.stop_when_quiet(broker, daemon, subscriber)
        fill(state)
        harness.wait_for(lambda: level(daemon) == "full", 60, "a full disk")
        assert daemon.status()["store"]["reserve_bytes"] == 0
        refused_at = len(sim.truth())
        harness.wait_for(lambda: len(sim.truth()) > refused_at + 50, 20, "results that wait at the instrument")
        assert "wait at the instrument" in daemon.log()
        harness.start_when_heard(broker, daemon, subscriber)
        harness.wait_for(lambda: daemon.status()["store"]["first_seq"] > 1, 40, "delivered entries that were removed")
        harness.wait_for(lambda: level(daemon) != "full", 40, "room again")
        harness.wait_for(lambda: len(sim.truth()) == 4000, 60, "the last result")
        verdict = harness.settle([sim], subscriber, 60)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [] and verdict.finished > refused_at, verdict
        told = list(dict.fromkeys(name for name in names(subscriber) if name.startswith("store_")))
        # the disk was filled at a stroke: whether it was low was looked at before or after it was full
        assert set(told) == {"store_low", "store_full", "store_recovered"}
        assert told.index("store_full") < told.index("store_recovered")
        assert daemon.alive()
        print(f"full disk: {verdict.finished} results, 0 lost, 0 doubled, first kept {daemon.status()['store']['first_seq']}")


def test_storing_goes_on_without_a_restart_when_somebody_frees_space():
    with harness.Room() as room, small_disk(room) as state:
        broker, subscriber, sim, daemon = reader_room(room)
        daemon.start()
        harness.wait_for(lambda: daemon.status()["seq"] > 20, 20, "the first results")
        harness.stop_when_quiet(broker, daemon, subscriber)
        theirs = fill(state)
        harness.wait_for(lambda: level(daemon) == "full", 60, "a full disk")
        os.unlink(theirs)
        harness.wait_for(lambda: level(daemon) == "fine", 30, "room again")
        harness.wait_for(lambda: daemon.status()["store"]["reserve_bytes"] == 4 << 20, 30, "a reserve laid down again")
        harness.start_when_heard(broker, daemon, subscriber)
        harness.wait_for(lambda: len(sim.truth()) == 4000, 60, "the last result")
        verdict = harness.settle([sim], subscriber, 60)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.finished > 20, verdict
        assert names(subscriber).count("store_recovered") == 1


def test_on_a_full_disk_an_analyzer_gets_no_acknowledgement_before_its_result_is_stored():
    with harness.Room() as room, small_disk(room) as state:
        port = harness.free_port()
        daemon = room.daemon(ANALYZER.format(port=port))
        setting(daemon, "reserve-mib = 4")
        daemon.start()
        number = 0  # of the frame; the results count along with it

        def frame(text):
            nonlocal number
            number += 1
            body = b"%d%s\r\x03" % (number % 8, text)
            return b"\x02" + body + b"%02X\r\n" % (sum(body) % 256)

        with harness.dial(port) as host:
            host.settimeout(3)
            theirs = fill(state)
            for data in (ENQ, frame(b"H|\\^&|||Host^1"), frame(b"P|1"), frame(b"O|1|S-1||^^^AFB1")):
                host.sendall(data)
                assert host.recv(1) == ACK
            acknowledged = 0
            with pytest.raises(socket.timeout):  # soon the journal's own file has no room left
                while acknowledged < 20000:
                    host.sendall(frame(b"R|%d|^^^AFB1|%d.5|ug/kg||||F||||20260305094120" % (acknowledged + 1, acknowledged)))
                    assert host.recv(1) == ACK
                    acknowledged += 1
                    if acknowledged % 100 == 0:
                        fill(state)
            assert level(daemon) == "full" and acknowledged > 0
            assert len(entries_of(daemon, "sample")) == acknowledged
            os.unlink(theirs)
            host.settimeout(15)
            assert host.recv(1) == ACK
            assert len(entries_of(daemon, "sample")) == acknowledged + 1


def faked_time(room):
    """The environment of a daemon whose wall clock is told by a file, and whose monotonic clock runs on."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found or harness.SANITIZED:
        pytest.skip("needs libfaketime (package faketime), and no sanitizer before it")
    return {"LD_PRELOAD": f"{found[0]}:{harness.SHIM}", "FAKETIME_TIMESTAMP_FILE": room.path("faketime"), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def set_clock(room, offset):
    with open(room.path("faketime.new"), "w", encoding="utf-8") as file:
        file.write(f"{offset}\n")
    os.rename(room.path("faketime.new"), room.path("faketime"))


def test_a_clock_that_is_set_is_told_once_and_stops_nothing():
    with harness.Room() as room:
        environment = faked_time(room)
        set_clock(room, "+0")
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "7", "--rate", "20", "--results", "100000",
                       "--capacity", "60000")
        daemon = room.daemon(READER.format(serial=room.path("reader")), TARGET.format(port=broker.port), env=environment).start()

        def jumps():
            return [json.loads(m.payload) for m in subscriber.of("event") if json.loads(m.payload)["event"] == "clock_jump"]

        harness.wait_for(lambda: daemon.status()["seq"] > 10, 20, "the first results")
        for count, (offset, by_s) in enumerate((("-86400", -86400), ("+300", 86700), ("+31536000", 31535700)), 1):
            stored = daemon.status()["instruments"]["reader-1"]["polls"]
            set_clock(room, offset)
            harness.wait_for(lambda n=count: len(jumps()) == n, 10, f"the jump to {offset}")
            assert abs(jumps()[-1]["by_ms"] - by_s * 1000) < 2000, jumps()[-1]
            harness.wait_for(lambda n=stored: daemon.status()["instruments"]["reader-1"]["polls"] > n + 5, 10, "polls that go on")
        assert len(jumps()) == 3 and all("before" in jump and "after" in jump for jump in jumps())
        assert daemon.alive() and harness.in_order([record for record, _ in subscriber.records()])
        assert daemon.stop() == 0
        set_clock(room, "+0")  # back while nobody looks
        daemon.start()
        harness.wait_for(lambda: len(jumps()) >= 4, 30, "the clock that stands before the last entry")
        assert jumps()[-1]["by_ms"] < -31000000000

"""What passed on a line, recorded while the daemon works, and played to another daemon: the same records. And what
recording must not do: disturb."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import harness
import pytest

RESULTS = 8
ROOMS = {
    "pty": ("a2", "--serial", "driver = seven-e-aa\nline = 115200/8n1\npoll = 200ms\n", "{}", "bytes"),
    "tcp": ("a2", "--tcp", "driver = seven-e-aa\npoll = 200ms\n", "tcp:{}", "bytes"),
    "modbus-tcp": ("a6b", "--tcp", "driver = modbus\nprofile = analyzer-a6b\npoll = 200ms\n", "modbus-tcp:{}", "modbus-tcp"),
    "modbus-rtu": ("a6b", "--serial", "driver = modbus\nprofile = analyzer-a6b\nline = 115200/8n1\npoll = 200ms\n",
                   "modbus-rtu:{}", "modbus-rtu"),
}
VARIES = ("id", "epoch", "seq", "prev", "received_at", "clock", "flags")


class Recording(harness.Process):
    """assayctl capture; start() returns once it records."""

    def __init__(self, daemon, path, *options):
        self.path = path
        command = [os.path.join(harness.BUILD, "assayctl"), "-c", daemon.conf, "capture", *options, "pr-1", path]
        super().__init__(command, path + ".log", env={"LC_ALL": "C.UTF-8", "LANGUAGE": ""})

    def start(self):
        super().start()
        harness.wait_for(lambda: "recording pr-1" in self.log() or not self.alive(), 10, "the recording")
        assert self.alive(), self.log()
        return self

    def lines(self):
        with open(self.path, encoding="utf-8") as text:
            return text.read().splitlines()


def records_of(daemon):
    """What the station's records say, apart from when and where."""
    entries = [entry for entry in daemon.entries() if "kind" in entry]
    return [{key: value for key, value in entry.items() if key not in VARIES} for entry in entries]


def instrument(settings, port):
    return f"[instrument pr-1]\n{settings}port = {port}\n"


@contextlib.contextmanager
def second_room(settings, port):
    """Another station that has never seen the instrument."""
    with harness.Room() as room:
        text = re.sub("line = .*\n", "", settings)
        yield room.daemon(instrument(text.replace("poll = 200ms", "poll = 50ms\ntimeout = 300ms"), port)).start()


def free_address(kind, room):
    return room.path("line") if kind == "--serial" else f"127.0.0.1:{harness.free_port()}"


@pytest.mark.parametrize("how", ROOMS)
def test_a_session_recorded_and_played_gives_the_same_records(how):
    archetype, kind, settings, port, wire = ROOMS[how]
    with harness.Room() as room:
        address = free_address(kind, room)
        daemon = room.daemon(instrument(settings, port.format(address))).start()
        recording = room.add(Recording(daemon, room.path("a.capture"), "--results", str(RESULTS))).start()
        room.sim("pr-1", archetype, (kind, address), "--seed", "5", "--rate", "40", "--results", str(RESULTS))
        harness.wait_for(lambda: not recording.alive(), 40, "the end of the recording")
        assert recording.child.returncode == 0, recording.log()
        wanted = records_of(daemon)
        assert len(wanted) >= RESULTS
        lines = recording.lines()
        assert lines[0] == "# assay capture 1" and f"# wire: {wire}" in lines
        assert not any(harness.STATION in line or "127.0.0.1" in line for line in lines)
        assert all(re.fullmatch(r"[<>] \+\d+\.\d{6}( [0-9a-f]{2})+ # .*|#.*", line) for line in lines), lines
        times = [float(match[1]) for match in (re.match(r"[<>] \+(\S+)", line) for line in lines) if match]
        assert times == sorted(times)
        with second_room(settings, f"replay:{recording.path}") as second:
            harness.wait_for(lambda: len(records_of(second)) >= len(wanted), 30, "the records of the replay")
            assert records_of(second) == wanted


def crc16(frame):
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def bytes_of(line):
    return bytes.fromhex("".join(re.match(r"[<>] \+\S+((?: [0-9a-f]{2})+)", line)[1].split()))


def test_spoiled_answers_are_recorded_as_they_were_and_played_as_the_faults_they_are():
    archetype, kind, settings, port, _ = ROOMS["modbus-rtu"]
    settings += "lateness = 100ms\n"
    count = "12"
    with harness.Room() as room:
        address = free_address(kind, room)
        daemon = room.daemon(instrument(settings, port.format(address))).start()
        recording = room.add(Recording(daemon, room.path("a.capture"), "--results", count)).start()
        room.sim("pr-1", archetype, (kind, address), "--seed", "5", "--rate", "40", "--results", count, "--bad-crc", "0.06")
        harness.wait_for(lambda: not recording.alive(), 60, "the end of the recording")
        wanted, lines = records_of(daemon), [line for line in recording.lines() if line[0] in "<>"]
        spoiled = 0
        for question, answer in zip(lines, lines[1:]):
            if (question[0], answer[0]) == (">", "<"):
                spoiled += crc16(bytes_of(answer)) != 0
        assert spoiled > 0, lines
        with second_room(settings, f"replay:{recording.path}") as second:
            harness.wait_for(lambda: len(records_of(second)) >= len(wanted), 40, "the records of the replay")
            assert records_of(second) == wanted


def test_decode_reads_what_capture_wrote_for_bytes_and_registers():
    for how in ("tcp", "modbus-tcp"):
        archetype, kind, settings, port, _ = ROOMS[how]
        with harness.Room() as room:
            address = free_address(kind, room)
            daemon = room.daemon(instrument(settings, port.format(address))).start()
            recording = room.add(Recording(daemon, room.path("a.capture"), "--results", str(RESULTS))).start()
            sim = room.sim("pr-1", archetype, (kind, address), "--seed", "6", "--rate", "40", "--results", str(RESULTS))
            harness.wait_for(lambda: not recording.alive(), 40, "the end of the recording")
            profile = ["--profile", "analyzer-a6b"] if archetype == "a6b" else []
            done = daemon.ctl("decode", settings.split()[2], *profile, recording.path)
            assert done.returncode == 0 and "is a capture in text" in done.stderr, done.stderr
            read = {json.loads(line)["instrument_seq"] for line in done.stdout.splitlines()}
            assert {str(truth["instrument_seq"]) for truth in sim.truth()} <= read


def test_recording_under_load_disturbs_nothing_though_nobody_reads_it():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sim = room.sim("pr-1", "a2", ("--serial", room.path("line")), "--seed", "7", "--rate", "200", "--results", "100000",
                       "--capacity", "60000")
        daemon = room.daemon(instrument(ROOMS["pty"][2].replace("200ms", "50ms"), room.path("line")),
                             f"broker = mqtt://127.0.0.1:{broker.port}\n").start()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(os.path.join(daemon.directory, "control"))
            deaf.sendall(b'{"command":"capture","instrument":"pr-1"}\n')
            harness.wait_for(lambda: daemon.status()["instruments"]["pr-1"]["stored"] > 400, 30, "results")
            busy = daemon.ctl("capture", "pr-1", room.path("second"))
            assert busy.returncode == 1 and "recorded already" in busy.stderr
            verdict = harness.settle([sim], subscriber)
            assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
        harness.wait_for(lambda: daemon.ctl("capture", "--seconds", "1", "pr-1", room.path("third")).returncode == 0, 10,
                         "the end of the first recording")
        assert daemon.stop() == 0


def test_it_ends_by_signal_and_time_and_does_not_write_over_a_file():
    with harness.Room() as room:
        room.sim("pr-1", "a2", ("--serial", room.path("line")), "--seed", "8", "--rate", "5", "--results", "100000")
        daemon = room.daemon(instrument(ROOMS["pty"][2], room.path("line"))).start()
        recording = room.add(Recording(daemon, room.path("a.capture"))).start()
        harness.wait_for(lambda: len(recording.lines()) > 8, 10, "lines")
        assert recording.stop(signal.SIGINT) == 0
        kept = recording.lines()
        again = daemon.ctl("capture", "pr-1", recording.path)
        assert again.returncode == 1 and "there already" in again.stderr and recording.lines() == kept
        began = time.monotonic()
        assert daemon.ctl("capture", "--seconds", "1", "pr-1", room.path("b")).returncode == 0
        assert 0.9 < time.monotonic() - began < 8
        assert "no instrument 'pr-9'" in daemon.ctl("capture", "pr-9", room.path("c")).stderr
        assert daemon.ctl("capture", "--seconds", "0", "pr-1", room.path("c")).returncode == 64
        full = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "-c", daemon.conf, "capture", "pr-1", "-"],
                              stdout=open("/dev/full", "w", encoding="utf-8"), stderr=subprocess.PIPE, timeout=20, check=False)
        assert full.returncode == 1 and b"cannot be written" in full.stderr
        recording = room.add(Recording(daemon, room.path("d"))).start()
        daemon.stop()
        harness.wait_for(lambda: not recording.alive(), 10, "the end with the daemon")
        assert "ends here" in recording.log()
        assert daemon.ctl("capture", "pr-1", room.path("e")).returncode == 69 and not os.path.exists(room.path("e"))

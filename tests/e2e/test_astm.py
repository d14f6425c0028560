"""ASTM instruments: what others read in real messages, and real messages played to the daemon while it is killed."""
import collections
import glob
import json
import os
import re
import socket
import subprocess
import threading
import time
import tty

import harness
import pytest

CAPTURES = os.path.join(harness.ROOT, "tests", "captures", "astm")
TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\n"
KILLS = int(os.environ.get("KILLS", "8"))
ENQ, ACK, NAK, EOT = b"\x05", b"\x06", b"\x15", b"\x04"


def bytes_of(name):
    with open(os.path.join(CAPTURES, name + ".hex"), encoding="utf-8") as text:
        return bytes.fromhex("".join(line.split("#")[0] for line in text))


def decode(data):
    done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "decode", "astm"], input=data, capture_output=True,
                          timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


# ---- what others read in the captures ----

def sample_of(expected):
    """O-3's first component that says something, or what was found in O-4."""
    parts = [part for part in expected.get("sample_id", "").split("^") if part]
    return expected.get("sample_id_in_o4") or (parts[0] if parts else "")


def time_of(expected):
    """R-13 or R-12; in the malformed messages, where R-9 holds a time, that one."""
    status = expected.get("status", "")
    return expected.get("completed") or expected.get("started") or (status if re.fullmatch(r"\d{14}", status) else "")


def expected_names():
    return sorted(os.path.basename(path)[:-len(".expected.jsonl")] for path in glob.glob(f"{CAPTURES}/*.expected.jsonl"))


@pytest.mark.parametrize("name", expected_names())
def test_a_capture_decodes_to_what_others_read_in_it(name):
    with open(os.path.join(CAPTURES, name + ".expected.jsonl"), encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    wanted = [row for row in rows if row["kind"] == "result"]
    lines = decode(bytes_of(name))
    assert len(lines) == len(wanted) == rows[0]["results"]
    for line, row in zip(lines, wanted):
        assert line["qualifier"] + line["value"] == row["value"]
        assert line["qualifier"] == row.get("comparator", "")
        assert line["unit"] == row.get("unit", "")
        assert line["item"] == row["code"]
        assert line["sample_no"] == sample_of(row)
        assert re.sub("[-:T]", "", line["tested_at"]) == time_of(row)
        assert line["instrument_seq"] == row["seq"]
        assert line.get("verdict_as_sent", "") == row.get("flag", "")
        assert line["kind"] == ("qc" if "sample_id_in_o4" in row or rows[0]["processing_id"] == "Q" else "sample")


# ---- an instrument that plays them ----

def frame_pattern():
    return re.compile(rb"\x02([^\x03\x17]*[\x03\x17])..\r\n", re.S)


class Message:
    """A real message as runs of bytes cut as it was read; its sample number made another, its checksums right again."""

    def __init__(self, name, sample, new):
        with open(os.path.join(CAPTURES, name + ".chunks.jsonl"), encoding="utf-8") as lines:
            chunks = [bytes.fromhex(json.loads(line)["hex"]) for line in lines]
        assert len(sample) == len(new)
        data = b"".join(chunks).replace(sample, new)
        data = frame_pattern().sub(lambda m: b"\x02%s%02X\r\n" % (m[1], sum(m[1]) % 256), data)
        cuts, at = [], 0
        for chunk in chunks:
            at += len(chunk)
            cuts.append(at)
        self.data = data
        ends = {1} | {match.end() for match in frame_pattern().finditer(data)}  # an answer is owed: ENQ, frames
        self.turns, start, runs = [], 0, []
        for cut in sorted(set(cuts) | ends):
            runs.append(data[start:cut])
            start = cut
            if cut in ends:
                self.turns.append(runs)
                runs = []
        assert b"".join(runs).strip(b"\r\n") == EOT or not b"".join(runs)


class Instrument(threading.Thread):
    """Sends its messages one after the other; one that is not wholly acknowledged is sent again from the start."""

    def __init__(self, messages, connect):
        super().__init__(daemon=True)
        self.messages, self.connect = messages, connect
        self.delivered = self.interrupted = 0
        self.socket = None

    def link(self):
        while self.socket is None:
            try:
                self.socket = self.connect()
                self.socket.settimeout(5)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                time.sleep(0.02)
        return self.socket

    def turn(self, runs):
        for _ in range(6):
            for run in runs:
                self.link().sendall(run)
            answer = self.link().recv(1)
            if answer == ACK:
                return
            if answer != NAK:
                raise ConnectionError("gone")
        raise ConnectionError("refused")

    def run(self):
        for message in self.messages:
            while True:
                try:
                    for runs in message.turns:
                        self.turn(runs)
                    break
                except OSError:
                    self.interrupted += 1
                    if self.socket:
                        self.socket.close()
                    self.socket = None
            try:
                self.link().sendall(EOT)
            except OSError:
                self.socket = None
            self.delivered += 1


def key_of_line(line):
    return (line["sample_no"], line["item"], line["instrument_seq"], line["tested_at"], line["value"])


def key_of_record(record):
    return (record["sample"]["no"], record["item"]["as_sent"], record["instrument_seq"],
            record.get("tested_at", "")[:19], record.get("value") or record.get("value_as_sent"))


def messages_of(count):
    names = (("cobas-e411", b"000002327"), ("sta-satellite", b"000004782"))
    return [Message(*names[i % 2], b"%09d" % (700000 + i)) for i in range(count)]


def listening_instrument(port):
    """The daemon calls: the port of the instrument stays open while the daemon is away."""
    server = socket.create_server(("127.0.0.1", port))
    server.settimeout(0.5)

    def connect():
        return server.accept()[0]
    return connect


def calling_instrument(port):
    def connect():
        return socket.create_connection(("127.0.0.1", port), timeout=2)
    return connect


def arrived(subscriber, wanted, seconds):
    """Records by id, once all that is wanted is there or the time is up."""
    end = time.monotonic() + seconds
    while True:
        records = {record["id"]: record for record, _ in subscriber.records()}
        have = collections.Counter(map(key_of_record, records.values()))
        if not wanted - have or time.monotonic() > end:
            return have
        time.sleep(0.1)


@pytest.mark.parametrize("way", ["tcp-listen", "tcp"])
def test_every_result_arrives_once_though_the_daemon_is_killed_in_the_middle(way):
    with harness.Room() as room:
        broker, port = room.broker(), harness.free_port()
        subscriber = room.subscriber(broker.port)
        where = f"tcp-listen:{port}" if way == "tcp-listen" else f"tcp:127.0.0.1:{port}"
        connect = calling_instrument(port) if way == "tcp-listen" else listening_instrument(port)
        daemon = room.daemon(f"[instrument ia-1]\ndriver = astm\nport = {where}\n", TARGET.format(port=broker.port)).start()
        messages = messages_of(20 * KILLS)
        wanted = collections.Counter(key_of_line(line) for message in messages for line in decode(message.data))
        assert sum(wanted.values()) == 10 * KILLS * (7 + 6)
        instrument = Instrument(messages, connect)
        instrument.start()
        kills = 0
        while kills < KILLS:
            before = instrument.delivered
            harness.wait_for(lambda: instrument.delivered > before or not instrument.is_alive(), 30, "a message more")
            if not instrument.is_alive():
                break
            time.sleep(0.003 * (kills % 5))
            daemon.kill()
            daemon.start()
            kills += 1
        instrument.join(120 + KILLS)
        assert not instrument.is_alive() and instrument.delivered == len(messages)
        have = arrived(subscriber, wanted, 30)
        assert wanted - have == collections.Counter(), "lost"
        assert have - wanted == collections.Counter(), "doubled or invented"
        assert kills >= KILLS // 2 and instrument.interrupted >= kills // 4, "the daemon must have died in the middle of messages"


def test_a_damaged_frame_is_refused_and_a_lost_acknowledgement_doubles_nothing():
    with harness.Room() as room:
        broker, port = room.broker(), harness.free_port()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon(f"[instrument ia-1]\ndriver = astm\nport = tcp-listen:{port}\n",
                             TARGET.format(port=broker.port)).start()
        message = messages_of(2)[1]
        with harness.dial(port) as link:
            for runs in message.turns:
                whole = b"".join(runs)
                if len(whole) > 1:
                    link.sendall(whole[:3] + bytes([whole[3] ^ 1]) + whole[4:])
                    assert link.recv(1) == NAK
                for run in runs:
                    link.sendall(run)
                assert link.recv(1) == ACK
                if len(whole) > 1:  # as if that had not come
                    link.sendall(whole)
                    assert link.recv(1) == ACK
            link.sendall(EOT)
        wanted = collections.Counter(map(key_of_line, decode(message.data)))
        assert arrived(subscriber, wanted, 10) == wanted
        assert daemon.status()["instruments"]["ia-1"]["rejected"] == len(message.turns) - 1


def test_a_serial_line_carries_it_too():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        instrument, line = os.openpty()
        tty.setraw(line)
        os.symlink(os.ttyname(line), room.path("reader"))
        daemon = room.daemon(f"[instrument ia-1]\ndriver = astm\nport = {room.path('reader')}\n",
                             TARGET.format(port=broker.port)).start()
        message = messages_of(2)[1]
        harness.wait_for(lambda: daemon.status()["instruments"]["ia-1"]["health"] == "ok", 10, "the line open")
        for runs in message.turns:
            for run in runs:
                os.write(instrument, run)
            assert os.read(instrument, 1) == ACK
        os.write(instrument, EOT)
        wanted = collections.Counter(map(key_of_line, decode(message.data)))
        assert arrived(subscriber, wanted, 10) == wanted
        daemon.stop()
        os.close(instrument)
        os.close(line)


def test_a_question_is_answered_over_the_line_with_no_information():
    with harness.Room() as room:
        port = harness.free_port()
        room.daemon(f"[instrument ia-1]\ndriver = astm\nport = tcp-listen:{port}\n", None).start()
        frame = bytes_of("xl1000-query")[1:-2]
        with harness.dial(port) as link:
            for turn in (ENQ, frame):
                link.sendall(turn)
                assert link.recv(1) == ACK
            link.sendall(EOT)
            assert link.recv(1) == ENQ
            answer = b""
            while not answer.endswith(EOT):
                link.sendall(ACK)
                answer += link.recv(4096)
        assert re.search(rb"\x021H\|`\^&\|\|\|assayd.*\r\x03..\r\n\x022L\|1\|I\r\x03..\r\n\x04$", answer, re.S)


def test_decoding_again_takes_no_comment_from_a_record():
    with harness.Room() as room:
        port = harness.free_port()
        daemon = room.daemon(f"[instrument an-1]\ndriver = astm\nport = tcp-listen:{port}\n").start()
        with harness.dial(port) as link:
            link.sendall(bytes_of("cobas-e411"))
            harness.wait_for(lambda: len([entry for entry in daemon.entries() if "kind" in entry]) == 7, 10, "the records")
        before = daemon.entries()
        assert any("comment" in entry.get("said", {}) for entry in before)
        done = daemon.ctl("redecode")
        assert done.returncode == 0, done.stderr
        assert [entry["id"] for entry in daemon.entries() if "kind" in entry] == [entry["id"] for entry in before if "kind" in entry]

"""HL7 instruments: what others read in real messages, and messages sent by an independent program while the daemon is killed."""
import base64
import collections
import glob
import json
import os
import random
import re
import select
import socket
import subprocess
import threading
import time
import tty

import harness
import hl7
import pytest
from hl7.client import MLLPClient

CAPTURES = os.path.join(harness.ROOT, "tests", "captures", "hl7")
TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\n"
KILLS = int(os.environ.get("KILLS", "8"))
VT, FS, CR = b"\x0b", b"\x1c", b"\r"


def bytes_of(name):
    with open(os.path.join(CAPTURES, name + ".hex"), encoding="utf-8") as text:
        return bytes.fromhex("".join(line.split("#")[0] for line in text))


def decode(data):
    done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "decode", "hl7"], input=data, capture_output=True,
                          timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


# ---- what others read in the captures ----

def expected_names():
    return sorted(os.path.basename(path)[:-len(".expected.jsonl")] for path in glob.glob(f"{CAPTURES}/*.expected.jsonl"))


@pytest.mark.parametrize("form", ["", "-mllp"])
@pytest.mark.parametrize("name", expected_names())
def test_a_capture_decodes_to_what_others_read_in_it(name, form):
    with open(os.path.join(CAPTURES, name + ".expected.jsonl"), encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    wanted = [row for row in rows if row["kind"] == "result"]
    lines = decode(bytes_of(name + form))
    assert len(lines) == len(wanted) == rows[0]["results"]
    for line, row in zip(lines, wanted):
        assert line["qualifier"] + line["value"] == row["value"]
        assert line["unit"] == row.get("unit", "")
        assert line["item"] == [part for part in row["obx3"].split("^") if part][0]
        assert line["sample_no"] == (row.get("obr2") or row["obr3"])
        assert line["instrument_seq"] == row["set_id"]
        assert line.get("verdict_as_sent", "") == row.get("flag", "")
        assert line.get("said", {}).get("range", "") == row.get("range", "")
        assert line["kind"] == ("qc" if "QC" in rows[0]["device"] else "sample")
        assert line["tested_at"]


@pytest.mark.parametrize("name", expected_names() + ["specimens", "chemistry", "many"])
def test_python_hl7_reads_the_same_values(name):
    """Another program's parser, field by field."""
    wanted = []
    for message in re.findall(rb"MSH\|.*?(?=MSH\||\x1c)", bytes_of(name if name in ("specimens", "chemistry", "many") else name + "-mllp"), re.S):
        for segment in hl7.parse(message.decode("latin-1").strip("\r\n")):
            if str(segment[0]) == "OBX" and str(segment[2]) != "ED":
                wanted.append((str(segment[1]), str(segment[5])))
    lines = [(line["instrument_seq"], line["qualifier"] + line["value"]) for line in decode(bytes_of(name))]
    if name == "chemistry":
        del lines[0]  # a control whose value stands in its order
    assert lines == wanted


# ---- an instrument that sends until it is told AA ----

def message_of(number, results=3):
    segments = [f"MSH|^~\\&|FIA|R1|LIS|ROOM|20260305094120||ORU^R01|M{number}|P|2.3.1", f"PID|1||P{number}||NOBODY^KNOWN",
                f"OBR|1||S{number}|P^Panel|||20260305094001"]
    segments += [f"OBX|{i}|NM|T{i}^Test {i}||{number % 90}.{i}|ug/kg|<10|N|||F|||202603050940{i % 60:02d}"
                 for i in range(1, results + 1)]
    return "\r".join(segments) + "\r"


def key_of_line(line):
    return (line["sample_no"], line["item"], line["instrument_seq"], line["tested_at"], line["value"])


def key_of_record(record):
    return (record["sample"]["no"], record["item"]["as_sent"], record["instrument_seq"],
            record.get("tested_at", "")[:19], record.get("value") or record.get("value_as_sent"))


def wanted_of(messages):
    return collections.Counter(key_of_line(line) for message in messages for line in decode(message.encode()))


def arrived(subscriber, wanted, seconds):
    """Records by id, once all that is wanted is there or the time is up."""
    end = time.monotonic() + seconds
    while True:
        records = {record["id"]: record for record, _ in subscriber.records()}
        have = collections.Counter(map(key_of_record, records.values()))
        if not wanted - have or time.monotonic() > end:
            return have
        time.sleep(0.1)


def exactly_once(subscriber, wanted, seconds=30):
    have = arrived(subscriber, wanted, seconds)
    assert wanted - have == collections.Counter(), "lost"
    assert have - wanted == collections.Counter(), "doubled or invented"


class Instrument(threading.Thread):
    """Sends its messages one after the other over what connect() gives, in runs of random length; one that is not
    answered with AA is sent again as it was."""

    def __init__(self, messages, connect, seed=1):
        super().__init__(daemon=True)
        self.messages, self.connect, self.dice = messages, connect, random.Random(seed)
        self.delivered = self.interrupted = 0
        self.answers = []
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

    def drop(self):
        self.interrupted += 1
        if self.socket:
            self.socket.close()
        self.socket = None

    def answer(self, link):
        received = b""
        while not received.endswith(FS + CR):
            more = link.recv(4096)
            if not more:
                raise ConnectionError("gone")
            received += more
        return hl7.parse(received.strip(VT + FS + CR).decode())

    def deliver(self, message):
        block, link, at = VT + message.encode() + FS + CR, self.link(), 0
        while at < len(block):
            step = self.dice.randint(1, 150)
            link.sendall(block[at:at + step])
            at += step
        answer = self.answer(link)
        self.answers.append(answer)
        wanted = str(hl7.parse(message).segment("MSH")[10])
        return str(answer.segment("MSA")[1]) == "AA" and str(answer.segment("MSA")[2]) == wanted

    def run(self):
        for message in self.messages:
            while True:
                try:
                    if self.deliver(message):
                        break
                except OSError:
                    self.drop()
            self.delivered += 1


def calling(port):
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=2)


def listening(port):
    """The daemon calls: the instrument's port stays open while the daemon is away."""
    server = socket.create_server(("127.0.0.1", port))
    server.settimeout(0.5)
    return lambda: server.accept()[0]


@pytest.mark.parametrize("way", ["tcp-listen", "tcp"])
def test_every_result_arrives_once_though_the_daemon_is_killed_in_the_middle(way):
    with harness.Room() as room:
        broker, port = room.broker(), harness.free_port()
        subscriber = room.subscriber(broker.port)
        where = f"tcp-listen:{port}" if way == "tcp-listen" else f"tcp:127.0.0.1:{port}"
        connect = calling(port) if way == "tcp-listen" else listening(port)
        daemon = room.daemon(f"[instrument ia-1]\ndriver = hl7\nport = {where}\n", TARGET.format(port=broker.port)).start()
        messages = [message_of(number, 80 if number % 10 == 0 else 3) for number in range(1, 40 * KILLS)]
        wanted = wanted_of(messages)
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
        exactly_once(subscriber, wanted)
        assert kills >= KILLS // 2 and instrument.interrupted >= kills // 4, "the daemon must have died in the middle of messages"


def test_mllp_send_of_python_hl7_is_answered_and_understood(tmp_path):
    with harness.Room() as room:
        broker, port = room.broker(), harness.free_port()
        subscriber = room.subscriber(broker.port)
        room.daemon(f"[instrument ia-1]\ndriver = hl7\nport = tcp-listen:{port}\n", TARGET.format(port=broker.port)).start()
        harness.dial(port).close()
        messages = [message_of(number) for number in range(1, 6)]
        for number, message in enumerate(messages, 1):
            path = tmp_path / f"{number}.hl7"
            path.write_bytes(message.encode())
            sent = subprocess.run(["mllp_send", "--loose", "--port", str(port), "--file", str(path), "127.0.0.1"], timeout=30,
                                  capture_output=True, check=False)
            assert sent.returncode == 0, sent.stderr
            answer = hl7.parse(sent.stdout.strip().strip(VT + FS + CR).decode())
            assert str(answer.segment("MSA")) == f"MSA|AA|M{number}|message accepted|||0|"
            assert str(answer.segment("MSH")[9]) == "ACK^R01"
            assert [str(answer.segment("MSH")[i]) for i in (3, 4, 5, 6)] == ["LIS", "ROOM", "FIA", "R1"]
        with MLLPClient("127.0.0.1", port) as client:  # and once more, as if an answer had been lost
            for message in messages:
                assert b"MSA|AA|" in client.send_message(message)
        exactly_once(subscriber, wanted_of(messages), 10)


def test_a_link_that_breaks_before_the_answer_doubles_nothing():
    with harness.Room() as room:
        broker, port = room.broker(), harness.free_port()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon(f"[instrument ia-1]\ndriver = hl7\nport = tcp-listen:{port}\n",
                             TARGET.format(port=broker.port)).start()
        block = VT + message_of(1).encode() + FS + CR
        for turn in range(1, 4):
            with harness.dial(port) as link:
                link.sendall(block)  # closed without reading: the answer finds nobody
            harness.wait_for(lambda: sum(daemon.status()["instruments"]["ia-1"][key] for key in ("stored", "known")) == 3 * turn,
                             10, "the message stored")
        with harness.dial(port) as link:
            link.sendall(block[:-20])  # half a message
        with harness.dial(port) as link:
            link.sendall(block)
            assert b"MSA|AA|M1|" in link.recv(4096)
        exactly_once(subscriber, wanted_of([message_of(1)]), 10)


def test_what_cannot_be_read_is_refused_and_kept_as_an_event():
    with harness.Room() as room:
        broker, port = room.broker(), harness.free_port()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon(f"[instrument ia-1]\ndriver = hl7\nport = tcp-listen:{port}\n",
                             TARGET.format(port=broker.port)).start()
        with harness.dial(port) as link:
            link.sendall(VT + b"OBX|1|NM|A||1\r" + FS + CR)
            assert b"MSA|AE|" in link.recv(4096)
            link.sendall(VT + b"MSH|^~\\&|BS||||||QRY^Q02|5|P|2.3.1\rQRD|1\r" + FS + CR)
            assert b"MSA|AR|5|message type not handled" in link.recv(4096)
        harness.wait_for(lambda: "undecodable" in [json.loads(m.payload)["event"] for m in subscriber.of("event")], 10,
                         "the event undecodable")
        assert daemon.status()["instruments"]["ia-1"]["rejected"] == 1
        assert not subscriber.records()


def test_bytes_that_are_no_message_are_kept_without_persons():
    """Links that break in a person's segment, and the rest of it that comes alone: shown as stars, and how many."""
    with harness.Room() as room:
        broker, port = room.broker(), harness.free_port()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon(f"[instrument ia-1]\ndriver = hl7\nport = tcp-listen:{port}\ntimeout = 300ms\n",
                             TARGET.format(port=broker.port)).start()
        message = message_of(1).encode()
        person = message.index(b"NOBODY")

        def undecodable():
            return [json.loads(told.payload) for told in subscriber.of("event") if b'"undecodable"' in told.payload]

        with harness.dial(port) as link:  # the connection breaks in PID
            link.sendall(VT + message[:person + 9])
        event = harness.wait_for(undecodable, 10, "what came before it broke")[0]
        assert base64.b64decode(event["raw"]) == message[:message.index(b"PID")]
        assert event["bytes_left_out"] == len(b"PID|1||P1||NOBODY^KN")
        for pieces, kept, hidden in (((b"BODY^KNO", b"WN\r"), b"**********", 10),
                                     ((b"PI", b"D|2||P2||NOBO", b"DY\r"), b"PID**************", 14),
                                     ((b"N", b"TE|1||of NOBODY\n"), b"****************", 16),
                                     ((b"OB", b"X|1|NM|A||1\r"), b"OBX|1|NM|A||1", None)):
            known = len(undecodable())
            daemon.stop()
            daemon.start()  # nobody heard how the line began
            with harness.dial(port) as link:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for piece in pieces:
                    link.sendall(piece)
            event = harness.wait_for(lambda known=known: undecodable()[known:], 10, f"the rest, {kept}")[0]
            assert (base64.b64decode(event["raw"]), event.get("bytes_left_out")) == (kept, hidden)


def test_a_sender_without_end_blocks_is_refused_once_and_then_delivers():
    with harness.Room() as room:
        broker, port = room.broker(), harness.free_port()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon(f"[instrument ia-1]\ndriver = hl7\nport = tcp-listen:{port}\ntimeout = 300ms\n",
                             TARGET.format(port=broker.port)).start()

        def answers(link, count):
            received = b""
            while received.count(FS + CR) < count:
                more = link.recv(4096)
                assert more, received
                received += more
            return re.findall(rb"MSA\|(A.\|M\d+)", received)

        with harness.dial(port) as link:
            link.settimeout(20)
            link.sendall(VT + message_of(1).encode())
            assert answers(link, 1) == [b"AE|M1"]  # with silence; its bytes are an event
            link.sendall(VT + message_of(1).encode())
            assert answers(link, 1) == [b"AA|M1"]
            daemon.kill()  # what was acknowledged is stored
        daemon.start()
        with harness.dial(port) as link:  # and what the sender is, too
            link.settimeout(20)
            link.sendall(b"".join(VT + message_of(number).encode() for number in (2, 3, 4)))
            assert answers(link, 3) == [b"AA|M2", b"AA|M3", b"AA|M4"]
        with harness.dial(port) as link:
            link.sendall(VT + message_of(5).encode())  # hangs up
        exactly_once(subscriber, wanted_of(map(message_of, range(1, 6))))
        told = [json.loads(message.payload) for message in subscriber.of("event")]
        assert [base64.b64decode(event["raw"])[:3] for event in told if event["event"] == "undecodable"] == [b"MSH"]


def test_a_serial_line_carries_it_too():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        instrument, line = os.openpty()
        tty.setraw(line)
        os.symlink(os.ttyname(line), room.path("reader"))
        daemon = room.daemon(f"[instrument ia-1]\ndriver = hl7\nport = {room.path('reader')}\n",
                             TARGET.format(port=broker.port)).start()
        harness.wait_for(lambda: daemon.status()["instruments"]["ia-1"]["health"] == "ok", 10, "the line open")
        messages = [message_of(number) for number in (1, 2)]
        for message in messages:
            os.write(instrument, VT + message.encode() + FS + CR)
            answer = b""
            while not answer.endswith(FS + CR):
                assert select.select([instrument], [], [], 10)[0], "an answer"
                answer += os.read(instrument, 4096)
            assert b"MSA|AA|" in answer
        exactly_once(subscriber, wanted_of(messages), 10)
        daemon.stop()
        os.close(instrument)
        os.close(line)


# ---- the simulated analyzer ----

def start_sim(room, way, *sim_options):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    if way == "serial":
        where, port = ("--serial", room.path("line")), room.path("line")
    elif way == "listens":
        where, port = ("--tcp", f"127.0.0.1:{harness.free_port()}"), ""
        port = "tcp:" + where[1]
    else:
        number = harness.free_port()
        where, port = ("--dial", f"127.0.0.1:{number}"), f"tcp-listen:{number}"
    sim = room.sim("ia-1", "hl7", where, "--seed", "7", *sim_options)
    daemon = room.daemon(f"[instrument ia-1]\ndriver = hl7\nport = {port}\nflags = N=negative A=positive S=suspect X=invalid\n",
                         TARGET.format(port=broker.port))
    return subscriber, sim, daemon


def clean(verdict, least):
    assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
    assert verdict.finished >= least


def finished(sim, count):
    harness.wait_for(lambda: len(sim.truth()) >= count, 60, f"{count} results finished")


@pytest.mark.parametrize("way", ["serial", "listens", "dials"])
def test_a_simulated_analyzer_delivers_each_result_once(way):
    with harness.Room() as room:
        subscriber, sim, daemon = start_sim(room, way, "--results", "120", "--rate", "120", "--burst", "5", "--same", "0.3")
        daemon.start()
        finished(sim, 120)
        clean(harness.settle([sim], subscriber), 120)
        records = [record for record, _ in subscriber.records()]
        assert {record["kind"] for record in records} == {"sample", "qc"}
        for truth, record in zip(sim.truth(), records):
            assert record["sample"]["name"] == truth["sample_name"]
            assert record["verdict_as_sent"] == {"negative": "N", "positive": "A", "suspect": "S", "invalid": "X"}[truth["verdict"]]


@pytest.mark.parametrize("way", ["serial", "dials"])
def test_it_survives_noise_cut_messages_lost_answers_and_kills(way):
    dice = random.Random(11)
    with harness.Room() as room:
        subscriber, sim, daemon = start_sim(room, way, "--results", "160", "--rate", "60", "--burst", "4", "--noise", "0.2",
                                            "--short", "0.05", "--silence", "0.1", "--unplug", "2:0.5")
        for _ in range(KILLS // 2):
            daemon.start()
            time.sleep(dice.uniform(0.05, 0.5))
            daemon.kill()
        daemon.start()
        finished(sim, 160)
        clean(harness.settle([sim], subscriber, 60), 160)


def test_what_it_says_to_have_tested_again_is_linked_to_the_first_test_of_the_sample():
    with harness.Room() as room:
        subscriber, sim, daemon = start_sim(room, "dials", "--results", "60", "--rate", "60", "--burst", "4", "--same", "0", "--retests", "0.4")
        daemon.start()
        finished(sim, 30)
        daemon.kill()  # a repeat and its first come in one message, in two, or on both sides of this
        daemon.start()
        finished(sim, 60)
        clean(harness.settle([sim], subscriber), 60)
        records = {record["instrument_seq"]: record for record, _ in subscriber.records()}
        tests = collections.defaultdict(list)  # of each sample, in their order
        for truth in sim.truth():
            record, before = records[truth["instrument_seq"]], tests[truth["sample_no"]]
            assert bool(before) == ("retest_said" in record["flags"]) == truth.get("retest", False), (truth, record)
            assert record.get("said", {}).get("retest") == ("R repeated" if before else None)
            assert record.get("retest_of") == (before[0] if before else None)
            assert record.get("test_seq", 1) == len(before) + 1
            before.append(record["id"])
        again = {ids[0]: ids for ids in tests.values() if len(ids) > 1}
        assert len(again) > 5 and max(map(len, again.values())) > 2
        told = [json.loads(message.payload) for message in subscriber.of("event")]
        groups = {event["group"]: [member["id"] for member in event["members"]]
                  for event in sorted(told, key=lambda event: event["seq"]) if event["event"] == "retest_group"}
        assert {first: groups.get(first) for first in again} == again

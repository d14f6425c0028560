"""A simulated fluorescence reader (assay-sim a7) and the daemon, over every link, with faults, questions and kills."""
import os
import random
import select
import socket
import threading
import time

import harness
import pytest

TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\n"
KILLS = int(os.environ.get("KILLS", "6"))
EOT, ACK = b"\x04", b"\x06"
FLAGS = {"negative": "N", "positive": "A", "suspect": "S", "invalid": "X"}
ITEMS = {"401": "CHLORPYRIFOS", "402": "AFB1", "403": "孔雀石绿"}


def start_sim(room, way, *options, settings=""):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    if way == "serial":
        where, port = ("--serial", room.path("line")), room.path("line")
    elif way == "listens":
        where = ("--tcp", f"127.0.0.1:{harness.free_port()}")
        port = "tcp:" + where[1]
    else:
        number = harness.free_port()
        where, port = ("--dial", f"127.0.0.1:{number}"), f"tcp-listen:{number}"
    sim = room.sim("ia-1", "a7", where, "--seed", "7", *options)
    daemon = room.daemon(f"[instrument ia-1]\ndriver = astm\nport = {port}\n"
                         f"flags = N=negative A=positive S=suspect X=invalid\n{settings}", TARGET.format(port=broker.port))
    return subscriber, sim, daemon


def finished(sim, count):
    harness.wait_for(lambda: len(sim.truth()) >= count, 60 + KILLS, f"{count} results finished")


def clean(verdict, count):
    assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
    assert verdict.finished == count


@pytest.mark.parametrize("way, options", [
    ("serial", ("--lots",)),
    ("listens", ("--one-frame",)),
    ("dials", ("--no-enq", "--frame-size", "20")),
])
def test_a_reader_delivers_each_result_once_word_for_word(way, options):
    with harness.Room() as room:
        subscriber, sim, daemon = start_sim(room, way, "--results", "120", "--rate", "120", "--burst", "5", "--same", "0.3",
                                            *options)
        daemon.start()
        finished(sim, 120)
        clean(harness.settle([sim], subscriber), 120)
        records = {record["instrument_seq"]: record for record, _ in subscriber.records()}
        for truth in sim.truth():
            record = records[truth["instrument_seq"]]
            assert record["sample"]["name"] == truth["sample_name"]
            assert record["item"]["as_sent"] == ITEMS[truth["item"]]
            assert record["verdict_as_sent"] == FLAGS[truth["verdict"]]
        names = {truth["sample_name"] for truth in sim.truth()}
        assert {"鱸魚", "鱘魚", "大頭菜", "馬鈴薯", "𠮷利蝦"} <= names, "characters whose bytes equal | ~ \\ ^ R, and four bytes"


@pytest.mark.parametrize("way", ["serial", "dials"])
def test_nothing_is_lost_or_doubled_by_noise_wrong_sums_cut_frames_lost_answers_and_kills(way):
    dice, rejected, results = random.Random(11), 0, 8 + 12 * KILLS
    with harness.Room() as room:
        subscriber, sim, daemon = start_sim(room, way, "--results", str(results), "--rate", "40", "--burst", "4", "--noise", "0.1",
                                            "--bad-crc", "0.05", "--short", "0.01", "--silence", "0.01", "--unplug", "2:0.5")
        for _ in range(KILLS):
            daemon.start()
            time.sleep(dice.uniform(0.05, 0.5))
            rejected += daemon.status()["instruments"]["ia-1"]["rejected"]
            daemon.kill()
        daemon.start()
        finished(sim, results)
        clean(harness.settle([sim], subscriber, 60 + KILLS), results)
        rejected += daemon.status()["instruments"]["ia-1"]["rejected"]
        assert rejected > 0, "frames were damaged"


class Between(threading.Thread):
    """Stands between the reader, which calls, and the daemon, which listens; keeps what the daemon says, or, with
    `early`, acknowledges in its place as soon as a frame has passed."""

    def __init__(self, host_port, early=False):
        super().__init__(daemon=True)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port, self.host_port, self.early = self.server.getsockname()[1], host_port, early
        self.host, self.said = None, b""

    def pass_on(self, data):
        try:
            if self.host is None:
                self.host = socket.create_connection(("127.0.0.1", self.host_port), timeout=5)
            self.host.sendall(data)
        except OSError:
            self.host = None

    def run(self):
        reader = self.server.accept()[0]
        while True:
            waiting = [reader] + ([self.host] if self.host else [])
            for ready in select.select(waiting, [], [])[0]:
                try:
                    data = ready.recv(4096)
                except OSError:
                    data = b""
                if ready is reader and not data:
                    return
                if ready is reader:
                    self.pass_on(data)
                    if self.early and data != EOT:
                        reader.sendall(ACK)
                elif data:
                    self.said += data
                    if not self.early:
                        reader.sendall(data)
                else:
                    self.host = None


def between(room, early, *options):
    """A room whose reader calls somebody in between."""
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    port = harness.free_port()
    daemon = room.daemon(f"[instrument ia-1]\ndriver = astm\nport = tcp-listen:{port}\n", TARGET.format(port=broker.port)).start()
    middle = Between(port, early)
    middle.start()
    sim = room.sim("ia-1", "a7", ("--dial", f"127.0.0.1:{middle.port}"), "--seed", "7", *options)
    return subscriber, sim, daemon, middle


def test_questions_are_answered_also_when_both_begin_at_once():
    with harness.Room() as room:
        subscriber, sim, _, middle = between(room, False, "--results", "40", "--rate", "40", "--burst", "4", "--queries", "0.8")
        finished(sim, 40)
        clean(harness.settle([sim], subscriber, 40), 40)
        harness.wait_for(lambda: middle.said.count(b"L|1|I") >= 2, 10, "answers: no information")


def test_an_acknowledgement_before_storing_would_lose_results():
    """The negative control of the tests above: somebody acknowledges in place of the daemon, which is killed."""
    with harness.Room() as room:
        subscriber, sim, daemon, _ = between(room, True, "--results", "100", "--rate", "100")
        finished(sim, 20)
        daemon.kill()
        finished(sim, 80)
        daemon.start()
        finished(sim, 100)
        verdict = harness.settle([sim], subscriber, 3)
        assert verdict.lost != [] and verdict.doubled == [] and verdict.received > 0, verdict

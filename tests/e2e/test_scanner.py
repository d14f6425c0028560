"""Scanners and registrations in the whole gateway: each result gets the sample it belongs to, once, whatever is killed."""
import contextlib
import json
import re
import socket
import threading
import time

import harness


class Peer:
    """A TCP server with one conversation at a time; `talk` gets each."""

    def __init__(self, talk):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.connection = None
        self.talk = talk
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                self.connection, _ = self.server.accept()
            except OSError:
                return
            with self.connection, contextlib.suppress(OSError):
                self.talk(self.connection)

    def stop(self):
        self.server.close()


class Scanner(Peer):
    def __init__(self):
        super().__init__(lambda connection: connection.recv(1))

    def scan(self, code, end=b"\r"):
        harness.wait_for(lambda: self.connection and self.connection.fileno() >= 0, 10, "the gateway at the scanner")
        self.connection.sendall(code.encode() + end)


class Reader(Peer):
    """A reader that names no sample: it lists what it finished whenever it is asked by date, again and again."""

    def __init__(self):
        self.lines, self.asked = [], 0
        super().__init__(self.answer)

    def finish(self, value, sample=""):
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600))
        self.lines.append(f"R,{sample},A01,甲醛,0.123,{value},mg/kg,合格,{day} 09:41:20,5A")

    def answer(self, connection):
        held = b""
        while True:
            got = connection.recv(100)
            if not got:
                return
            held += got
            if re.search(rb"D\d{4}-\d\d-\d\dD\d{4}-\d\d-\d\d", held):
                held = b""
                connection.sendall(("".join(self.lines) + "FINISH").encode("gb18030"))
                self.asked += 1


def reader_section(port):
    return (f"[instrument pr-1]\ndriver = text\nprofile = reader-a9\nport = tcp:127.0.0.1:{port}\npoll = 50ms\n"
            "timeout = 500ms\n\n")


def scanner_section(port, **settings):
    lines = "".join(f"{key.replace('_', '-')} = {value}\n" for key, value in settings.items())
    return f"[instrument scan-1]\ndriver = scanner\nport = {port}\nnames = pr-1\n{lines}\n"


def start(room, text):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    return subscriber, room.daemon(text, f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\n").start()


def events(daemon, name):
    return [entry for entry in daemon.entries() if entry.get("event") == name]


def samples_by_value(subscriber):
    """value -> sample, of each record once; a value with two records fails."""
    records = {record["id"]: record for record, _ in subscriber.records()}
    found = {}
    for record in records.values():
        assert record["value"] not in found, f"two records of {record['value']}"
        found[record["value"]] = record.get("sample", {})
    return found


def test_every_result_gets_its_sample_though_the_gateway_is_killed_between_and_behind():
    with harness.Room() as room:
        scanner, reader = Scanner(), Reader()
        subscriber, daemon = start(room, reader_section(reader.port) + scanner_section(f"tcp:127.0.0.1:{scanner.port}"))
        rounds = 8
        for number in range(1, rounds + 1):
            scanner.scan(f"20260305-{number:03}")
            harness.wait_for(lambda n=number: len(events(daemon, "sample_registered")) == n, 10, "the scan")
            if number % 2:  # the scan is durable: kill before the result
                daemon.kill()
                daemon.start()
            reader.finish(f"{number}.5")
            if number % 3 != 1:  # kill while it is read and stored, a little later each time
                time.sleep(0.01 * number)
                daemon.kill()
                daemon.start()
            harness.wait_for(lambda n=number: f"{n}.5" in samples_by_value(subscriber), 10, "the result")
        reader.finish("99.5")  # nobody scanned for this one
        harness.wait_for(lambda: "99.5" in samples_by_value(subscriber), 10, "the last result")
        asked = reader.asked
        harness.wait_for(lambda: reader.asked > asked + 5, 10, "more readings of the same")
        found = samples_by_value(subscriber)
        assert found.pop("99.5") == {}
        assert found == {f"{n}.5": {"no": f"20260305-{n:03}", "bound_by": "scanner", "registered_by": "scanner"}
                         for n in range(1, rounds + 1)}
        assert not events(daemon, "scan_unused")
        scanner.stop()
        reader.stop()


def test_a_scan_over_a_serial_line_names_what_a_luminometer_finds_next():
    with harness.Room() as room:
        codes = room.path("codes")
        with open(codes, "w", encoding="gb18030") as file:
            file.write("0 0.000.not.a.code！\n0.5 产品名称：菠菜；产地：嘉善；身份证：无\n1.0 91350100M000100Y44\n")
        sim = room.sim("scan", "scanner", ("--serial", room.path("scanner")), "--codes", codes, "--code-end", "none")
        meter = room.sim("pr-1", "a5", ("--tcp", "127.0.0.1:0"), "--results", "2", "--rate", "1", "--start-delay", "3")
        subscriber, daemon = start(room, f"[instrument pr-1]\ndriver = atp\nport = tcp:{meter.address}\npoll = 100ms\n\n"
                                   + scanner_section(room.path("scanner")))
        harness.wait_for(lambda: len(subscriber.records()) == 2, 20, "both results")
        first, second = (record for record, _ in subscriber.records())
        assert first["sample"] == {"name": "菠菜", "origin": "嘉善", "bound_by": "scanner", "registered_by": "scanner"}
        assert "sample" not in second
        refused = [event["reason"] for event in events(daemon, "scan_refused")]
        assert any("would have to be 3" in reason for reason in refused)
        assert len(sim.truth()) == 3


def test_a_scan_that_nobody_uses_is_told_once_also_after_a_restart():
    with harness.Room() as room:
        scanner, reader = Scanner(), Reader()
        subscriber, daemon = start(room, reader_section(reader.port)
                                   + scanner_section(f"tcp:127.0.0.1:{scanner.port}", lifetime="1s"))
        scanner.scan("S-1")
        harness.wait_for(lambda: events(daemon, "scan_unused"), 10, "the scan nobody used")
        told = events(daemon, "scan_unused")[0]
        assert told["sample"] == {"no": "S-1"}
        assert told["registered"] == events(daemon, "sample_registered")[0]["id"]
        reader.finish("1.5")
        harness.wait_for(lambda: subscriber.records(), 10, "a result")
        assert "sample" not in subscriber.records()[0][0]
        scanner.scan("S-2")
        harness.wait_for(lambda: len(events(daemon, "sample_registered")) == 2, 10, "the second scan")
        daemon.kill()
        daemon.start()
        harness.wait_for(lambda: len(events(daemon, "scan_unused")) == 2, 10, "the one that waited over a restart")
        scanner.stop()
        reader.stop()


def test_samples_are_registered_by_hand_and_from_a_spreadsheet():
    with harness.Room() as room:
        reader = Reader()
        subscriber, daemon = start(room, reader_section(reader.port))
        table = room.path("samples.csv")
        with open(table, "w", encoding="gb18030") as file:
            file.write("no,name,party,uscc,event\r\nS-1,菠菜,\"某户,甲\",91350100M000100Y43,市场入场\r\nS-2,白菜,,,\r\n")
        assert daemon.ctl("register", "--file", table).stdout == "2 registered\n"
        assert daemon.ctl("register", "--next", "pr-1", "S-3", "name=韭菜").returncode == 0
        reader.finish("1.5")
        harness.wait_for(lambda: len(subscriber.records()) == 1, 10, "the next result")
        reader.finish("2.5", "S-1")
        reader.finish("3.5", "S-9")
        harness.wait_for(lambda: len(samples_by_value(subscriber)) == 3, 10, "three results")
        assert samples_by_value(subscriber) == {
            "1.5": {"no": "S-3", "name": "韭菜", "bound_by": "register", "registered_by": "register"},
            "2.5": {"no": "S-1", "name": "菠菜", "party": "某户,甲", "uscc": "91350100M000100Y43", "event": "市场入场",
                    "bound_by": "instrument", "registered_by": "register"},
            "3.5": {"no": "S-9", "bound_by": "instrument"}}
        listed = [json.loads(line) for line in daemon.ctl("--json", "samples").stdout.splitlines()]
        assert [(sample["no"], sample["used"]) for sample in listed] == [("S-1", 1), ("S-2", 0), ("S-3", 1)]
        assert "S-3" in daemon.ctl("samples").stdout


def test_what_cannot_be_registered_says_why_and_registers_nothing():
    with harness.Room() as room:
        reader = Reader()
        _, daemon = start(room, reader_section(reader.port))
        for arguments, words in (
                (["S-1", "nam=x"], "did you mean 'name'"), (["--next", "pr-2", "S-1"], "did you mean 'pr-1'"),
                (["S-1", "uscc=91350100M000100Y44"], "would have to be 3"), (["name=x"], "belongs to no result"),
                (["330421198001010013", "name=x"], "identity card"), (["S-1", "x"], "no KEY=VALUE"),
                (["--for", "5", "--next", "pr-1", "S-1"], "--for"), (["--results", "x", "S-1"], "number of results"),
                (["S-1", "name=" + "x" * 200], "too many"), ([], "register takes"), (["--next", "pr-1"], "register takes")):
            done = daemon.ctl("register", *arguments)
            assert done.returncode in (1, 64) and words in done.stderr, (arguments, done.stderr)
        table = room.path("samples.csv")
        with open(table, "w", encoding="utf-8") as file:
            file.write("no,name,uscc\nS-1,菠菜,\nS-2,白菜,91350100M000100Y44\n")
        done = daemon.ctl("register", "--file", table)
        assert done.returncode == 1 and "samples.csv:3" in done.stderr and "would have to be 3" in done.stderr
        assert daemon.ctl("samples").stdout == "no sample is registered\n"
        daemon.stop()
        assert daemon.ctl("register", "S-1").returncode == 69

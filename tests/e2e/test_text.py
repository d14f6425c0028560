"""Instruments of text profiles and the whole gateway: lines asked by date, tickets that silence ends. Each result once."""
import contextlib
import datetime
import re
import socket
import threading
import time

import harness

LINE = "R,{no},A{well:02},甲醛,0.123,{value},mg/kg,合格,{day} 09:41:20,5A"


class Instrument:
    """Listens like an instrument behind a serial server; `talk` gets each connection."""

    def __init__(self, talk):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.talk = talk
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.talk(connection)

    def stop(self):
        self.server.close()


class Reader(Instrument):
    """Answers D2026-03-05D2026-03-05 in small pieces."""

    def __init__(self):
        self.lines, self.questions = [], []
        super().__init__(self.answer)

    def answer(self, connection):
        held = b""
        while True:
            got = connection.recv(100)
            if not got:
                return
            held += got
            match = re.search(rb"D(\d{4}-\d\d-\d\d)D(\d{4}-\d\d-\d\d)", held)
            if not match:
                continue
            held = b""
            first, last = (day.decode() for day in match.groups())
            self.questions.append((first, last))
            answer = "".join(line for day, line in list(self.lines) if first <= day <= last) + "FINISH"
            encoded = answer.encode("gb18030")
            for at in range(0, len(encoded), 37):
                connection.sendall(encoded[at:at + 37])
                time.sleep(0.001)


def instrument(profile, port, **settings):
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return f"[instrument text-1]\ndriver = text\nprofile = {profile}\nport = tcp:127.0.0.1:{port}\n{lines}"


def start(room, text):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    return subscriber, room.daemon(text, f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\n").start()


def samples(subscriber):
    return sorted(record["sample"]["no"] for record, _ in subscriber.records())


def test_lines_asked_by_date_arrive_once_though_they_are_read_again_and_after_a_kill():
    with harness.Room() as room:
        reader = Reader()
        today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date()
        old = str(today - datetime.timedelta(days=3))
        reader.lines += [(old, LINE.format(no="S0001", well=1, value="2.30", day=old)),
                         (old, LINE.format(no="S0002", well=2, value="<0.05", day=old))]
        subscriber, daemon = start(room, instrument("reader-a9", reader.port, poll="200ms", timeout="500ms"))
        harness.wait_for(lambda: samples(subscriber) == ["S0001", "S0002"], 20, "what the reader held")
        now = str(today)
        reader.lines += [(now, LINE.format(no="S0003", well=3, value="12.90", day=now))] * 2
        harness.wait_for(lambda: len(samples(subscriber)) >= 4, 20, "two results alike")
        daemon.kill()
        reader.lines.append((now, LINE.format(no="S0004", well=4, value="0.1", day=now)))
        asked = len(reader.questions)
        daemon.start()
        harness.wait_for(lambda: "S0004" in samples(subscriber), 20, "the result of the time without a gateway")
        harness.wait_for(lambda: len(reader.questions) > asked + 5, 20, "more polls")
        records = {record["id"]: record for record, _ in subscriber.records()}
        assert sorted(record["sample"]["no"] for record in records.values()) == ["S0001", "S0002", "S0003", "S0003", "S0004"]
        assert (old, now) not in reader.questions[asked:]
        reader.stop()


def test_a_ticket_is_stored_though_its_job_is_closed_or_the_gateway_stops_before_the_silence():
    """Print jobs over TCP end with their connection; a stop in the silence behind a ticket must not cost it either."""
    ticket = "\x1b@检测项目：孔雀石绿\n样品编号：{no}\n检测结果：{value} μg/kg\n判定结果：阴性\n"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with harness.Room() as room:
        text = f"[instrument text-1]\ndriver = text\nprofile = ticket-a8\nport = tcp-listen:127.0.0.1:{port}\n"
        subscriber, daemon = start(room, text)
        harness.wait_for(lambda: daemon.status()["instruments"]["text-1"]["health"] == "no_link", 20, "a listener")
        with socket.create_connection(("127.0.0.1", port)) as job:
            job.sendall(ticket.format(no="S0001", value="0.7").encode("gb18030"))
        harness.wait_for(lambda: samples(subscriber) == ["S0001"], 20, "the ticket of a closed job")
        with socket.create_connection(("127.0.0.1", port)) as job:
            job.sendall(ticket.format(no="S0002", value="0.8").encode("gb18030"))
            time.sleep(1)  # the silence that ends a ticket is 2 s
            assert daemon.stop() == 0
        daemon.start()
        harness.wait_for(lambda: samples(subscriber) == ["S0001", "S0002"], 20, "the ticket before the stop")
        assert [entry for entry in daemon.entries() if entry.get("event") == "undecodable"] == []


def test_a_ticket_that_nothing_cuts_arrives_when_the_printer_falls_silent():
    ticket = "\x1b@检测项目：孔雀石绿\n样品编号：{no}\n检测结果：{value} μg/kg\n判定结果：阴性\n"

    def prints(connection):
        connection.sendall(ticket.format(no="S0001", value="<0.5").encode("gb18030") + b"\x1dV\x00")
        connection.sendall(ticket.format(no="S0002", value="0.7").encode("gb18030"))
        time.sleep(3)
        connection.sendall(ticket.format(no="S0003", value="0.8").encode("gb18030"))
        time.sleep(60)

    with harness.Room() as room:
        printer = Instrument(prints)
        subscriber, _ = start(room, instrument("ticket-a8", printer.port))
        harness.wait_for(lambda: samples(subscriber) == ["S0001", "S0002", "S0003"], 20, "three tickets")
        printer.stop()


def test_words_and_odd_numbers_in_a_values_place_get_the_verdict_they_deserve_and_no_other():
    ticket = "\x1b@检测项目：{item}\n样品编号：{no}\n检测结果：{value}\n\x1dV\x00"
    tickets = [("S0001", "孔雀石绿", "未检出"), ("S0002", "孔雀石绿", "ND"), ("S0003", "克百威", "1.5E-3 mg/kg"),
               ("S0004", "克百威", "1,234.5 mg/kg"), ("S0005", "克百威", "0.05±0.01 mg/kg"), ("S0006", "克百威", "---")]

    def prints(connection):
        for no, item, value in tickets:
            connection.sendall(ticket.format(no=no, item=item, value=value).encode("gb18030"))
        time.sleep(60)

    with harness.Room() as room:
        printer = Instrument(prints)
        subscriber, _ = start(room, instrument("ticket-a8", printer.port))
        harness.wait_for(lambda: samples(subscriber) == [no for no, _, _ in tickets], 20, "all tickets")
        records = {record["sample"]["no"]: record for record, _ in subscriber.records()}
        told = {no: (record["verdict"], record.get("value"), record.get("unit"), "unmapped_value" in record["flags"])
                for no, record in records.items()}
        assert told == {"S0001": ("negative", None, None, False), "S0002": ("negative", None, None, False),
                        "S0003": ("negative", "0.0015", "mg/kg", False), "S0004": ("none", None, None, True),
                        "S0005": ("none", None, None, True), "S0006": ("invalid", None, None, False)}
        assert {no: record["value_as_sent"] for no, record in records.items()} == {no: value for no, _, value in tickets}
        printer.stop()


def test_a_word_in_a_decimals_place_is_a_record_with_the_verdict_of_the_word():
    with harness.Room() as room:
        reader = Reader()
        now = str(datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date())
        line = LINE.replace("合格", "-")  # the reader says no verdict
        reader.lines += [(now, line.format(no=f"S000{at}", well=at, value=value, day=now))
                         for at, value in enumerate(("未检出", "ND", "检出", "失败"), start=1)]
        subscriber, daemon = start(room, instrument("reader-a9", reader.port, poll="200ms", timeout="500ms"))
        harness.wait_for(lambda: len(samples(subscriber)) >= 3, 20, "three words")
        told = {record["sample"]["no"]: (record["verdict"], record["value_as_sent"], record["flags"].count("unmapped_value"))
                for record, _ in subscriber.records()}
        assert told == {"S0001": ("negative", "未检出", 0), "S0002": ("negative", "ND", 0), "S0003": ("positive", "检出", 0)}
        harness.wait_for(lambda: any(entry.get("event") == "undecodable" for entry in daemon.entries()), 20, "the fourth told")
        reader.stop()

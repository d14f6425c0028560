"""Instruments invented for the occasion, connected by profiles alone: the guide's own example, and one made by following it."""
import os
import re
import socket
import subprocess
import threading

import harness

GUIDE = os.path.join(harness.ROOT, "config", "profiles", "README.md")

# Asked each day by its date; "!" begins a line, CR ends it, a CRC-16 stands behind "*"; weights in its own unit, judged by a letter.
SCALE = """[profile]
title  = Oil quality tester nobody makes
maker  = Nobody
model  = OQ-2
stars  = 2
source = this test

[frame]
kind     = lines
encoding = gb18030
start    = !
end      = \\r
checksum = xor8 1..-4 at -2 hex

[line]
separator = pipe
ignore    = !T
missing   = n/a

[query]
ask  = LIST {day:yyyyMMdd}\\r
done = .\\r

[field]
sequence    = column 2
sample-no   = column 3
sample-name = column 4
value       = column 5
time        = "column 6,7 time yy.M.d H:mm"
verdict     = column 8
item        = is 极性组分

[signals]
abs = column 9

[map verdict]
g = negative
r = positive

[map unit]
pct = %
"""


def the_guides_example():
    with open(GUIDE, encoding="utf-8") as guide:
        text = guide.read()
    profile = re.search(r"Its whole profile:\n\n```ini\n(.*?)```", text, re.S).group(1)
    line = re.search(r"writes, whenever a test is finished, `([^`]*)` and CR LF", text).group(1)
    return profile, line


def sealed(text):
    data = text.encode("gb18030")
    check = 0
    for byte in data:
        check ^= byte
    return b"!" + data + b"*%02X\r" % check


class Meter:
    """Listens as a serial server does; `talk` gets the connection."""

    def __init__(self, talk):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, args=(talk,), daemon=True).start()

    def serve(self, talk):
        while True:
            try:
                connection, _ = self.server.accept()
                with connection:
                    talk(connection)
            except OSError:
                return


def gateway(room, name, profile, port):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    daemon = room.daemon(f"[instrument new-1]\ndriver = text\nprofile = {name}\nport = tcp:127.0.0.1:{port}\npoll = 200ms\n",
                         f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\n")
    os.makedirs(os.path.join(daemon.conf, "profiles"))
    with open(os.path.join(daemon.conf, "profiles", f"{name}.conf"), "w", encoding="utf-8") as file:
        file.write(profile)
    return subscriber, daemon


def records(subscriber):
    return {record["id"]: record for record, _ in subscriber.records()}.values()


def test_the_example_of_the_guide_is_an_instrument_that_works():
    profile, line = the_guides_example()

    def talk(connection):
        connection.sendall((line + "\r\n").encode("gb18030"))
        connection.recv(1)

    with harness.Room() as room:
        meter = Meter(talk)
        subscriber, daemon = gateway(room, "residue-meter", profile, meter.port)
        daemon.start()
        record = list(harness.wait_for(lambda: records(subscriber), 20, "its result"))[0]
        assert (record["sample"]["no"], record["sample"]["name"]) == ("S0017", "菠菜")
        assert (record["value"], record["unit"], record["verdict"]) == ("12.3", "%", "negative")
        assert record["tested_at"].startswith("2026-03-05T09:41:00")
        decoded = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "decode", "text", "--profile",
                                  os.path.join(daemon.conf, "profiles", "residue-meter.conf")],
                                 input=(line + "\r\n").encode("gb18030"), capture_output=True, timeout=60, check=True)
        assert b'"value":"12.3"' in decoded.stdout and decoded.stderr == b""
        meter.server.close()


def test_an_instrument_nobody_makes_is_connected_by_a_profile_alone():
    questions = []

    def talk(connection):
        held = b""
        while True:
            got = connection.recv(100)
            if not got:
                return
            held += got
            while b"\r" in held:
                question, held = held.split(b"\r", 1)
                questions.append(question.decode())
                day = question.decode()[5:]
                when = f"{day[2:4]}.{int(day[4:6])}.{int(day[6:])}"
                answer = sealed("T|OQ-2") + sealed(f"R|{day}1|S{day}|炸薯条油|24.5 pct|{when}|9:41|r|0.532|")
                answer += sealed(f"R|{day}2|S{day}|豆油|<3.0 pct|{when}|10:02|g|n/a|") + b".\r"
                for at in range(0, len(answer), 7):
                    connection.sendall(answer[at:at + 7])

    with harness.Room() as room:
        meter = Meter(talk)
        subscriber, daemon = gateway(room, "oq-2", SCALE, meter.port)
        check = subprocess.run([os.path.join(harness.BUILD, "assayd"), "--check", "-c", daemon.conf], capture_output=True,
                               text=True, timeout=60, check=False)
        assert check.returncode == 0, check.stderr
        daemon.start()
        harness.wait_for(lambda: len(questions) > 20, 20, "it is asked again and again")
        days = {question[5:] for question in questions}
        assert len(days) == 8 and all(re.fullmatch(r"LIST 20\d{6}", question) for question in questions)
        harness.wait_for(lambda: len(records(subscriber)) == 2 * len(days), 20, "two results of each day, each once")
        found = {record["instrument_seq"]: record for record in records(subscriber)}
        assert set(found) == {day + number for day in days for number in "12"}
        day = max(days)
        first, second = found[day + "1"], found[day + "2"]
        assert (first["sample"]["no"], first["sample"]["name"]) == ("S" + day, "炸薯条油")
        assert (first["value"], first["unit"], first["verdict"]) == ("24.5", "%", "positive")
        assert (second["qualifier"], second["value"], second["verdict"]) == ("<", "3.0", "negative")
        assert first["signals"]["abs"] == "0.532" and "abs" not in second.get("signals", {})
        assert second["tested_at"].startswith(f"{day[:4]}-{day[4:6]}-{day[6:]}T10:02:00")
        assert first["instrument"]["model"] == "OQ-2"
        meter.server.close()

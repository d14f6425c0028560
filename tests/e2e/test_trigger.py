"""Instruments that do not number their results, in the whole gateway: a result for each trigger, none for a look."""
import os
import random
import socketserver
import struct
import threading
import time

import harness

READY = """[profile]
title = meter that says when a test is over
stars = 2

[trigger]
ready = 5 u16 good=3

[field]
value = 20 u16 scale=/10 unit=mg/kg
sample-no = 22 ascii[6]
"""

EVERY = """[profile]
title = meter that is logged
stars = 2

[trigger]
every = 1s

[field]
value = 20 u16 unit=V
"""

METER = """[instrument m-1]
driver = modbus
profile = meter
port = modbus-tcp:127.0.0.1:{port}
poll = 50ms
timeout = 500ms
item = NITRITE
"""


class Meter(socketserver.ThreadingTCPServer):
    """Holding registers behind Modbus TCP, function 03 alone; `looks` counts how often the status was read."""
    daemon_threads = True

    def __init__(self):
        self.registers, self.looks = [0] * 64, 0
        super().__init__(("127.0.0.1", 0), Conversation)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def show(self, value, sample):
        self.registers[20] = value
        for place, pair in enumerate(struct.unpack(">3H", sample.encode().ljust(6, b"\0"))):
            self.registers[22 + place] = pair


class Conversation(socketserver.BaseRequestHandler):
    def handle(self):
        while head := self.request.recv(12, 0x100):  # MSG_WAITALL
            transaction, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", head)
            assert function == 3
            self.server.looks += address <= 5 < address + count
            data = struct.pack(f">{count}H", *self.server.registers[address:address + count])
            self.request.sendall(struct.pack(">HHHBBB", transaction, 0, 3 + len(data), unit, 3, len(data)) + data)


def start(room, profile):
    broker = room.broker()
    meter = Meter()
    daemon = room.daemon(METER.format(port=meter.port),
                         f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n")
    os.makedirs(room.path("etc/profiles"))
    with open(room.path("etc/profiles/meter.conf"), "w", encoding="utf-8") as out:
        out.write(profile)
    return room.subscriber(broker.port), meter, daemon.start()


def records_of(subscriber):
    return list({record["id"]: record for record, _ in subscriber.records()}.values())


def looked_at(meter, times):
    before = meter.looks
    harness.wait_for(lambda: meter.looks >= before + times, 20, "the daemon looks")


def test_each_trigger_is_one_result_whatever_is_killed():
    random.seed(3)
    with harness.Room() as room:
        subscriber, meter, daemon = start(room, READY)
        finished = []
        for number in range(12):
            value, sample = (number // 3 * 7 + 100), f"S{number // 3}"  # three alike in a row
            meter.show(value, sample)
            meter.registers[5] = 3
            finished.append((f"{value / 10:.1f}", sample))
            if number % 2:
                time.sleep(random.uniform(0, 0.08))
                daemon.kill()
                daemon.start()
            harness.wait_for(lambda: len(records_of(subscriber)) >= len(finished), 20, f"result {number}")
            looked_at(meter, 3)  # it is still shown: not once more
            meter.registers[5] = number % 3  # measuring again
            looked_at(meter, 3)
        looked_at(meter, 10)
        records = records_of(subscriber)
        assert sorted((r["value"], r["sample"]["no"]) for r in records) == sorted(finished)
        assert {r["said"]["trigger"] for r in records} == {"3"}
        meter.shutdown()


def test_a_log_goes_on_at_its_pace_over_a_kill():
    with harness.Room() as room:
        subscriber, meter, daemon = start(room, EVERY)
        begun = time.monotonic()
        for number in range(1, 5):
            meter.registers[20] = 200 + number
            harness.wait_for(lambda: len(records_of(subscriber)) >= number, 20, f"reading {number}")
            if number == 2:
                daemon.kill()
                daemon.start()
        records = records_of(subscriber)
        assert len(records) <= time.monotonic() - begun + 2, records
        assert {r["said"]["trigger"] for r in records} == {"every 1s"}
        assert all("tested_at" not in r for r in records)
        meter.shutdown()

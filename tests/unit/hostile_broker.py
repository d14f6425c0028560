#!/usr/bin/python3
"""A broker that misbehaves as told: enough MQTT 5 for one publisher, on a loopback port.

hostile_broker.py PORT FILE MODE

FILE gets each PUBLISH payload as one line. Modes: quota (every third entry is refused with 0x97 the first time),
backwards (acknowledges each handful in reverse order), twice (every acknowledgement twice, and some for packets that were
never sent), once-silent (does not acknowledge on its first connection), garbage (answers its first connections with bytes
that are no MQTT), huge (announces a packet of 256 MB on its first connections), takeover (ends every connection
with DISCONNECT 0x8E), small-window (Receive Maximum 3; dies when there are more), poison (ends the connection each time it
is sent entry 7, and what it had still to acknowledge is lost with it), flapping (ends the first five connections before it
acknowledged anything), weary (acknowledges the status and ends the first five with the first entry), wrong-ids (on its
first two connections acknowledges only what was never sent), properties (fills the CONNACK of its first two connections
with 100 kB of properties), codes (acknowledges everything and then ends the connection with a reason, each time another),
flood (sends ten thousand requests, receipts and messages nobody asked for as soon as it is connected), forgetful
(acknowledges everything and forgets each ninth: what no test that judges by FILE may miss)
"""
import os
import select
import socket
import sys
import time

PORT, PATH, MODE = int(sys.argv[1]), sys.argv[2], sys.argv[3]
CONNACK, PUBACK, SUBACK, PINGRESP, DISCONNECT = 0x20, 0x40, 0x90, 0xD0, 0xE0
CODES = [0x80, 0x81, 0x87, 0x8B, 0x95, 0x97, 0x9D, 0xA2]
ROOT = b"assay/v1/330421/330421103-01"
out = open(PATH, "a", buffering=1, encoding="utf-8")
refused = set()


def length_of(data):
    """(value, bytes used) of a variable byte integer at data[1:], or None when it is not all there."""
    value = 0
    for i in range(4):
        if len(data) < 2 + i:
            return None
        value |= (data[1 + i] & 0x7F) << 7 * i
        if not data[1 + i] & 0x80:
            return value, i + 1
    raise ValueError("length")


def variable(value):
    """A variable byte integer."""
    out = b""
    while True:
        value, low = value >> 7, value & 0x7F
        out += bytes([low | (0x80 if value else 0)])
        if not value:
            return out


def text(data):
    return len(data).to_bytes(2, "big") + data


class Connection:
    attempts = 0

    def __init__(self, sock):
        self.sock, self.number, self.buffer, self.waiting, self.entries = sock, 0, b"", [], 0

    def send(self, kind, body):
        self.sock.sendall(bytes([kind]) + variable(len(body)) + body)

    def puback(self, packet, reason=0):
        self.send(PUBACK, packet.to_bytes(2, "big") + bytes([reason, 0]))

    def packets(self):
        while True:
            size = length_of(self.buffer) if self.buffer else None
            if not size or len(self.buffer) < 1 + size[1] + size[0]:
                return
            start, end = 1 + size[1], 1 + size[1] + size[0]
            packet = self.buffer[0], self.buffer[start:end]
            self.buffer = self.buffer[end:]
            yield packet

    def connect(self):
        Connection.attempts += 1
        self.number = Connection.attempts
        if MODE == "garbage" and self.number <= 3:
            self.sock.sendall([b"HTTP/1.1 400 Bad Request\r\n\r\n", os.urandom(4000), b"\x20\x03\x00\x00\xff"][self.number - 1])
            raise ConnectionError
        if MODE == "huge" and self.number <= 2:
            self.sock.sendall(b"\x20\xff\xff\xff\x7f" + b"\x00" * 1000 if self.number == 1 else b"\x30\xff\xff\xff\x7f\x00\x01a")
            raise ConnectionError
        properties = b"\x21\x00\x03" if MODE == "small-window" else b""
        if MODE == "properties" and self.number <= 2:
            properties = (b"\x26" + text(b"name") + text(b"x" * 990)) * 100
        self.send(CONNACK, b"\x00\x00" + variable(len(properties)) + properties)
        if MODE == "flood":
            self.flood()

    def flood(self):
        """Without quality, so that nothing but the network limits it."""
        for number in range(10000):
            name, payload = ((b"/request/replay", b"{" * 1000), (b"/receipt", os.urandom(500)), (b"/request/" + b"x" * 200, b"{}"),
                             (b"/nobody/asked", b"x" * 1000))[number % 4]
            self.send(0x30, text(ROOT + name) + b"\x00" + payload)

    def publish(self, flags, body):
        topic = int.from_bytes(body[:2], "big")
        at = 2 + topic
        packet = int.from_bytes(body[at:at + 2], "big")
        size, used = length_of(b"\x00" + body[at + 2:])
        payload = body[at + 2 + used + size:].decode()
        if MODE == "flapping" and self.number <= 5:
            return
        if b"/status" in body[:at]:
            self.puback(packet)
            if MODE == "takeover":
                self.send(DISCONNECT, b"\x8e\x00")
                raise ConnectionError
            return
        self.answer(packet, payload)

    def answer(self, packet, payload):
        if MODE == "poison" and '"number":7,' in payload or MODE == "weary" and self.number <= 5:
            raise ConnectionError
        if MODE == "once-silent" and self.number == 1:
            return
        if MODE == "wrong-ids" and self.number <= 2:
            self.puback((packet + 20000) % 65535 + 1)
            return
        if MODE == "quota" and hash(payload) % 3 == 0 and payload not in refused:
            refused.add(payload)
            self.puback(packet, 0x97)
            return
        self.entries += 1
        if MODE != "forgetful" or self.entries % 9:
            out.write(payload + "\n")
        if MODE == "twice":
            self.puback(packet)
            self.puback(packet)
            self.puback((packet + 1000) % 65535 + 1)
        elif MODE in ("backwards", "small-window", "poison"):
            self.waiting.append(packet)
        else:
            self.puback(packet)

    def settle(self):
        if MODE == "flapping" and 0 < self.number <= 5:
            raise ConnectionError
        if MODE == "small-window" and len(self.waiting) > 3:
            out.write("too many in flight\n")
            raise ConnectionError
        for packet in reversed(self.waiting):
            self.puback(packet)
        self.waiting = []
        if MODE == "codes" and 0 < self.number <= len(CODES):
            self.send(DISCONNECT, bytes([CODES[self.number - 1], 0]))
            time.sleep(0.2)  # a client may see the closed link before the words
            raise ConnectionError

    def run(self):
        while True:
            ready, _, _ = select.select([self.sock], [], [], 0.05)
            if not ready:
                self.settle()
                continue
            got = self.sock.recv(65536)
            if not got:
                return
            self.buffer += got
            for kind, body in self.packets():
                if kind >> 4 == 1:
                    self.connect()
                elif kind >> 4 == 3:
                    self.publish(kind, body)
                elif kind >> 4 == 8:
                    self.send(SUBACK, body[:2] + b"\x00\x01")
                elif kind >> 4 == 12:
                    self.send(PINGRESP, b"")
                elif kind >> 4 == 14:
                    return


listener = socket.create_server(("127.0.0.1", PORT))
while True:
    sock, _ = listener.accept()
    try:
        Connection(sock).run()
    except (ConnectionError, ValueError):
        pass
    sock.close()

"""The room's instruments, scripted: they hold exactly the results of the plan and speak their makers' protocols.

They are written from the protocols' descriptions (the transcripts stand above the drivers), independently of the drivers and of
assay-sim. `finish(tests)` is the moment a run is over; what the instrument then says, and when, is its protocol's business.
A test is a row of the plan (plan.py)."""
import contextlib
import os
import select
import socket
import struct
import sys
import termios
import threading
import time
import tty

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "tests/e2e/servers"))
import a6b_map  # noqa: E402

STX, ETX, EOT, ENQ, ACK, CR, LF = b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\r", b"\n"


def gb(text, size=None):
    """GB 18030; in a field of so many bytes, padded with NUL, a character that does not fit left out."""
    data = text.encode("gb18030")
    while size is not None and len(data) > size:
        text = text[:-1]
        data = text.encode("gb18030")
    return data if size is None else data.ljust(size, b"\0")


def xor8(data):
    out = 0
    for byte in data:
        out ^= byte
    return out


def crc8(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31) & 0xFF if crc & 0x80 else crc << 1
    return crc


def control_of(test):
    """The control's absorbance, a little another for each test, in thousandths."""
    return 700 + test.row % 200


class Instrument:
    """One thread that answers what comes over its wire. `clock` is the room's; the instrument's own may be wrong."""

    def __init__(self, name, clock):
        self.name, self.clock = name, clock
        self.slow_s = 0           # its clock is behind
        self.reset_to = None      # (what it showed, when that was): its clock lost the date
        self.lock = threading.RLock()
        self.memory = []
        self.mute_s = 0           # so long the gateway will wait in vain: it was told what it does not answer
        self.on = False

    def time_of(self, when):
        """What its own clock shows at that moment."""
        import datetime
        if self.reset_to:
            shown, since = self.reset_to
            return shown + (when - since)
        return when - datetime.timedelta(seconds=self.slow_s)

    def finish(self, tests):
        with self.lock:
            self.memory += [(test, self.time_of(test.at)) for test in tests]
        self.deliver(tests)

    def deliver(self, tests):
        """For those that speak unasked."""

    def hear(self, data, answer):
        """Bytes from the gateway; what is left of them that is no whole request."""
        return b""

    def switch_on(self):
        self.on = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def switch_off(self):
        self.on = False
        self.thread.join(10)
        assert not self.thread.is_alive(), self.name


class Serial(Instrument):
    """On a pty; `path` is the port's name for the gateway."""

    def __init__(self, name, clock, path):
        super().__init__(name, clock)
        self.path = path
        self.ours, self.theirs = os.openpty()
        tty.setraw(self.ours)
        tty.setraw(self.theirs)
        os.symlink(os.ttyname(self.theirs), path)

    def run(self):
        held = b""
        while self.on:
            if select.select([self.ours], [], [], 0.05)[0]:
                held = self.hear(held + os.read(self.ours, 4096), self.send)

    def send(self, data):
        while data:
            data = data[os.write(self.ours, data[:1024]):]

    def switch_off(self):
        """What was on its way to a gateway that is dark, too, is gone."""
        super().switch_off()
        termios.tcflush(self.theirs, termios.TCIOFLUSH)


class Network(Instrument):
    """A TCP server, as a serial-to-network box makes of an instrument."""

    def __init__(self, name, clock):
        super().__init__(name, clock)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(0.05)
        self.port = self.server.getsockname()[1]
        self.connection = None

    def run(self):
        while self.on:
            with contextlib.suppress(OSError):
                self.connection, _ = self.server.accept()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.talk(self.connection)
            if self.connection:
                self.connection.close()
                self.connection = None

    def talk(self, connection):
        held = b""
        while self.on:
            if not select.select([connection], [], [], 0.05)[0]:
                continue
            got = connection.recv(4096)
            if not got:
                return
            held = self.hear(held + got, connection.sendall)


class EnzymeReader(Serial):
    """7E-AA, layout a2: asked by date; its sample numbers are running numbers."""

    def wrap(self, command, data):
        body = bytes([command]) + struct.pack("<H", len(data)) + data
        return b"\x7e" + body + bytes([crc8(body), 0xAA])

    def day(self, asked):
        with self.lock:
            return [(test, at) for test, at in self.memory if bytes([at.year % 100, at.month, at.day]) == asked]

    def result(self, test, at, total, index):
        name = "对照样" if test.is_control else test.name
        return self.wrap(0x11, struct.pack("<HHH", total, index, int(test.sample_no)) + gb(name, 6) + bytes(
            [at.year % 100, at.month, at.day, at.hour, at.minute, at.second]) + struct.pack("<h", round(float(test.value) * 100)))

    def hear(self, data, answer):
        while len(data) >= 6 and len(data) >= 6 + data[2]:
            command, said, data = data[1], data[4:4 + data[2]], data[6 + data[2]:]
            if command == 0x00:
                answer(self.wrap(0x01, b"\0\0"))
            elif command == 0x12:
                answer(self.wrap(0x13, said + struct.pack("<H", len(self.day(said)))))
            elif command == 0x10:
                held = self.day(said)
                answer(b"".join(self.result(test, at, len(held), index) for index, (test, at) in enumerate(held, 1)))
        return data


class DumpReader(Serial):
    """dump8: eight wells a group, well 1 the control; the user presses "transfer" and the memory is clear when it is over."""

    GAP_S = 0.05

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.pressed = False
        self.left = []
        self.group = 0

    def deliver(self, tests):
        self.group += 1
        first = self.time_of(tests[0].at)
        wells = [(0.0, 0.0)] * 8
        for test in tests:
            control = control_of(tests[0]) / 1000
            value = float(test.value)
            wells[test.well - 1] = (control * (1 - value / 100), value)
        info = bytes([self.group & 255, first.second, first.minute, first.hour, first.day, first.month, 1, first.year % 100,
                      self.group >> 8])
        with self.lock:
            self.memory = [*self.memory[:-len(tests)], info + b"".join(struct.pack(">ff", *well) for well in wells)]
            self.pressed = True
            self.mute_s = 0

    def hear(self, data, answer):
        with self.lock:
            while data:
                size = 1 if data[0] == 0x24 else 2
                if len(data) < size:
                    break
                word, data = data[:size], data[size:]
                self.mute_s = 0 if self.pressed else 2.25
                if not self.pressed:
                    continue  # it is not in link mode
                if word == b"\x1b\xbf":
                    answer(b"\x1b\x01")
                elif word == b"\x1b\xb1":
                    self.left = list(self.memory)
                    answer(b"\x1b\xc1" + self.left.pop(0))
                elif word == b"\x24" and self.left:
                    answer(self.left.pop(0))
                elif word == b"\x24":
                    self.memory, self.pressed = [], False
                    answer(b"\x1b\xfe")
        return data


class StripReader(Serial):
    """03-FF frames with text: title, customer, sample number, item, result, time."""

    SERIAL = "Z26-0007"

    def wrap(self, command, argument, data):
        head = struct.pack("<BBBBIH", 3, 0xFE, command, 0, argument, len(data))
        return head + bytes([xor8(head), xor8(data)]) + data

    def packed(self, at):
        return (at.year - 2000) << 25 | at.month << 21 | at.day << 16 | at.hour << 11 | at.minute << 5 | at.second >> 1

    def record(self, index):
        test, at = self.memory[index - 1]
        lines = ["检测报告", f"送检单位：{test.party}", "检测单位：魏塘街道快检室", f"样品类型：{test.name}",
                 f"批号：{at:%Y%m%d}", f"样品编号：{test.sample_no}", f"检测项目：{test.item}",
                 "检测结果：" + " ".join(filter(None, (test.value, test.unit, test.said))), "检测标准：0", f"检测时间：{at:%Y-%m-%d %H:%M:%S}"]
        return struct.pack("<I", index)[:3] + b"".join(gb(line) + CR for line in lines)

    def between(self, start, end):
        found = [index for index, (_, at) in enumerate(self.memory, 1) if start <= self.packed(at) <= end]
        return (found[0], found[-1]) if found else (0, 0)

    def strings(self, *texts):
        return b"".join(bytes([len(gb(text))]) + gb(text) for text in texts)

    def answer_to(self, command, argument, data):
        if command == 0x20:
            return self.strings("达元", "DY-7200", self.SERIAL, "")
        if command == 0x42:
            return gb("孔雀石绿", 16) + gb("ug/kg", 8) + b"\2" + bytes(103)
        if command == 0x43:
            return bytes(8) + struct.pack("<HH", *self.between(*struct.unpack("<II", data)))
        return self.record(argument) if command == 0x45 and 0 < argument <= len(self.memory) else b""

    def hear(self, data, answer):
        with self.lock:
            while len(data) >= 12:
                command, argument, length = data[2], *struct.unpack("<IH", data[4:10])
                if len(data) < 12 + length:
                    break
                answer(self.wrap(command, argument, self.answer_to(command, argument, data[12:12 + length])))
                data = data[12 + length:]
        return data


class Window(a6b_map.Analyzer):
    """The register map with what the plan says in its window."""

    VERDICTS = {"": 0, "阴性": 1, "阳性": 2, "可疑": 3, "无效": 4}
    ITEMS = {"农药残留": (101, 1), "亚硝酸盐": (201, 2), "多菌灵": (301, 2)}

    def take(self, test, at):
        self.newest += 1
        item, unit = self.ITEMS[test.item]
        control = control_of(test) / 1000
        signal = round(control * (1 - float(test.value) / 100), 3) if unit == 1 else 0.25
        real = lambda number: struct.unpack(">HH", struct.pack(">f", number))
        window = [1, self.newest >> 16, self.newest & 0xFFFF, test.row % 12 + 1, item, 0, at.year, at.month, at.day, at.hour,
                  at.minute, at.second, 1, *real(float(test.value)), unit, self.VERDICTS[test.said], *real(signal), *real(control),
                  2 if test.is_control else 0, *a6b_map.words(test.sample_no.encode(), 8), *a6b_map.words(gb(test.name, 20), 10),
                  *a6b_map.words(gb(test.inspector, 8), 4), 0]
        crc = a6b_map.crc16(struct.pack(f">{len(window)}H", *window))
        self.results[self.newest] = window + [(crc & 0xFF) << 8 | crc >> 8]
        self.refresh()


class Analyzer(Network):
    """A6b over Modbus TCP: latch, window, acknowledge."""

    def __init__(self, name, clock):
        super().__init__(name, clock)
        self.map = Window("A6B-2026-01")
        self.fails_at_erasing = False  # its power goes when the gateway lets the next result go

    def deliver(self, tests):
        with self.lock, self.map.lock:
            for test, at in self.memory:
                self.map.take(test, at)
            self.memory = []

    def registers(self, address, count):
        at = self.time_of(self.clock.now())
        self.map.put(0x1A, [at.year, at.month, at.day, at.hour, at.minute, at.second])
        return struct.pack(f">{count}H", *self.map.read(address, count))

    def answer_to(self, function, said):
        address, number = struct.unpack(">HH", said[:4])
        if function == 3:
            return bytes([2 * number]) + self.registers(address, number)
        if address == 0x22 and number == 2 and self.fails_at_erasing:
            self.on = self.fails_at_erasing = False
            return b""
        self.map.write(address, number)
        return said[:4]

    def hear(self, data, answer):
        while len(data) >= 8:
            transaction, length = data[:2], struct.unpack(">H", data[4:6])[0]
            if len(data) < 6 + length:
                break
            unit, function, said = data[6:7], data[7], data[8:6 + length]
            data = data[6 + length:]
            with self.lock:
                body = unit + bytes([function]) + self.answer_to(function, said)
            if not self.on:
                return b""
            answer(transaction + b"\0\0" + struct.pack(">H", len(body)) + body)
        return data


class Luminometer(Serial):
    """ATP: lists its memory when its count has changed."""

    SERIAL, LOW, UP = 21345, 10, 30

    def record(self, number, test, at):
        body = struct.pack("<HHHH", number, int(test.value), self.LOW, self.UP) + bytes(
            [1, test.well, at.second, at.minute, at.hour, at.isoweekday() % 7, at.day, at.month, at.year % 100])
        return b"r" + body + bytes([sum(body) & 255])

    def hear(self, data, answer):
        with self.lock:
            for word in data:
                self.mute_s = 0.25 if word == ord("E") else 0
                if word == ord("N"):
                    answer(b"n" + struct.pack("<H", len(self.memory)))
                elif word == ord("G"):
                    answer(b"g" + struct.pack("<H", self.SERIAL) + b"".join(
                        self.record(number, test, at) for number, (test, at) in enumerate(self.memory, 1)))
        return b""


class Printer(Serial):
    """A tap on the line to a ticket printer: one way."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.number = 0

    def ticket(self, test, at):
        self.number += 1
        lines = ["------检测结果------", "检测模块：分光光度", f"检测项目：{test.item}", "检测方法：抑制率法", f"样品编号：{test.sample_no}",
                 f"流水号：{self.number:05d}", f"样品名称：{test.name}", f"通道编号：{test.row % 8 + 1}", "稀释倍数：1.0",
                 f"对照值：{control_of(test) / 1000:.3f}", f"检测结果：{test.value}{test.unit}", "限量值：<50%", f"判定结果：{test.said}",
                 f"检测人员：{test.inspector}", f"检测时间：{at:%Y-%m-%d %H:%M:%S}", "检测地点：魏塘快检室"]
        return b"\x1b@" + b"".join(gb(line) + LF for line in lines) + b"\n\n\x1dV\0"

    def deliver(self, tests):
        for test, at in self.memory:
            self.send(self.ticket(test, at))
        self.memory = []


class Fluorescence(Instrument):
    """ASTM over TCP: dials the gateway, one frame a record, the next only when this one is acknowledged."""

    def __init__(self, name, clock, port):
        super().__init__(name, clock)
        self.port = port

    def run(self):
        while self.on:
            time.sleep(0.05)

    def records(self):
        at = self.memory[0][1]
        yield f"H|\\^&|||FIA-8^1.02^SN26001|||||||P||{at:%Y%m%d%H%M%S}"
        yield "P|1"
        for place, (test, when) in enumerate(self.memory, 1):
            yield f"O|{place}|{test.sample_no}||^^^{test.item}|||||||||||{test.name}"
            flag = "A" if test.said == "阳性" else "N"
            yield f"R|{place}|^^^{test.item}|{test.value}|{test.unit}||{flag}||F||{test.inspector}||{when:%Y%m%d%H%M%S}"
        yield "L|1|N"

    def deliver(self, tests):
        with harness.dial(self.port) as line:
            line.settimeout(20)
            exchange = lambda data: (line.sendall(data), line.recv(1))[1]
            assert exchange(ENQ) == ACK, self.name
            for number, record in enumerate(self.records(), 1):
                body = str(number % 8).encode() + gb(record) + CR + ETX
                frame = STX + body + b"%02X" % (sum(body) & 255) + CR + LF
                assert exchange(frame) == ACK, (self.name, record)
            line.sendall(EOT)
        self.memory = []


class OfficeComputer(Instrument):
    """A program that leaves one CSV file a run in a folder."""

    def __init__(self, name, clock, folder):
        super().__init__(name, clock)
        self.folder, self.number = folder, 0
        os.makedirs(folder, exist_ok=True)

    def run(self):
        while self.on:
            time.sleep(0.05)

    def deliver(self, tests):
        rows = ["序号,样品编号,样品名称,检测项目,检测结果,单位,结论,检测时间"]
        for test, at in self.memory:
            self.number += 1
            rows.append(f"{self.number},{test.sample_no},{test.name},{test.item},{test.value},{test.unit},{test.said},"
                        f"{at:%Y-%m-%d %H:%M:%S}")
        leave(self.folder, f"result-{tests[0].row:04d}.csv", rows)
        self.memory = []


class Scanner(Network):
    def scan(self, code):
        harness.wait_for(lambda: self.connection, 20, "the gateway at the scanner")
        self.connection.sendall(code.encode() + CR)


def leave(folder, name, rows):
    """A file that is whole when it has its name."""
    path = os.path.join(folder, name)
    with open(path + ".tmp", "wb") as file:
        file.write(b"".join(gb(row) + b"\r\n" for row in rows))
    os.rename(path + ".tmp", path)

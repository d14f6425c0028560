"""The A6b register map, written from its description and independently of the driver and of assay-sim.

Holding registers, counted from 0: 00 magic A55D, 01 map version, 02-09 model, 0A-11 serial, 12 status, 13 channels, 14 capacity,
15 count, 16-17 oldest sequence, 18-19 newest sequence, 1A-1F clock, 20/21 select (low, high), 22 command (1 latch, 2 erase up
to the selected one), 100-12D the window with its CRC in the last register."""
import struct
import threading
import time


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def words(data, count):
    data = data[:2 * count].ljust(2 * count, b"\0")
    return list(struct.unpack(f">{count}H", data))


class Analyzer:
    """An instrument with a memory of results; `registers` is a dictionary a server reads from and writes to."""

    def __init__(self, serial="IND-0001"):
        self.lock = threading.RLock()
        self.registers = {address: 0 for address in (*range(0x30), *range(0x100, 0x12E))}
        self.results, self.newest, self.commands = {}, 0, []
        self.registers[0x00], self.registers[0x01] = 0xA55D, 1
        self.put(0x02, words(b"INDEPENDENT", 8))
        self.put(0x0A, words(serial.encode(), 8))
        self.registers[0x13], self.registers[0x14] = 12, 500
        self.refresh()

    def put(self, address, values):
        for offset, value in enumerate(values):
            self.registers[address + offset] = value

    def refresh(self):
        oldest = min(self.results) if self.results else 0
        self.registers[0x12] = 4 if self.results else 0
        self.registers[0x15] = len(self.results)
        self.put(0x16, [oldest >> 16, oldest & 0xFFFF, self.newest >> 16, self.newest & 0xFFFF])
        now = time.localtime()
        self.put(0x1A, [now.tm_year, now.tm_mon, now.tm_mday, now.tm_hour, now.tm_min, now.tm_sec])

    def finish(self, value, sample, tested_at, channel=3, verdict=1):
        """One more finished result; returns its sequence number."""
        with self.lock:
            self.newest += 1
            year, month, day, hour, minute, second = tested_at
            window = [1, self.newest >> 16, self.newest & 0xFFFF, channel, 101, 0, year, month, day, hour, minute, second, 1,
                      *struct.unpack(">HH", struct.pack(">f", value)), 1, verdict,
                      *struct.unpack(">HH", struct.pack(">f", 0.801)), *struct.unpack(">HH", struct.pack(">f", 0.914)), 0,
                      *words(sample.encode(), 8), *words("菠菜".encode("gb18030"), 10), *words("张三".encode("gb18030"), 4), 0]
            crc = crc16(struct.pack(f">{len(window)}H", *window))
            self.results[self.newest] = window + [(crc & 0xFF) << 8 | crc >> 8]
            self.refresh()
            return self.newest

    def read(self, address, count):
        with self.lock:
            return [self.registers[address + offset] for offset in range(count)]  # KeyError: no such register

    def write(self, address, value):
        with self.lock:
            self.registers[address] = value
            if address != 0x22:
                return
            selected = self.registers[0x20] | self.registers[0x21] << 16
            self.commands.append((value, selected, time.monotonic()))
            if value == 1 and selected in self.results:
                self.put(0x100, self.results[selected])
            elif value == 2:
                self.results = {seq: window for seq, window in self.results.items() if seq > selected}
                self.refresh()

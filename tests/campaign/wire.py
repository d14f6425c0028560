"""wire: a line between the daemon and a simulated instrument, which changes what the instrument says on its way, and notes when
it was asked."""
import os
import select
import struct
import threading
import time
import tty

PAUSE_S = 0.004  # an answer ends with so long a silence


def crc16(data):
    """Modbus RTU."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)


def crc8(data):
    """7E-AA readers: polynomial 0x31 from 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return bytes([crc])


class Wire(threading.Thread):
    """Makes `link` a line to the instrument at `far`; None: nobody is there, and `babble` is what the line says of itself.

    `change(answer, question, number)` gives the pieces of which the answer is made, each sent after a breath."""

    def __init__(self, link, far=None, change=lambda answer, question, number: [answer], babble=b"", rate=11520):
        super().__init__(daemon=True)
        self.change, self.babble, self.rate = change, babble, rate
        self.asked, self.answers, self.ended = [], 0, threading.Event()
        self.master, self.slave = os.openpty()  # the slave is held, so that the line outlives each opening
        for end in (self.master, self.slave):
            tty.setraw(end)
        os.set_blocking(self.master, False)
        self.far = None if far is None else os.open(far, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        if self.far is not None:
            tty.setraw(self.far)
        os.symlink(os.ttyname(self.slave), link)
        self.start()

    def stop(self):
        self.ended.set()
        self.join(5)
        for end in (self.master, self.slave, *(() if self.far is None else (self.far,))):
            os.close(end)

    def run(self):
        question = b""
        while not self.ended.is_set():
            ready = select.select([end for end in (self.master, self.far) if end is not None], [], [], 0.02 if self.babble else 0.2)[0]
            if self.master in ready:
                question = self.take_question()
            if self.far is not None and self.far in ready:
                self.pass_on(question)
            if self.babble:
                self.say((self.babble * (self.rate // 50 // len(self.babble) + 1))[:self.rate // 50])

    def take_question(self):
        question = os.read(self.master, 4096)
        self.asked.append(time.monotonic())
        if self.far is not None:
            os.write(self.far, question)
        return question

    def pass_on(self, question):
        answer = b""
        while select.select([self.far], [], [], PAUSE_S)[0]:
            answer += os.read(self.far, 4096)
        self.answers += 1
        for piece in self.change(answer, question, self.answers):
            self.say(piece)
            time.sleep(0.001)

    def say(self, data):
        """As a real line: what nobody reads in time is gone."""
        try:
            os.write(self.master, data)
        except BlockingIOError:
            return

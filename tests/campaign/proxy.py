"""proxy: a cable of TCP between station and broker that can be slow, uneven, dead or a trickle, and counts what is in flight."""
import contextlib
import queue
import random
import socket
import threading
import time

PUBLISH, PUBACK = 3, 4


class Packets:
    """Finds the MQTT packets in a stream of bytes."""

    def __init__(self):
        self.buffer = b""

    def of(self, data):
        """(kind, flags) of each packet that `data` completes."""
        self.buffer += data
        while (size := self.size()) and size <= len(self.buffer):
            yield self.buffer[0] >> 4, self.buffer[0] & 15
            self.buffer = self.buffer[size:]

    def size(self):
        value = 0
        for at, byte in enumerate(self.buffer[1:5]):
            value |= (byte & 0x7F) << 7 * at
            if not byte & 0x80:
                return 2 + at + value
        return 0


class Connection:
    def __init__(self, proxy, client):
        self.proxy, self.client, self.in_flight, self.over = proxy, client, 0, False
        self.server = socket.create_connection(("127.0.0.1", proxy.to))
        up, down = queue.Queue(), queue.Queue()
        # both are counted at the station's end
        for work, end, waiting, count in ((self.take, client, up, self.sent), (self.give, self.server, up, None),
                                          (self.take, self.server, down, None), (self.give, client, down, self.answered)):
            threading.Thread(target=work, args=(end, waiting, Packets(), count), daemon=True).start()

    def sent(self, kind, flags):
        if kind == PUBLISH and flags & 6:
            self.in_flight += 1
            self.proxy.most_in_flight = max(self.proxy.most_in_flight, self.in_flight)

    def answered(self, kind, _flags):
        self.in_flight -= kind == PUBACK

    def take(self, source, waiting, packets, count):
        """Reads as fast as it comes: what waits is on the cable."""
        due = 0
        while data := self.read(source):
            if count:
                for kind, flags in packets.of(data):
                    count(kind, flags)
            due = max(due, time.monotonic() + self.proxy.delay())
            waiting.put((due, data))
        waiting.put((0, b""))

    @staticmethod
    def read(source):
        try:
            return source.recv(65536)
        except OSError:
            return b""

    def give(self, sink, waiting, packets, count):
        while not self.over:
            due, data = waiting.get()
            if not data:
                break
            time.sleep(max(0, due - time.monotonic()))
            try:
                for piece in self.proxy.pieces(data, self):
                    if count:  # before it is with the client, which may send the next at once
                        for kind, flags in packets.of(piece):
                            count(kind, flags)
                    sink.sendall(piece)
            except OSError:
                break
        self.close()

    def close(self):
        self.over = True
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # else a thread that reads from it keeps it open
            end.close()


class Proxy:
    """`delay_s` (least, most) each way; `stalled`: the link stays and carries nothing; `trickle`: a byte a second."""

    def __init__(self, to):
        self.to, self.delay_s, self.stalled, self.trickle, self.most_in_flight = to, (0, 0), False, False, 0
        self.connections, self.refuses = [], False
        self.held = self.refused = 0  # pieces that a stalled link did not pass on at once; dialled in vain
        self.random = random.Random(1)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections = [each for each in self.connections if not each.over]
            try:
                if self.refuses:
                    raise ConnectionRefusedError
                self.connections.append(Connection(self, client))
            except OSError:
                client.close()
                self.refused += 1

    def delay(self):
        return self.random.uniform(*self.delay_s)

    def pieces(self, data, connection):
        """What of `data` may be passed on next, as long as there is anything of it."""
        self.held += self.stalled
        while data and not connection.over:
            if self.stalled:
                time.sleep(0.05)
            elif self.trickle:
                time.sleep(1)
                yield data[:1]
                data = data[1:]
            else:
                yield data
                return

    def drop(self):
        """Every link ends, what was on its way is gone, and nobody is there who could be dialled."""
        self.refuses = True
        for connection in self.connections:
            connection.close()

    def heal(self):
        self.delay_s, self.stalled, self.trickle, self.refuses = (0, 0), False, False, False

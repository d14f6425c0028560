"""store_faults: what the rows about the store share: disks that can be broken, an analyzer that pushes, and the judging.

A polled instrument keeps its results and can be read again, so that it hides a loss. What cannot be hidden is what an analyzer
that pushes was told: once its frame was acknowledged it forgets the result. Pusher is such a one; judge() compares what it was
told with what the journal and the county have."""
import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import random
import socket
import struct
import subprocess
import threading
import time

import row
import harness
import integrity
import kill

ENQ, ACK, EOT = b"\x05", b"\x06", b"\x04"
TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 500ms\n"
CLONE_NEWNS = 0x20000
SHUTDOWN, NO_LOGFLUSH = 0x8004587D, 2  # _IOR('X', 125, __u32) of ext4 and xfs; what is not written yet is dropped
SIZES = {"ext4": "128M", "xfs": "512M"}
EIO_SHIM = os.path.join(harness.BUILD, "tests/faults/eioshim.so")
HASTY_SHIM = os.path.join(harness.BUILD, "tests/faults/hastyshim.so")


def must(*command):
    """Runs a tool that has to work; what it says when it does not is the exception's text."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")
    return done.stdout


def need_root(name, *tools):
    """Skips the row where it cannot be; else gives this process a view of the mounts of its own.

    Others who make such a view (`ip netns exec`, say) would take our mounts into theirs: a file system whose power was cut would
    live on there after it is unmounted here. And a row that is killed leaves no mount behind."""
    if os.geteuid() != 0:
        row.skip(name, "needs root, to mount a file system")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        row.skip(name, "needs a mount namespace of its own")
    must("mount", "--make-rprivate", "/")
    for tool in tools:
        if not any(os.access(os.path.join(folder, tool), os.X_OK) for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin")):
            row.skip(name, f"needs {tool}: tests/deps faults")


# ---- an analyzer that forgets what was acknowledged ----

class Pushed:
    """One result: when its frame was sent, and when the acknowledgement came (None: it did not)."""
    __slots__ = ("value", "sent_ns", "told_ns")

    def __init__(self, value, sent_ns):
        self.value, self.sent_ns, self.told_ns = value, sent_ns, None


class Pusher(threading.Thread):
    """An ASTM analyzer on TCP that sends result after result, each once, as fast as they are acknowledged.

    A result is known by its value: the pusher's number times a million, and counting. What was not acknowledged when the line
    broke is not sent again: it may arrive or not, but not twice."""

    def __init__(self, port, number=1, limit=None):
        super().__init__(daemon=True)
        self.port, self.limit = port, limit
        self.values = (f"{number * 1000000 + count}.5" for count in itertools.count(1))
        self.results, self.ending = [], threading.Event()

    def run(self):
        while not self.ending.is_set() and not self.finished():
            with contextlib.suppress(OSError):  # the daemon is away, or was killed: dial again
                self.talk()
            self.ending.wait(0.02)

    def finished(self):
        return self.limit is not None and len(self.told()) >= self.limit

    def talk(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            frames = itertools.count(1)
            self.say(line, ENQ)
            for text in (b"H|\\^&|||Host^1", b"P|1", b"O|1|S-1||^^^AFB1"):
                self.say(line, frame(next(frames), text))
            for number in itertools.count(1):
                if self.ending.is_set() or self.finished():
                    break
                result = Pushed(next(self.values), time.monotonic_ns())
                self.results.append(result)
                text = f"R|{number}|^^^AFB1|{result.value}|ug/kg||||F||||20260305094120"
                self.say(line, frame(next(frames), text.encode()))
                result.told_ns = time.monotonic_ns()
            self.say(line, frame(next(frames), b"L|1|N"))
            line.sendall(EOT)

    @staticmethod
    def say(line, data):
        line.sendall(data)
        answer = line.recv(1)
        if answer != ACK:
            raise OSError(f"answered {answer!r}")

    def told(self, before_ns=None):
        """The results the daemon said it has (before that moment)."""
        return [one for one in list(self.results) if one.told_ns and (before_ns is None or one.told_ns < before_ns)]

    def stop(self):
        self.ending.set()
        if self.ident:  # else it was run, not started
            self.join(60)


def frame(number, text):
    body = b"%d%s\r\x03" % (number % 8, text)
    return b"\x02" + body + b"%02X\r\n" % (sum(body) % 256)


def analyzer(number, port):
    """The configuration of the instrument a Pusher is."""
    return f"[instrument host-{number}]\ndriver = astm\nport = tcp-listen:127.0.0.1:{port}\n\n"


READER = """[instrument reader-1]
driver = seven-e-aa
port = {serial}
line = 115200/8n1
poll = {poll}

"""


def setting(daemon, text):
    """A [journal] setting beside those the harness writes."""
    path = os.path.join(daemon.conf, "assayd.conf")
    with open(path, encoding="utf-8") as conf:
        content = conf.read()
    with open(path, "w", encoding="utf-8") as conf:
        conf.write(content.replace("[journal]\n", f"[journal]\n{text}\n"))


# ---- judging ----

class Judgement:
    """What was promised and what there is. `lost`: acknowledged and nowhere; `doubled`: under two ids; `altered`: one sequence
    number or id with two contents; `faults`: of the journal's chain and file; `checked`: how often SQLite looked at the file, `whole`:
    how often it found nothing."""

    def __init__(self):
        self.told = self.lost = self.doubled = self.altered = self.checked = self.whole = 0
        self.faults = []

    def sound(self):
        return not (self.lost or self.doubled or self.altered or self.faults)

    def figures(self):
        return (f"acknowledged {self.told}, lost {self.lost}, doubled {self.doubled}, altered {self.altered}, "
                f"journal faults {len(self.faults)}" + (f", integrity ok {self.whole}/{self.checked}" if self.checked else ""))

    def check_integrity(self, directory, when):
        """Of a journal that nobody has open."""
        found = integrity.faults(directory)
        self.checked += 1
        self.whole += not found
        self.faults = [*self.faults, *(f"{when}: {line}" for line in found)]

    def __iadd__(self, other):
        for name in ("told", "lost", "doubled", "altered", "checked", "whole"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.faults = self.faults + other.faults
        return self


def judge(told, journal_lines, payloads=()):
    """`told`: acknowledged results. `journal_lines`: `assayctl --json list`. `payloads`: what the county received."""
    verdict = Judgement()
    verdict.told = len(told)
    verdict.faults = kill.chain_faults(journal_lines)
    kept, by_place, by_id, by_value = set(journal_lines), {}, {}, {}
    for text in itertools.chain(journal_lines, payloads):
        entry = json.loads(text)
        place = (entry["epoch"], entry["seq"])
        if by_place.setdefault(place, text) != text or by_id.setdefault(entry["id"], text) != text or text not in kept:
            verdict.altered += 1
        by_value.setdefault(entry.get("value"), set()).add(entry["id"])
    for result in told:
        count = len(by_value.get(result.value, ()))
        verdict.lost += count == 0
        verdict.doubled += count > 1
    return verdict


def journal_lines(daemon):
    done = daemon.ctl("--json", "list", "--from", "1")
    if done.returncode != 0:
        raise RuntimeError(f"assayctl list: {done.stderr}")
    return done.stdout.splitlines()


def judge_county(told, payloads):
    """The same where the journal may have removed what was delivered: the county's copy alone."""
    verdict, by_id, by_value = Judgement(), {}, {}
    verdict.told = len(told)
    for text in payloads:
        entry = json.loads(text)
        verdict.altered += by_id.setdefault(entry["id"], text) != text
        by_value.setdefault(entry.get("value"), set()).add(entry["id"])
    for result in told:
        count = len(by_value.get(result.value, ()))
        verdict.lost += count == 0
        verdict.doubled += count > 1
    return verdict


def payloads(subscriber, before_ns=None):
    """The records as the county received them, byte for byte (before that moment)."""
    return [message.payload.decode() for message in subscriber.of("result", "qc")
            if before_ns is None or message.at_ns < before_ns]


def events(subscriber, *wanted):
    """The events' objects in order of arrival; of these names, where any is given."""
    told = [json.loads(message.payload) for message in subscriber.of("event")]
    return [event for event in told if not wanted or event["event"] in wanted]


def broker_that_keeps(room, **options):
    """One that a row may stop: what it has acknowledged and not handed on yet is in its file."""
    return room.broker(extra=f"persistence true\npersistence_location {room.directory}/\n", **options)


def values_of(subscriber):
    return {record.get("value") for record, _ in subscriber.records()}


def wait_for_all(subscriber, pushers, seconds=60):
    """Until the county has what these were told is stored."""
    harness.wait_for(lambda: {one.value for pusher in pushers for one in pusher.told()} <= values_of(subscriber), seconds,
                     "all at the county")


# ---- disks ----

class Disk:
    """A file system in a file, whose power can be cut: the journal's directory."""

    def __init__(self, room, fs):
        self.image, self.where, self.fs, self.mounted = room.path(f"{fs}.image"), room.path("state"), fs, False
        os.makedirs(self.where, exist_ok=True)

    def format(self):
        if os.path.exists(self.image):
            os.unlink(self.image)
        must("truncate", "-s", SIZES[self.fs], self.image)
        must(*(("mkfs.xfs", "-q", "-f") if self.fs == "xfs" else ("mkfs.ext4", "-q", "-F")), self.image)

    def mount(self, options="loop"):
        must("mount", "-o", options, self.image, self.where)
        self.mounted = True

    def cut(self):
        """The power fails. Returns the moment before."""
        directory = os.open(self.where, os.O_RDONLY | os.O_DIRECTORY)
        try:
            moment = time.monotonic_ns()
            fcntl.ioctl(directory, SHUTDOWN, struct.pack("I", NO_LOGFLUSH))
        finally:
            os.close(directory)
        return moment

    def unmount(self):
        if self.mounted:
            must("umount", self.where)
            self.mounted = False

    @contextlib.contextmanager
    def in_use(self, room):
        """Ends everything and takes the disk away, however the row ends."""
        try:
            yield self
        finally:
            stop_all(room)
            if self.mounted:
                subprocess.run(["umount", "-l", self.where], check=False)

class BrokenDisk:
    """A file system on a block device whose writes fail or take long: nbdkit with `nbdkit_filter` behind nbdfuse and a loop.

    ext4 without its own journal: one with a journal gives up at the first error and stays read-only until it is mounted anew,
    which is row S8; here nobody is to lift a finger."""

    def __init__(self, room, nbdkit_filter, *parameters, size="48M"):
        self.room, self.where, self.mounted = room, room.path("state"), False
        self.trigger, self.folder = room.path("failing"), room.path("nbd")
        self.device = os.path.join(self.folder, "disk")
        for folder in (self.where, self.folder):
            os.makedirs(folder, exist_ok=True)
        self.socket, self.image = room.path("nbd.sock"), room.path("nbd.image")
        must("truncate", "-s", size, self.image)
        must("mkfs.ext4", "-q", "-F", "-O", "^has_journal", self.image)
        self.server = harness.Process(["nbdkit", "-f", "-U", self.socket, f"--filter={nbdkit_filter}", "file", self.image, *parameters],
                                      room.path("nbdkit.log"))
        self.bridge = harness.Process(["nbdfuse", self.device, "--unix", self.socket], room.path("nbdfuse.log"))

    def __enter__(self):
        self.server.start()
        harness.wait_for(lambda: os.path.exists(self.socket), 10, "nbdkit")
        self.bridge.start()
        harness.wait_for(lambda: os.path.exists(self.device), 10, "nbdfuse")
        must("mount", "-o", "loop", self.device, self.where)
        self.mounted = True
        return self

    def __exit__(self, *_):
        self.heal()
        stop_all(self.room)
        if self.mounted:
            subprocess.run(["umount", "-l", self.where], check=False)
        subprocess.run(["fusermount3", "-u", "-z", self.folder], check=False)
        for process in (self.bridge, self.server):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.stop()

    def fail(self):
        with open(self.trigger, "w", encoding="utf-8"):
            return time.monotonic_ns()

    def heal(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.trigger)
        return time.monotonic_ns()

    def fails(self):
        """Whether the disk now fails whoever writes to it: the proof that the fault is there."""
        try:
            with open(os.path.join(self.where, "theirs"), "wb", buffering=0) as file:
                file.write(os.urandom(4096))
                os.fsync(file.fileno())
        except OSError:
            return True
        return False


def stop_all(room):
    for process in room.processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.stop()


class Small:
    """A tmpfs of a size and a number of files, as the journal's directory."""

    def __init__(self, room, options):
        self.room, self.where, self.options = room, room.path("state"), options
        os.makedirs(self.where, exist_ok=True)

    def __enter__(self):
        must("mount", "-t", "tmpfs", "-o", self.options, "assayd-test", self.where)
        return self

    def __exit__(self, *_):
        stop_all(self.room)
        subprocess.run(["umount", "-l", self.where], check=False)


class Manager(threading.Thread):
    """systemd's side of NOTIFY_SOCKET after READY: when the watchdog was fed."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.fed_ns, self.ending = [], threading.Event()
        os.unlink(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(0.2)

    def run(self):
        while not self.ending.is_set():
            with contextlib.suppress(socket.timeout):
                if b"WATCHDOG=1" in self.socket.recv(4096):
                    self.fed_ns.append(time.monotonic_ns())

    def longest_ms(self, begun_ns):
        """The longest time without food, also before the first and until now."""
        times = [begun_ns, *self.fed_ns, time.monotonic_ns()]
        return max(after - before for before, after in zip(times, times[1:])) // 1000000

    def stop(self):
        self.ending.set()
        self.join()
        self.socket.close()


def power_cuts(fs, cuts, seed, lying=False, pushers=4):
    """Cuts the power under the daemon while analyzers push; returns (Judgement, cuts after which something was lost).

    Every journal lives through five cuts. With `lying` the disk says that it has written and has not: the control, for which
    every cut has a journal of its own."""
    draw, total, with_loss = random.Random(seed), Judgement(), 0
    environment = {"LD_PRELOAD": f"{EIO_SHIM}:{harness.SHIM}", "EIO_AT": "1", "EIO_TIMES": "1000000000", "EIO_LIE": "1"}
    with harness.Room() as room, Disk(room, fs).in_use(room) as disk:
        ports = [harness.free_port() for _ in range(pushers)]
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon("".join(analyzer(number, port) for number, port in enumerate(ports, 1)),
                             TARGET.format(port=broker.port), env=environment if lying else None)
        analyzers = []
        for cut in range(cuts):
            if cut % 5 == 0 or lying:
                analyzers.clear()
                disk.format()
            disk.mount()
            daemon.start()
            now = [Pusher(port, number=cut % 5 * pushers + index + 1) for index, port in enumerate(ports)]
            for one in now:
                one.start()
            harness.wait_for(lambda: any(one.told() for one in now), 30, "the first result")  # noqa: B023
            time.sleep(draw.uniform(0.3, 0.9))
            moment = disk.cut()
            daemon.kill()
            for one in now:
                one.stop()
            disk.unmount()
            analyzers += [one.told(moment) for one in now]
            disk.mount()
            if not lying:
                total.check_integrity(daemon.state, f"cut {cut}")
            daemon.start()
            lines = journal_lines(daemon)
            epoch = daemon.status()["epoch"]
            arrived = [text for text in payloads(subscriber, moment) if json.loads(text)["epoch"] == epoch]
            verdict = judge([result for told in analyzers for result in told], lines, arrived)
            verdict.told = sum(len(one.told(moment)) for one in now)
            with_loss += verdict.lost > 0 or not lines
            total += verdict
            if daemon.stop() != 0:
                total.faults = [*total.faults, f"cut {cut}: the daemon did not end in order"]
            disk.unmount()
    return total, with_loss


def kills(count, seed, hasty=False, pushers=4):
    """Kills the daemon while analyzers push: the Judgement. With `hasty` each frame is acknowledged as it arrives, before the daemon
    has stored anything: the control."""
    draw, verdict, told = random.Random(seed), Judgement(), []
    with harness.Room() as room:
        ports = [harness.free_port() for _ in range(pushers)]
        daemon = room.daemon("".join(analyzer(number, port) for number, port in enumerate(ports, 1)),
                             env={"LD_PRELOAD": f"{HASTY_SHIM}:{harness.SHIM}"} if hasty else None)
        for number in range(count):
            daemon.start()
            now = [Pusher(port, number=number * pushers + index + 1) for index, port in enumerate(ports)]
            for one in now:
                one.start()
            harness.wait_for(lambda: any(one.told() for one in now), 30, "the first result")  # noqa: B023
            time.sleep(draw.uniform(0, 0.3))
            daemon.kill()
            for one in now:
                one.stop()
            told += [result for one in now for result in one.told()]
            verdict.check_integrity(daemon.state, f"kill {number + 1}")
        daemon.start()
        verdict += judge(told, journal_lines(daemon))
    return verdict


def journal_cuts(fs, cuts, *options):
    """tests/faults/powercut.sh: cuts under the journal alone, as fast as it can be written. Its figures."""
    done = subprocess.run([os.path.join(row.ROOT, "tests/faults/powercut.sh"), "--fs", fs, "--cuts", str(cuts), "--build", harness.BUILD,
                           *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    row.explain(*done.stderr.splitlines()[-10:])
    return json.loads(done.stdout.splitlines()[-1])

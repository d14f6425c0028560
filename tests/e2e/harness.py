"""Real parts for end-to-end tests: a private mosquitto, simulated instruments, the daemon, and a subscriber.

Everything runs on loopback with free ports and private directories, and is ended by process id. Ground truth is what the
instruments wrote to their --truth files at the moment they finished a result.
"""
import collections
import contextlib
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
LISTENING_PORTS = (10240, 32768)
NEWS_MAX = 50000  # records at once
COUNTY, STATION = "330421", "330421103-01"
PREFIX = f"assay/v1/{COUNTY}/{STATION}"
SANITIZED = any(word in os.path.basename(BUILD) for word in ("address", "thread", "undefined"))
SHIM = os.path.join(BUILD, "tests/faults/ptyshim.so")
SANITIZER_REPORT = re.compile(r"^.*(?:\w+Sanitizer\b|runtime error:).*$", re.MULTILINE)


def free_port():
    """A loopback port to listen on, now and after an outage.

    From below the range the kernel dials from (ip_local_port_range): out of that range somebody's connection can take the
    port while its broker is down, even the daemon's own one that looks for the broker and is joined to itself.
    """
    while True:
        port = random.randrange(*LISTENING_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue


def dial(port):
    """A connection to a listening line, which opens its port in a thread of its own, a little after READY."""
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.02)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, seconds, what="condition"):
    """Polls until the condition holds; returns its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError(f"{what} did not come true within {seconds} s")


def wait_for_calm(value, seconds):
    """Until the value did not change for so long."""
    seen, since = value(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.05)
        now = value()
        if now != seen:
            seen, since = now, time.monotonic()


class Process:
    """A child that is stopped by its own pid, with its output in a file."""

    def __init__(self, command, log, env=None, stdout=None):
        self.command, self.log_path, self.env = command, log, env
        self.stdout = stdout
        self.child = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.stdout or log, stderr=log,
                                          env={**os.environ, **(self.env or {})})
        return self

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def stop(self, how=signal.SIGTERM, seconds=10):
        if self.alive():
            self.child.send_signal(how)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
                raise
        return self.child.returncode if self.child else None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def sanitizer_report(self):
        """What a sanitizer said in this process' log, from its first line on; empty where it had nothing to say."""
        text = self.log() if os.path.exists(self.log_path) else ""
        found = SANITIZER_REPORT.search(text)
        return text[found.start():][:6000] if found else ""


class Broker(Process):
    """mosquitto on a free loopback port; `extra` lines go into its configuration."""

    def __init__(self, directory, port=None, extra=""):
        self.port = port or free_port()
        path = os.path.join(directory, f"mosquitto-{self.port}.conf")
        with open(path, "w", encoding="utf-8") as conf:
            # All of what the broker took is on its way to the subscriber at once: what it still held when a test stops
            # it would be lost, acknowledged as it is, and that is another test's subject.
            conf.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
                       f"max_inflight_messages 1000\n{extra}\n")
            if os.geteuid() == 0:
                conf.write("user root\n")
        broker = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        super().__init__([broker, "-c", path], os.path.join(directory, f"mosquitto-{self.port}.log"))

    def start(self):
        super().start()
        try:
            wait_for(lambda: listens(self.port) or not self.alive(), 20, "mosquitto listening")
        except TimeoutError as late:
            raise TimeoutError(f"{late}: {self.log()[-2000:]}") from None
        assert self.alive(), f"mosquitto ended: {self.log()[-2000:]}"
        return self


@contextlib.contextmanager
def held(daemon):
    """The daemon does nothing meanwhile, if it runs."""
    runs = daemon.alive()
    if runs:
        daemon.child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        if runs:
            daemon.child.send_signal(signal.SIGCONT)


def stop_when_quiet(broker, daemon, subscriber):
    """Stops the broker when the subscriber has all that it took: under load the rest would be acknowledged and lost."""
    with held(daemon):
        seen, since = len(subscriber.messages), time.monotonic()
        while time.monotonic() - since < 1:
            time.sleep(0.02)
            if len(subscriber.messages) != seen:
                seen, since = len(subscriber.messages), time.monotonic()
        broker.stop()


def start_when_heard(broker, daemon, subscriber):
    """Starts the broker again, and the daemon reaches it only when the subscriber has subscribed: its session went with the
    broker, and what comes before it is acknowledged and lost."""
    with held(daemon):
        subscriber.subscribed.clear()
        broker.start()
        assert subscriber.subscribed.wait(10), "the subscriber could not subscribe again"


def whole_lines(lines):
    """Those before the first that is still being written: what a file gives after that one is the rest of it, not a line."""
    return itertools.takewhile(lambda line: line.endswith(b"\n"), lines)


class Sim(Process):
    """assay-sim with a truth file; `where` is ("--serial", link), ("--tcp", "host:port") or ("--dial", "host:port")."""

    def __init__(self, directory, name, archetype, where, *options):
        self.name = name
        self.truth_path = os.path.join(directory, f"{name}.truth")
        super().__init__([os.path.join(BUILD, "assay-sim"), archetype, *where, "--truth", self.truth_path, *options],
                         os.path.join(directory, f"{name}.log"), stdout=subprocess.PIPE)

    def start(self):
        super().start()
        ready = self.child.stdout.readline().decode().split()
        assert ready and ready[0] == "ready", f"{self.name} did not start: {self.log()}"
        self.address = ready[1]
        return self

    def truth(self):
        return list(self.finished())

    def finished(self):
        """The same, one result after the other: a day of a soak has many."""
        with contextlib.suppress(FileNotFoundError), open(self.truth_path, "rb") as lines:
            for line in whole_lines(lines):
                yield {**json.loads(line), "instrument": self.name}


class Daemon(Process):
    """assayd on its own configuration directory; start() returns once it says READY=1."""

    def __init__(self, directory, instruments, target=None, station="", env=None, shim=True, wrapper=()):
        self.directory = directory
        self.conf = os.path.join(directory, "etc")
        self.state = os.path.join(directory, "state")
        os.makedirs(os.path.join(self.conf, "instruments.d"), exist_ok=True)
        self.write_config(instruments, target, station)
        self.notify_path = os.path.join(directory, "notify")
        environment = {"NOTIFY_SOCKET": self.notify_path, "LC_ALL": "C.UTF-8", "LANGUAGE": "", **(env or {})}
        # A sanitizer must be the first library of a process: there the daemon opens the pty by its own means.
        if shim and not SANITIZED and os.path.exists(SHIM) and "LD_PRELOAD" not in environment:
            environment["LD_PRELOAD"] = SHIM
        super().__init__([*wrapper, os.path.join(BUILD, "assayd"), "-c", self.conf], os.path.join(directory, "assayd.log"),
                         env=environment)
        self.ready_seconds = []
        self.extended = 0  # how often it asked for more time at the last start

    def write_config(self, instruments, target=None, station=""):
        with open(os.path.join(self.conf, "assayd.conf"), "w", encoding="utf-8") as conf:
            conf.write(f"[station]\ncode = {STATION}\nname = 魏塘街道农产品快速检测室\ncounty = {COUNTY}\n"
                       f"timezone = Asia/Shanghai\n{station}\n"
                       f"[journal]\ndirectory = {self.state}\n\n[control]\nsocket = {self.directory}/control\n\n")
            if target:
                conf.write(f"[target county]\n{target}\n")
        with open(os.path.join(self.conf, "instruments.d", "room.conf"), "w", encoding="utf-8") as conf:
            conf.write(instruments)

    def start(self, seconds=15):
        if os.path.exists(self.notify_path):
            os.unlink(self.notify_path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(self.notify_path)
            notify.settimeout(0.2)
            started = time.monotonic()
            self.extended = 0
            super().start()
            while True:
                assert self.alive(), f"assayd ended with {self.child.returncode}:\n{self.log()[-3000:]}"
                assert time.monotonic() - started < seconds, f"assayd was not ready within {seconds} s:\n{self.log()[-3000:]}"
                try:
                    told = notify.recv(4096)
                    self.extended += b"EXTEND_TIMEOUT_USEC=" in told
                    if b"READY=1" in told:
                        break
                except socket.timeout:
                    continue
            self.ready_seconds.append(time.monotonic() - started)
        return self

    def kill(self):
        self.child.kill()
        self.child.wait()

    def ctl(self, *arguments, **options):
        done = subprocess.run([os.path.join(BUILD, "assayctl"), "-c", self.conf, *arguments], capture_output=True, text=True,
                              timeout=60, check=False, env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""}, **options)
        assert not SANITIZER_REPORT.search(done.stderr), done.stderr
        return done

    def status(self):
        answer = self.ctl("--json", "status")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def lines(self, at_once=50000):
        """Every entry as it is stored, one after the other; a list that is asked for at once ends after 100,000."""
        from_seq = 1
        while from_seq:
            answer = self.ctl("--json", "list", "--from", str(from_seq), "--limit", str(at_once))
            assert answer.returncode == 0, answer.stderr
            part = answer.stdout.split("\n")[:-1]
            yield from part
            from_seq = json.loads(part[-1])["seq"] + 1 if len(part) == at_once else None

    def entries(self):
        return [json.loads(line) for line in self.lines()]


Message = collections.namedtuple("Message", "topic payload at_ns properties retain")


class Subscriber:
    """A county data centre: an MQTT 5 session that outlives broker restarts is not assumed; it reconnects by itself."""

    def __init__(self, port, on_message=None, client_id="county"):
        self.messages = []
        self.lock = threading.Lock()
        self.told = on_message
        self.subscribed = threading.Event()
        self.client = mqtt.Client(client_id, protocol=mqtt.MQTTv5)
        self.client.on_connect = self._connected
        self.client.on_message = self._received
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.reconnect_delay_set(0.1, 0.5)
        self.properties = Properties(PacketTypes.CONNECT)
        self.properties.SessionExpiryInterval = 3600
        self.client.connect("127.0.0.1", port, keepalive=10, clean_start=False, properties=self.properties)
        self.client.loop_start()
        assert self.subscribed.wait(10), "the subscriber could not subscribe"

    def _connected(self, client, *_):
        client.subscribe("assay/#", qos=1)

    def _received(self, _client, _userdata, message):
        got = Message(message.topic, message.payload, time.monotonic_ns(), message.properties, message.retain)
        with self.lock:
            self.messages.append(got)
        if self.told:
            self.told(got)

    def of(self, *kinds):
        with self.lock:
            return [m for m in self.messages if m.topic.rsplit("/", 1)[1] in kinds]

    def records(self):
        """Every record (result and qc) in order of arrival, duplicates included, with its arrival time."""
        return [(json.loads(m.payload), m.at_ns) for m in self.of("result", "qc")]

    def news(self, place):
        """(the place to ask from next time, some records that arrived since `place`); place 0 is the beginning."""
        with self.lock:
            fresh = self.messages[place:place + NEWS_MAX]
        return place + len(fresh), [json.loads(m.payload) for m in fresh if m.topic.rsplit("/", 1)[1] in ("result", "qc")]

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


def key_of_truth(truth):
    return (truth["instrument"], str(truth["instrument_seq"]) or None, truth.get("channel"), truth.get("sample_no") or None,
            truth.get("value") or None, truth["tested_at"][:19], truth["kind"])


def key_of_record(record):
    return (record["instrument"]["id"], record.get("instrument_seq"), record.get("channel"),
            record.get("sample", {}).get("no"), record.get("value"), record.get("tested_at", "")[:19], record["kind"])


Verdict = collections.namedtuple("Verdict", "finished received lost doubled invented")


class Received:
    """Records that came. Of each only what is judged is kept: a day of a soak has three quarters of a million.

    The same id twice on the wire is one record: the platform stores by id. Nor is a record that supersedes another one which
    came a second result."""

    def __init__(self, records=()):
        self.by_id, self.place = {}, 0
        self.add(records)

    def add(self, records):
        for record in records:
            digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).digest()
            known = self.by_id.setdefault(record["id"], (digest, key_of_record(record), record.get("supersedes")))
            assert known[0] == digest, f"one id, two contents: {record['id']}"

    def catch_up(self, subscriber):
        """With what came since the last time."""
        fresh = True
        while fresh:
            before = self.place
            self.place, records = subscriber.news(before)
            self.add(records)
            fresh = self.place != before

    def keys(self):
        return collections.Counter(key for _, key, supersedes in self.by_id.values() if supersedes not in self.by_id)

    def lacks(self, want):
        return list((want - self.keys()).elements())

    def against(self, want):
        """What is missing, what came as two records (different ids), what nobody finished."""
        extra = list((self.keys() - want).elements())
        return Verdict(want.total(), len(self.by_id), self.lacks(want), [key for key in extra if key in want],
                       [key for key in extra if key not in want])


def compare(truth, records):
    return Received(records).against(collections.Counter(map(key_of_truth, truth)))


def in_order(records):
    """First arrivals of each sequence number, in the order they came, never step back within an epoch."""
    seen, last = set(), {}
    for record in records:
        if record["id"] in seen:
            continue
        seen.add(record["id"])
        if record["seq"] < last.get(record["epoch"], 0):
            return False
        last[record["epoch"]] = record["seq"]
    return True


class Room:
    """A whole room in a private directory: use as a context manager."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="assayd-")
        self.processes = []
        self.subscribers = []

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure and not issubclass(failure, (SystemExit, KeyboardInterrupt)):
            self.tell_logs()
        for subscriber in self.subscribers:
            subscriber.stop()
        for process in reversed(self.processes):
            try:
                process.stop()
            except subprocess.TimeoutExpired:
                pass
        reports = [report for report in (process.sanitizer_report() for process in self.processes) if report]
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)
        assert not reports, "\n".join(reports)

    def tell_logs(self):
        """A test that fails once in a thousand runs has only these to tell why."""
        for process in self.processes:
            state = "runs" if process.alive() else f"ended with {process.child.returncode}" if process.child else "never started"
            log = process.log() if os.path.exists(process.log_path) else ""
            print(f"---- {os.path.basename(process.command[0])}, {state}; the end of {process.log_path}:\n{log[-3000:]}",
                  file=sys.stderr)

    def path(self, name):
        return os.path.join(self.directory, name)

    def add(self, process):
        self.processes.append(process)
        return process

    def broker(self, **options):
        return self.add(Broker(self.directory, **options).start())

    def sim(self, name, archetype, where, *options):
        return self.add(Sim(self.directory, name, archetype, where, *options).start())

    def daemon(self, instruments, target=None, **options):
        return self.add(Daemon(self.directory, instruments, target, **options))

    def subscriber(self, port, **options):
        subscriber = Subscriber(port, **options)
        self.subscribers.append(subscriber)
        return subscriber


def truth_of(sims):
    return [line for sim in sims for line in sim.truth()]


def settle(sims, subscriber, seconds=30):
    """Waits until everything the instruments had finished at the time of the call has arrived, or the time is up.

    Instruments may go on finishing results meanwhile: those count as received when they arrive, not as lost when not."""
    count = lambda: collections.Counter(key_of_truth(line) for sim in sims for line in sim.finished())
    finished, received = count(), Received()
    end = time.monotonic() + seconds
    while True:
        late = time.monotonic() > end
        received.catch_up(subscriber)
        lost = received.lacks(finished)
        if not lost or late:
            return received.against(count())._replace(finished=finished.total(), lost=lost)
        time.sleep(0.1)

"""station: a room with one reader, the daemon, and the county's platform behind a broker: what the rows B1..B14 break and judge.

What the instrument finished (its truth file) is held against what the platform stored for good, and that against the
journal, byte by byte."""
import collections
import contextlib
import hashlib
import json
import sqlite3
import time

import row
import harness
import county

READER = "[instrument reader-1]\ndriver = seven-e-aa\nport = {serial}\npoll = {poll}\n"
PUSHER = "[instrument pusher-1]\ndriver = text\nprofile = push-a10\nport = {serial}\n"
TARGET = "broker = {brokers}\nprotocol = {protocol}\nreceipts = {receipts}\n{more}"
QUICK = "reconnect-min = 100ms\nreconnect-max = 1s\n"

NEVER_S = 1e9
Judgement = collections.namedtuple("Judgement", "finished stored lost doubled altered alarms")


class Station(harness.Room):
    """Use as a context manager; `directory` holds everything of it."""

    def __init__(self):
        super().__init__()
        self.simulators = []
        self.config = self.assayd = self.county = None

    def __exit__(self, *what):
        if self.county:
            self.county.stop()
        super().__exit__(*what)

    def reader(self, results, *more, rate=30):
        """An instrument that finishes `results` results, and is asked for all of the day at each poll."""
        self.instrument("reader-1", "a2", READER, results, rate, *more)

    def pusher(self, results, *more, rate=30):
        """One that says each result once, unasked: it costs the daemon next to nothing."""
        self.instrument("pusher-1", "a10", PUSHER, results, rate, *more)

    def instrument(self, name, archetype, config, results, rate, *more):
        self.config = config
        self.simulate(name, archetype, self.path("line"), "--seed", "3", "--rate", str(rate), "--results", str(results), *more)

    def simulate(self, name, archetype, line, *options):
        self.simulators.append(self.sim(name, archetype, ("--serial", line), *options))

    def run(self, port, protocol="5", receipts="required", more="", host="127.0.0.1", poll="200ms",
            patience=QUICK, **options):
        """The daemon with one target, ready. `port` may be several: brokers tried in order."""
        ports = port if isinstance(port, (list, tuple)) else [port]
        target = TARGET.format(brokers=" ".join(f"mqtt://{host}:{each}" for each in ports), protocol=protocol,
                               receipts=receipts, more=patience + more)
        self.assayd = self.daemon(self.config.format(serial=self.path("line"), poll=poll), target, **options)
        return self.assayd.start()

    def platform(self, port, protocol="5", asks=True, host="127.0.0.1", client_id="platform"):
        """One that does not ask only listens: it gives no receipts, and names nothing as missing."""
        self.county = county.Platform(host, port, self.path("platform.db"), receipt_every=0.2 if asks else NEVER_S,
                                      client_id=client_id, protocol=protocol)
        return self.county.start()

    def platform_leaves(self):
        """Its session stays with the broker, what it stored with it."""
        self.county.stop()
        self.county = None

    def truth(self):
        """What the instruments finished."""
        return harness.truth_of(self.simulators)

    def target(self):
        return self.assayd.status()["targets"]["county"]

    def wait_until_up(self, seconds):
        harness.wait_for(lambda: self.target()["state"] == "up", seconds, "the link to come up")

    def receipted(self):
        status = self.assayd.status()
        return status["targets"]["county"]["through"] == status["seq"]

    def all_acknowledged(self, results):
        """All that the instrument finished is stored, with the event of the start, and the daemon believes it delivered."""
        status = self.assayd.status()
        return status["targets"]["county"]["through"] == status["seq"] > results

    def journal(self):
        """seq -> the stored bytes."""
        return {json.loads(line)["seq"]: line.encode() for line in self.assayd.lines()}

    def stored(self):
        with self.county.lock:
            return [payload for (payload,) in self.county.store.entries(harness.STATION)]

    def records(self):
        """Every record (result and qc) which the platform stored, as of a harness.Subscriber but without its time."""
        return [(entry, None) for entry in map(json.loads, self.stored()) if "kind" in entry]

    def news(self, place):
        """(the place to ask from next time, some records that were stored since `place`), as of a harness.Subscriber."""
        with contextlib.closing(sqlite3.connect(self.path("platform.db"))) as own:
            rows = own.execute("SELECT rowid, payload FROM entry WHERE rowid > ? AND station = ? ORDER BY rowid LIMIT ?",
                               (place, harness.STATION, harness.NEWS_MAX)).fetchall()
        entries = (json.loads(payload) for _, payload in rows)
        return rows[-1][0] if rows else place, [entry for entry in entries if "kind" in entry]

    def each_stored(self):
        """stored(), one after the other."""
        with contextlib.closing(sqlite3.connect(self.path("platform.db"))) as own:
            rows = own.execute("SELECT payload FROM entry WHERE station = ? ORDER BY rowid", (harness.STATION,))
            yield from (payload for (payload,) in rows)

    def lost(self):
        return harness.compare(self.truth(), [record for record, _ in self.records()]).lost

    def altered(self, payloads):
        """Sequence numbers of those that are not, byte for byte, in the journal: of a day of a soak a gigabyte, so that only digests
        of it are held."""
        stored = [(json.loads(payload)["seq"], hashlib.sha256(payload).digest()) for payload in payloads]  # first: none is of after the list
        journal = {hashlib.sha256(line.encode()).digest() for line in self.assayd.lines()}
        return [seq for seq, digest in stored if digest not in journal]

    def all_there(self, results):
        return len(self.truth()) >= results and not self.lost()

    def wait_for_all(self, results, seconds):
        """True when everything the instrument finished came to the platform in time, and receipts for it came back."""
        end = time.monotonic() + seconds
        for arrived in (lambda: self.all_there(results), self.receipted):
            try:
                harness.wait_for(arrived, max(0.1, end - time.monotonic()))
            except TimeoutError:
                return False
        return True

    def judge(self):
        payloads = self.stored()
        verdict = harness.compare(self.truth(), [entry for entry in map(json.loads, payloads) if "kind" in entry])
        return Judgement(verdict.finished, verdict.received, verdict.lost, verdict.doubled + verdict.invented,
                         self.altered(payloads), self.alarms())

    def alarms(self):
        """What the platform found against the contract."""
        with self.county.lock:
            return [what for (what,) in self.county.store.db.execute("SELECT what FROM alarm")]


def lateness(truth, subscriber):
    """The worst of how long after it was finished a result was heard of for the first time, in seconds."""
    first = {}
    for record, at_ns in subscriber.records():
        first.setdefault(harness.key_of_record(record), at_ns)
    return max((first[key] - line["at_ns"] for line in truth if (key := harness.key_of_truth(line)) in first), default=0) / 1e9


def sound(judgement):
    """Nothing lost, nothing doubled, nothing altered; a row that moved nothing proves nothing."""
    return judgement.finished > 0 and not (judgement.lost or judgement.doubled or judgement.altered or judgement.alarms)


def figures(judgement):
    return (f"{judgement.finished} results, lost {len(judgement.lost)}, doubled {len(judgement.doubled)}, "
            f"altered {len(judgement.altered) + len(judgement.alarms)}")


def explain(judgement):
    row.explain(*map(str, (*judgement.lost[:3], *judgement.doubled[:3], *judgement.altered[:3], *judgement.alarms[:3])))

#!/usr/bin/python3
"""county.py: a county's side of the contract, small enough to read in one sitting and to start from.

    county.py --broker [mqtts://]HOST[:PORT] --database FILE [--county 330421] [--receipt-every 1.0] [--protocol 5|3.1.1]
              [--ca FILE] [--cert FILE --key FILE] [--user NAME --password-file FILE]       see county_link.py
    county.py --database FILE --export STATION [--epoch EPOCH]      all it has of a station, for `assayctl verify`
    county.py --database FILE --export STATION --map MAP [--given NAME=VALUE]... [--output FILE]
                                                  the same as another platform takes it: see county_map.py

It stores every entry by station, epoch and seq, as the bytes it received, in SQLite; tells each station by receipts what it
has for good and what it lacks; and writes down what contradicts the contract. Needs python3-paho-mqtt. What it does, and why:

- A start that comes to nothing ends, with the reason. Later it connects again by itself, for as long as it takes.
- The session is durable (clean start off, session expiry): a broker drops what nobody is subscribed to, and says it took it.
- A receipt is published only after the commit. What it names as missing the station sends again at once.
- A hole at the end shows only in the station's status: its `seq` names the newest entry there is. The retained one may be
  half a minute old, so a present one is asked for.
- Within an epoch the same id always has the same bytes. Other bytes are kept beside the first, and are an alarm.
- The same id in another epoch is the same test, recorded anew by a station that lost its journal: it is stored too, or that
  epoch would never be whole, and counted once. It is an alarm only where what the instrument measured differs.
- A receipt published while a station's link was down is gone: once it is back it gets one for each epoch there is of it.
- `prev` of each entry must be the digest of the one before: checked where both are there.
"""
import argparse
import hashlib
import itertools
import json
import re
import sqlite3
import sys
import threading
import time

import county_link
import county_map
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry(id TEXT NOT NULL, station TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  kind TEXT NOT NULL, payload BLOB NOT NULL, at REAL NOT NULL, PRIMARY KEY(station, epoch, seq));
CREATE INDEX IF NOT EXISTS entry_id ON entry(id);
CREATE TABLE IF NOT EXISTS proof(station TEXT NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL, at REAL NOT NULL,
  UNIQUE(station, kind, payload));
CREATE TABLE IF NOT EXISTS alarm(station TEXT NOT NULL, what TEXT NOT NULL, payload BLOB NOT NULL, at REAL NOT NULL);
"""
TOPIC = re.compile(r"assay/v1/([0-9]{6})/([^/]+)/(result|qc|event|seal|manifest|status)")
MEASURED = ("kind", "instrument_seq", "channel", "value", "value_as_sent", "qualifier", "unit", "unit_as_sent", "signals",
            "verdict_as_sent", "tested_at")  # and item.as_sent: what the instrument said, whoever recorded it
MISSING_MAX = 64  # ranges in one receipt; the next names the rest


def measured(payload):
    entry = json.loads(payload)
    item = entry.get("item")
    return [entry.get(member) for member in MEASURED] + [item.get("as_sent") if isinstance(item, dict) else item]


class Store:
    """What is stored for good. One thread at a time."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        by_id = self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'entry' AND sql LIKE '%(id TEXT PRIMARY KEY%'").fetchone()
        if by_id:  # as this program stored before: a test recorded anew had no place
            self.db.execute("ALTER TABLE entry RENAME TO entry_by_id")
        self.db.executescript(SCHEMA)
        if by_id:
            self.db.executescript("BEGIN; INSERT INTO entry SELECT * FROM entry_by_id; DROP TABLE entry_by_id; COMMIT;")

    def alarm(self, station, what, payload):
        print(f"ALARM {station}: {what}", file=sys.stderr, flush=True)
        self.db.execute("INSERT INTO alarm VALUES(?, ?, ?, ?)", (station, what, payload, time.time()))

    def take_entry(self, station, kind, payload):
        """Inside a transaction. The epoch it belongs to, or None when it is no entry of this station."""
        try:
            entry = json.loads(payload)
            key = (entry["id"], entry["station"], entry["epoch"], entry["seq"])
        except (ValueError, KeyError, TypeError):
            self.alarm(station, "no entry of the contract", payload)
            return None
        if key[1] != station:
            self.alarm(station, f"an entry of station {key[1]} under this station's topic", payload)
            return None
        known = self.db.execute("SELECT payload FROM entry WHERE (id = ? OR seq = ?4) AND station = ?2 AND epoch = ?3", key).fetchall()
        if known:
            if known != [(payload,)]:
                self.alarm(station, f"entry {key[3]} came with other bytes than before", payload)
            return key[2]
        anew = self.db.execute("SELECT station, payload FROM entry WHERE id = ?", key[:1]).fetchall()
        if any(whose != station or measured(before) != measured(payload) for whose, before in anew):
            self.alarm(station, f"entry {key[3]} is a test that is known, but not as it was measured", payload)
        self.db.execute("INSERT INTO entry VALUES(?, ?, ?, ?, ?, ?, ?)", (*key, kind, payload, time.time()))
        self.check_links(station, key[2], key[3], payload)
        return key[2]

    def check_links(self, station, epoch, seq, payload):
        pairs = [(self.payload(station, epoch, seq - 1), payload), (payload, self.payload(station, epoch, seq + 1))]
        for earlier, later in pairs:
            if earlier is None or later is None:
                continue
            algorithm, _, digest = json.loads(later)["prev"].partition(":")
            if digest != hashlib.new(algorithm, earlier).hexdigest():
                self.alarm(station, f"entry {json.loads(later)['seq']} does not carry the digest of the one before", later)

    def payload(self, station, epoch, seq):
        row = self.db.execute("SELECT payload FROM entry WHERE station = ? AND epoch = ? AND seq = ?",
                              (station, epoch, seq)).fetchone()
        return row and row[0]

    def take_proof(self, station, kind, payload):
        self.db.execute("INSERT OR IGNORE INTO proof VALUES(?, ?, ?, ?)", (station, kind, payload, time.time()))

    def missing(self, station, epoch, first, last):
        """The ranges of first..last that are not there, rising."""
        ranges, expected = [], first
        for (seq,) in self.db.execute("SELECT seq FROM entry WHERE station = ? AND epoch = ? AND seq BETWEEN ? AND ? ORDER BY seq",
                                      (station, epoch, first, last)):
            if seq > expected:
                ranges.append([expected, seq - 1])
            expected = seq + 1
        if expected <= last:
            ranges.append([expected, last])
        return ranges

    def last(self, station, epoch):
        return self.db.execute("SELECT ifnull(max(seq), 0) FROM entry WHERE station = ? AND epoch = ?",
                               (station, epoch)).fetchone()[0]

    def entries(self, station, epoch=None):
        return self.db.execute("SELECT payload FROM entry WHERE station = ? AND (? IS NULL OR epoch = ?) ORDER BY epoch, seq",
                               (station, epoch, epoch))

    def counted(self, station, epoch=None):
        """Each test once: as it came first."""
        return self.db.execute("SELECT payload FROM entry WHERE station = ? AND (? IS NULL OR epoch = ?) AND NOT EXISTS (SELECT 1 FROM "
                               "entry AS earlier WHERE earlier.id = entry.id AND earlier.rowid < entry.rowid) ORDER BY epoch, seq",
                               (station, epoch, epoch))

    def epochs(self, station):
        return [epoch for (epoch,) in self.db.execute("SELECT DISTINCT epoch FROM entry WHERE station = ?", (station,))]

    def proofs(self, station, epoch=None):
        """Seals and manifests; they come from outside, and whether they are right is for the verifier to say."""
        for (payload,) in self.db.execute("SELECT payload FROM proof WHERE station = ? ORDER BY at", (station,)):
            if epoch is None or f'"epoch":"{epoch}"'.encode() in payload:
                yield (payload,)


class Platform:
    """Listens, stores, and answers with receipts. start() returns when it is subscribed; stop() when all is stored."""

    def __init__(self, host, port, database, county="+", receipt_every=1.0, client_id="platform", protocol="5", tls=None, login=None):
        self.store, self.lock = Store(database), threading.Lock()
        self.arrived, self.newest, self.due, self.complete, self.online = [], {}, {}, {}, {}
        self.receipt_every, self.county, self.ended = receipt_every, county, threading.Event()
        self.subscribed, self.fault = threading.Event(), None
        self.version5 = protocol == "5"
        self.client = county_link.new_client(client_id, protocol, tls, login, durable=True)
        self.client.on_connect = self.connected
        self.client.on_connect_fail = lambda *_: self.failed(*county_link.why(sys.exc_info()[1]))  # paho calls it where it caught it
        self.client.on_subscribe = self.answered
        self.client.on_message = self.heard
        self.client.reconnect_delay_set(0.2, 5)
        self.host, self.port = host, port
        self.worker = threading.Thread(target=self.work, daemon=True)

    def start(self):
        durable = Properties(PacketTypes.CONNECT)
        durable.SessionExpiryInterval = 30 * 24 * 3600
        session = {"clean_start": False, "properties": durable} if self.version5 else {}
        self.client.connect_async(self.host, self.port, keepalive=15, **session)
        self.client.loop_start()
        self.worker.start()
        in_time = self.subscribed.wait(15)
        if self.fault or not in_time:
            self.stop()
            raise ConnectionError(f"broker {self.host}:{self.port}: {self.fault or 'no answer within 15 s'}")
        return self

    def stop(self):
        self.ended.set()
        self.worker.join()
        self.client.disconnect()
        self.client.loop_stop()
        self.store.db.close()

    def failed(self, fault, may_pass):
        if fault != self.fault:
            print(f"broker {self.host}:{self.port}: {fault}", file=sys.stderr, flush=True)
        self.fault = fault
        if not may_pass:
            self.subscribed.set()  # start() need not wait

    def connected(self, client, _userdata, _flags, code, *_):
        if code != 0:
            self.failed(f"it refuses us: {county_link.said(code)}", code in county_link.TRY_LATER)
            return
        self.fault, self.online = None, {}  # who is there, and lacks receipts, the retained status tells
        client.subscribe([(f"assay/v1/{self.county}/+/+", 1), (f"assay/v1/{self.county}/+/response/status", 1)])

    def answered(self, _client, _userdata, _mid, codes, *_):
        if any(getattr(code, "value", code) >= 128 for code in codes):
            self.failed("it does not let us subscribe to what the stations publish", False)
        self.subscribed.set()

    def heard(self, client, _userdata, message):
        if message.retain and message.topic.endswith("/status"):  # as old as its last change: ask for the present one
            client.publish(message.topic[:-len("status")] + "request/status", b"{}", qos=1)
        with self.lock:
            self.arrived.append((message.topic.replace("/response/status", "/status"), bytes(message.payload)))

    def work(self):
        while not self.ended.wait(0.05 if self.arrived else min(self.receipt_every, 0.2)) or self.arrived:
            self.store_arrived()
            self.send_receipts()

    def store_arrived(self):
        """Everything that came since the last time, in one transaction: only then may a receipt speak of it."""
        with self.lock:
            batch, self.arrived = self.arrived, []
        if not batch:
            return
        self.store.db.execute("BEGIN IMMEDIATE")
        for topic, payload in batch:
            self.take(topic, payload)
        self.store.db.execute("COMMIT")

    def take(self, topic, payload):
        fits = TOPIC.fullmatch(topic)
        if not fits:
            return
        root, station, kind = topic.rsplit("/", 1)[0], fits[2], fits[3]
        if kind == "status":
            self.take_status(root, station, payload)
        elif kind in ("seal", "manifest"):
            self.store.take_proof(station, kind, payload)
        else:
            epoch = self.store.take_entry(station, kind, payload)
            if epoch:
                self.due.setdefault((root, station, epoch), time.monotonic() + self.receipt_every)

    def take_status(self, root, station, payload):
        try:
            status = json.loads(payload)
            is_back, self.online[station] = status["online"] and not self.online.get(station), status["online"]
            for epoch in self.store.epochs(station) if is_back else []:
                self.due.setdefault((root, station, epoch), time.monotonic() + self.receipt_every)
            if status["online"]:
                # what of it is only on its way arrives before the next receipt, and is then not named as missing
                self.newest[station, status["epoch"]] = status["seq"]
                self.due.setdefault((root, station, status["epoch"]), time.monotonic() + self.receipt_every)
        except (ValueError, KeyError, TypeError):
            self.store.alarm(station, "no status of the contract", payload)

    def send_receipts(self):
        now = time.monotonic()
        for (root, station, epoch), not_before in list(self.due.items()):
            if now < not_before or not self.client.is_connected():
                continue
            del self.due[root, station, epoch]
            through = max(self.store.last(station, epoch), self.newest.get((station, epoch), 0))
            from_seq = self.complete.get((station, epoch), 0) + 1  # nothing is missing before it
            missing = self.store.missing(station, epoch, from_seq, through)
            self.complete[station, epoch] = missing[0][0] - 1 if missing else through
            if len(missing) > MISSING_MAX:
                through = missing[MISSING_MAX][0] - 1
                missing = missing[:MISSING_MAX]
            receipt = {"epoch": epoch, "through": through, **({"missing": missing} if missing else {})}
            self.client.publish(f"{root}/receipt", json.dumps(receipt, separators=(",", ":")), qos=1)
            if missing:  # said again until it is filled
                self.due[root, station, epoch] = now + max(5.0, self.receipt_every)


def arguments():
    parser = argparse.ArgumentParser(description="A county's side of the contract.")
    county_link.add_arguments(parser)
    parser.add_argument("--database", required=True)
    parser.add_argument("--county", default="+")
    parser.add_argument("--receipt-every", type=float, default=1.0)
    parser.add_argument("--export", metavar="STATION")
    parser.add_argument("--epoch")
    parser.add_argument("--map", metavar="MAP")
    county_map.add_arguments(parser)
    wanted = parser.parse_args()
    try:
        wanted.link = county_link.link_of(wanted)
    except ValueError as error:
        parser.error(str(error))
    return wanted


def export(wanted):
    store = Store(wanted.database)
    if wanted.map:
        entries = (payload for (payload,) in store.counted(wanted.export, wanted.epoch))
        return county_map.convert(wanted.map, county_map.given_of(wanted), entries, wanted.output)
    for (payload,) in itertools.chain(store.entries(wanted.export, wanted.epoch), store.proofs(wanted.export, wanted.epoch)):
        sys.stdout.buffer.write(payload + b"\n")
    return 0


def main():
    wanted = arguments()
    if wanted.export:
        return export(wanted)
    try:
        platform = Platform(database=wanted.database, county=wanted.county, receipt_every=wanted.receipt_every, **wanted.link).start()
    except OSError as error:
        return f"county.py: {error}"
    print("ready", flush=True)
    try:
        platform.worker.join()
        return "county.py: it stores no more; the lines above say why"
    except KeyboardInterrupt:
        platform.stop()
        return 0


if __name__ == "__main__":
    sys.exit(main())

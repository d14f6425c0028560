#!/usr/bin/python3
"""county.py: a county's side of the contract, small enough to read in one sitting and to start from.

    county.py --broker [mqtts://]HOST[:PORT] --database FILE [--county 330421] [--receipt-every 1.0] [--protocol 5|3.1.1]
              [--ca FILE] [--cert FILE --key FILE] [--user NAME --password-file FILE]       see county_link.py
              [--identity STATION=PUBLIC-KEY.pem]...                  what `assayctl identity` printed when it was set up
              [--formerly STATION=CODE]...                            the station had this code before; with --export too
    county.py --broker ... --county 330421 --replay STATION EPOCH FROM TO         asks for these again, and prints the answer
    county.py --database FILE --export STATION [--epoch EPOCH]      all it has of a station, for `assayctl verify`
    county.py --database FILE --export STATION --map MAP [--given NAME=VALUE]... [--output FILE]
                                                  the same as another platform takes it: see county_map.py

It stores every entry by station, epoch and seq, as the bytes it received, in SQLite; tells each station by receipts what it
has for good and what it lacks; and writes down what contradicts the contract. Needs python3-paho-mqtt. What it does, and why:

- A start that comes to nothing ends, with the reason. Later it connects again by itself, for as long as it takes.
- The session is durable (clean start off, session expiry): a broker drops what nobody is subscribed to, and says it took it.
- A receipt is published only after the commit. What it names as missing the station sends again at once.
- A receipt names what is missing of the epochs it knows. After a database was lost the station may have older ones: the answer to
  a --replay of an EPOCH that is none names them, and FROM and TO beyond the end are answered with the end there is. The program
  that runs stores what comes of it.
- A station that was given a new code goes on in its epoch: what it recorded before names the code before, and comes under the new
  topics where no receipt covered it. It is taken, as that code's, where --formerly says so. Without, it is an alarm, once, and stays
  missing: the station keeps it until somebody has said whose it is.
- A hole at the end shows only in the station's status: its `seq` names the newest entry there is. The retained one may be
  half a minute old, so a present one is asked for.
- Within an epoch the same id always has the same bytes. Other bytes are kept beside the first, and are an alarm.
- The same id in another epoch is the same test, recorded anew by a station that lost its journal: it is stored too, or that
  epoch would never be whole, and counted once. It is an alarm only where what the instrument measured differs.
- A receipt published while a station's link was down is gone: once it is back it gets one for each epoch there is of it.
- `prev` of each entry must be the digest of the one before: checked where both are there. Whoever can alter one entry can alter
  those behind it too. With --identity each seal is verified, and what it seals, down to what was proven before: a false seal
  is an alarm, an entry that contradicts a seal is one too and is taken out, so that the next receipt names it as missing and the
  station sends what it sealed. A receipt says "stored", not "proven". Verifying starts `openssl`, some milliseconds for each
  seal, and a station makes one a second at most: a county of many stations calls a library.
- A manifest is held against what is stored, once all of it is there: another number of events or of an instrument's records, another
  digest, is an alarm.
"""
import argparse
import base64
import itertools
import json
import os
import re
import sys
import threading
import time

import county_link
import county_map
from county_store import Store, verify
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TOPIC = re.compile(r"assay/v1/([0-9]{6})/([^/]+)/(result|qc|event|seal|manifest|status)")
MISSING_MAX = 64  # ranges in one receipt; the next names the rest
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)  # what is no document of the contract


class Platform:
    """Listens, stores, and answers with receipts. start() returns when it is subscribed; stop() when all is stored."""

    def __init__(self, host, port, database, county="+", receipt_every=1.0, client_id="platform", protocol="5", tls=None, login=None,
                 identities=None, former=None):
        self.store, self.lock = Store(database, identities, former), threading.Lock()
        self.arrived, self.newest, self.due, self.online = [], {}, {}, {}
        self.receipt_every, self.county, self.ended = receipt_every, county, threading.Event()
        self.subscribed, self.fault = threading.Event(), None
        self.version5 = protocol == "5"
        self.client = county_link.new_client(client_id, protocol, tls, login, durable=True)
        self.client.on_connect = self.connected
        self.client.on_connect_fail = lambda *_: self.failed(*county_link.why(sys.exc_info()[1]))  # paho calls it where it caught it
        self.client.on_disconnect = self.disconnected
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

    def disconnected(self, _client, _userdata, code, *_):
        if code != 0 and not self.fault:
            self.failed("it ended the connection", True)

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
        try:
            if kind == "status":
                epochs = self.take_status(station, payload)
            else:
                take = self.store.take_proof if kind in ("seal", "manifest") else self.store.take_entry
                epochs = [take(station, kind, payload)]
        except MALFORMED as error:
            self.store.alarm(station, f"this {kind} is not taken: {error!r}", payload)
            return
        for epoch in filter(None, epochs):
            self.due.setdefault((root, station, epoch), time.monotonic() + self.receipt_every)

    def take_status(self, station, payload):
        """The epochs to give a receipt for."""
        status = json.loads(payload)
        is_back, self.online[station] = status["online"] and not self.online.get(station), status["online"]
        epochs = self.store.epochs(station) if is_back else []
        if status["online"]:
            if not (0 <= status["seq"] < 2 ** 63 and status["epoch"].encode()):
                raise ValueError("no seq or epoch")
            # what of it is only on its way arrives before the next receipt, and is then not named as missing
            self.newest[station, status["epoch"]] = status["seq"]
            epochs.append(status["epoch"])
        return epochs

    def send_receipts(self):
        now = time.monotonic()
        for (root, station, epoch), not_before in list(self.due.items()):
            if now < not_before or not self.client.is_connected():
                continue
            del self.due[root, station, epoch]
            through = max(self.store.last(station, epoch), self.newest.get((station, epoch), 0))
            journal = (self.store.codes(station), epoch)
            from_seq = self.store.complete.get(journal, 0) + 1  # nothing is missing before it
            missing = self.store.missing(station, epoch, from_seq, through)
            self.store.count(station, epoch)
            self.store.complete[journal] = missing[0][0] - 1 if missing else through
            if len(missing) > MISSING_MAX:
                through = missing[MISSING_MAX][0] - 1
                missing = missing[:MISSING_MAX]
            receipt = {"epoch": epoch, "through": through, **({"missing": missing} if missing else {})}
            self.client.publish(f"{root}/receipt", json.dumps(receipt, separators=(",", ":")), qos=1)
            if missing:  # said again until it is filled
                self.due[root, station, epoch] = now + max(5.0, self.receipt_every)


def identities_of(given):
    """{station: {key id: file}}: the id is the digest of the key as it stands in the file, in base64."""
    identities = {}
    for station, _, path in (each.partition("=") for each in given):
        with open(path, encoding="ascii", errors="replace") as file:
            pem = re.fullmatch(r"\s*-----BEGIN PUBLIC KEY-----(.*)-----END PUBLIC KEY-----\s*", file.read(), re.DOTALL)
        if not pem:
            raise ValueError(f"--identity {station}={path}: no public key as `assayctl identity` prints it")
        identities.setdefault(station, {})[verify.digest("sha256", base64.b64decode(pem[1]))] = os.path.abspath(path)
    return identities


def former_of(given):
    """{station: the codes it had before}"""
    former = {}
    for station, _, code in (each.partition("=") for each in given):
        if not station or not code or station == code:
            raise ValueError(f"--formerly {station}={code}: the station's code and the one it had before are meant")
        former.setdefault(station, set()).add(code)
    return former


def arguments():
    parser = argparse.ArgumentParser(description="A county's side of the contract.")
    county_link.add_arguments(parser)
    parser.add_argument("--database", metavar="FILE")
    parser.add_argument("--county", default="+")
    parser.add_argument("--receipt-every", type=float, default=1.0)
    parser.add_argument("--identity", action="append", default=[], metavar="STATION=PUBLIC-KEY.pem")
    parser.add_argument("--formerly", action="append", default=[], metavar="STATION=CODE")
    parser.add_argument("--replay", nargs=4, metavar=("STATION", "EPOCH", "FROM", "TO"))
    parser.add_argument("--export", metavar="STATION")
    parser.add_argument("--epoch")
    parser.add_argument("--map", metavar="MAP")
    county_map.add_arguments(parser)
    wanted = parser.parse_args()
    if wanted.replay and wanted.county == "+":
        parser.error("--replay asks a station of one --county")
    if not wanted.replay and not wanted.database:
        parser.error("--database FILE is where it is stored")
    try:
        wanted.link = county_link.link_of(wanted)
        wanted.identities, wanted.former = identities_of(wanted.identity), former_of(wanted.formerly)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return wanted


def replay(wanted):
    station, epoch, first, last = wanted.replay
    request = {"epoch": epoch, "from": int(first), "to": int(last)}
    answer = county_link.ask(wanted.link, f"assay/v1/{wanted.county}/{station}", "replay", request)
    print(answer.decode())
    return 0 if json.loads(answer).get("accepted") else 1


def export(wanted):
    store = Store(wanted.database, former=wanted.former)
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
        if wanted.replay:
            return replay(wanted)
        platform = Platform(database=wanted.database, county=wanted.county, receipt_every=wanted.receipt_every,
                            identities=wanted.identities, former=wanted.former, **wanted.link).start()
    except (OSError, ValueError) as error:
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

#!/usr/bin/python3
"""county_store.py: what county.py stores for good, and what it holds against the seals of the stations. SQLite, no MQTT.

An entry that contradicts a seal becomes an alarm and is not there any more: the next receipt names it as missing, and the station
sends again what it sealed. What somebody changes afterwards in the database is for `assayctl verify` to find, in an export.

A station that was given a new code goes on in its epoch, and sends under its new topics what it recorded under the code before. Whose
an entry is the entry says, who sends it the topic: such a one is taken only where the county said that the two codes are one
station's. Then what is there and what is missing is asked of the epoch, over all its codes.
"""
import json
import os
import re
import sqlite3
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../config/contract"))
import verify  # noqa: E402  the contract's: keep it beside this file where you take it elsewhere

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry(id TEXT NOT NULL, station TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  kind TEXT NOT NULL, payload BLOB NOT NULL, at REAL NOT NULL, PRIMARY KEY(station, epoch, seq));
CREATE INDEX IF NOT EXISTS entry_id ON entry(id);
CREATE TABLE IF NOT EXISTS proof(station TEXT NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL, at REAL NOT NULL,
  UNIQUE(station, kind, payload));
CREATE TABLE IF NOT EXISTS sealed(station TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY(station, epoch, seq));
CREATE TABLE IF NOT EXISTS uncounted(station TEXT NOT NULL, epoch TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS alarm(station TEXT NOT NULL, what TEXT NOT NULL, payload BLOB NOT NULL, at REAL NOT NULL);
"""
HEAD = re.compile(rb'\{"v":1,"id":"[0-9a-f-]{36}","station":"[^"\\]+","epoch":"[^"\\]+","seq":([1-9][0-9]*),'
                  rb'"prev":"(?:sha256|sm3):[0-9a-f]{64}",')  # as evidence.md has it
OF_STATION = "station IN (SELECT value FROM json_each(:codes))"  # whatever it was called
CONTROL = re.compile("[\x00-\x1f\x7f]")
MEASURED = ("kind", "instrument_seq", "channel", "value", "value_as_sent", "qualifier", "unit", "unit_as_sent", "signals",
            "verdict_as_sent", "tested_at")  # and item.as_sent: what the instrument said, whoever recorded it


def measured(payload):
    entry = json.loads(payload)
    item = entry.get("item")
    return [entry.get(member) for member in MEASURED] + [item.get("as_sent") if isinstance(item, dict) else item]


def digest_of(payload, like):
    """By the algorithm of `like`."""
    return verify.digest(like.partition(":")[0], payload)


class Store:
    """What is stored for good. One thread at a time. `identities`: {station: {key id: file of the public key}}, `former`: {station: the
    codes it had before}"""

    def __init__(self, path, identities=None, former=None):
        self.identities, self.former, self.told, self.complete = identities or {}, former or {}, set(), {}
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

    def codes(self, station):
        """Of the station, this one and what it was called before or since, for json_each()."""
        found, more = set(), {station}
        while more:
            found |= more
            more = {code for now, before in self.former.items() if found & {now, *before} for code in (now, *before)} - found
        return json.dumps(sorted(found))

    def place(self, station, epoch=None, seq=None):
        """For queries."""
        return {"codes": self.codes(station), "epoch": epoch, "seq": seq}

    def may_send(self, station, kind, named, payload):
        """Whether this station may send what is of the station `named`. If not that is told, once: a station that was renamed sends all
        it has again and again, and drops nothing before a receipt says that it is here."""
        if named == station or named in self.former.get(station, ()):
            return True
        if (station, kind, named) not in self.told:
            self.told.add((station, kind, named))
            self.alarm(station, f"this {kind} is not taken, nor are others like it: it is of station {named!r}. Was {station} called so "
                       f"before? Then say --formerly {station}={named!s:.32}", payload)
        return False

    def take_entry(self, station, kind, payload):
        """Inside a transaction. The epoch it belongs to; None: it is not taken."""
        if not HEAD.match(payload):
            raise ValueError("it does not begin as an entry does")
        entry = json.loads(payload, object_pairs_hook=verify.once)
        key = (entry["id"], entry["station"], entry["epoch"], entry["seq"])
        if not self.may_send(station, kind, key[1], payload):
            return None
        place = self.place(station, key[2], key[3])
        known = self.db.execute(f"SELECT payload FROM entry WHERE id = :id AND {OF_STATION} AND epoch = :epoch UNION SELECT payload "
                                f"FROM entry WHERE {OF_STATION} AND epoch = :epoch AND seq = :seq", {**place, "id": key[0]}).fetchall()
        if known:
            if known != [(payload,)]:
                self.alarm(station, f"entry {key[3]} came with other bytes than before", payload)
            return key[2]
        sealed = self.sealed(*key[1:])
        if sealed and digest_of(payload, sealed) != sealed:
            self.alarm(station, f"entry {key[3]} is not what the station sealed", payload)
            return key[2]
        anew = self.db.execute("SELECT station, payload FROM entry WHERE id = ?", key[:1]).fetchall()
        if any(whose not in json.loads(place["codes"]) or measured(before) != measured(payload) for whose, before in anew):
            self.alarm(station, f"entry {key[3]} is a test that is known, but not as it was measured", payload)
        self.db.execute("INSERT INTO entry VALUES(?, ?, ?, ?, ?, ?, ?)", (*key, kind, payload, time.time()))
        self.check_links(station, key[2], key[3], payload)
        if sealed:
            self.prove(station, key[2], key[3] - 1, entry["prev"], payload)
        return key[2]

    def check_links(self, station, epoch, seq, payload):
        pairs = [(self.payload(station, epoch, seq - 1), payload), (payload, self.payload(station, epoch, seq + 1))]
        for earlier, later in pairs:
            if earlier is None or later is None:
                continue
            prev = json.loads(later)["prev"]
            if prev != digest_of(earlier, prev):
                self.alarm(station, f"entry {json.loads(later)['seq']} does not carry the digest of the one before", later)

    def payload(self, station, epoch, seq):
        row = self.db.execute(f"SELECT payload FROM entry WHERE {OF_STATION} AND epoch = :epoch AND seq = :seq",
                              self.place(station, epoch, seq)).fetchone()
        return row and row[0]

    def take_proof(self, station, kind, payload):
        """A seal or manifest, kept for the verifier. Its epoch where there is something to do: a manifest to be counted, an entry that was
        disproved; else None. One that is signed with the key of the station it names is that one's, whoever sends it."""
        document = json.loads(payload, object_pairs_hook=verify.once)
        pem = self.key_file(document)
        if not pem and not self.may_send(station, kind, document["station"], payload):
            return None
        row = (document["station"], kind, payload)
        if self.db.execute("SELECT 1 FROM proof WHERE station = ? AND kind = ? AND payload = ?", row).fetchone():
            return None
        claim = self.claim(document, pem, payload) if self.identities else None
        if kind == "manifest":
            first, last = document["first"], document["last"]
            if not 0 < first <= last < 2**63:
                raise ValueError("no first and last")
            self.db.execute("INSERT INTO uncounted VALUES(?, ?, ?, ?, ?)", (row[0], document["epoch"] + "", first, last, payload))
        self.db.execute("INSERT INTO proof VALUES(?, ?, ?, ?)", (*row, time.time()))
        disproved = claim and not self.prove(row[0], *claim, payload)
        return document["epoch"] if disproved or kind == "manifest" else None

    def key_file(self, document):
        """A station keeps its key when it gets a new code."""
        given = (self.identities.get(code, {}).get(document["key"]) for code in json.loads(self.codes(document["station"])))
        return next(filter(None, given), None) if self.identities else None

    def claim(self, document, pem, payload):
        """(epoch, seq, digest) of the entry it proves, None where we lack the key; ValueError: it is not the station's."""
        if pem:
            verify.signed(document, pem)
            return document["epoch"], document["last" if "day" in document else "seq"] + 0, document["hash"]
        station, key = document["station"], document["key"]
        if (station, key) not in self.told:  # seals of it are kept, and can be judged when the key is there
            self.told.add((station, key))
            self.alarm(station, f"it seals with key {key!r}, which was not given: its seals are not checked", payload)
        return None

    def count(self, station, epoch):
        """Holds the manifests that were not counted yet, and of which every entry is here, against what is here."""
        waiting = self.db.execute(f"SELECT rowid, first, last, payload FROM uncounted WHERE {OF_STATION} AND epoch = :epoch",
                                  self.place(station, epoch)).fetchall()
        for row, first, last, payload in waiting:
            if self.missing(station, epoch, first, last):
                continue
            manifest, found = json.loads(payload), self.summary(station, epoch, first, last)
            differing = [member for member in found if manifest.get(member) != found[member]]
            if differing:
                says = "; ".join(f"{member} {manifest.get(member)!a:.200}, here {found[member]!a:.200}" for member in differing)
                self.alarm(station, f"the manifest of {manifest.get('day')!a:.12} says of entries {first} to {last}: {says}", payload)
            self.db.execute("DELETE FROM uncounted WHERE rowid = ?", (row,))

    def summary(self, station, epoch, first, last):
        """What a manifest says of these entries, counted anew."""
        events, instruments, digests = 0, {}, []
        run = {**self.place(station, epoch), "first": first, "last": last}
        for kind, payload in self.db.execute(f"SELECT kind, payload FROM entry WHERE {OF_STATION} AND epoch = :epoch "
                                             "AND seq BETWEEN :first AND :last ORDER BY seq", run):
            entry = json.loads(payload)
            digests.append(digest_of(payload, entry["prev"]))
            if kind == "event":
                events += 1
                continue
            about = entry.get("instrument")
            who, what, counter = about.get("id") if isinstance(about, dict) else None, entry.get("kind"), entry.get("instrument_seq")
            if isinstance(who, str) and isinstance(what, str):
                of = instruments.setdefault(who, {})
                of[what] = of.get(what, 0) + 1
                if isinstance(counter, str) and not CONTROL.search(counter):
                    of.update(counter_first=of.get("counter_first", counter), counter_last=counter)
        whole = "".join(f"{each}\n" for each in digests).encode()
        return {"events": events, "instruments": instruments, "digest": digest_of(whole, digests[0])}

    def sealed(self, station, epoch, seq):
        row = self.db.execute(f"SELECT hash FROM sealed WHERE {OF_STATION} AND epoch = :epoch AND seq = :seq",
                              self.place(station, epoch, seq)).fetchone()
        return row and row[0]

    def prove(self, station, epoch, seq, digest, by):
        """A seal proves its entry, that one by its `prev` the entry before, and so on down to what is proven already, or to one
        that is not there: it goes on when that comes. False where an entry had to go."""
        while seq > 0:
            known = self.sealed(station, epoch, seq)
            if known:
                if known != digest:
                    self.alarm(station, f"entry {seq} was sealed otherwise too", by)
                return True
            self.db.execute("INSERT INTO sealed VALUES(?, ?, ?, ?)", (station, epoch, seq, digest))
            payload = self.payload(station, epoch, seq)
            if payload and digest_of(payload, digest) != digest:
                self.alarm(station, f"entry {seq} is not what the station sealed", payload)
                self.db.execute(f"DELETE FROM entry WHERE {OF_STATION} AND epoch = :epoch AND seq = :seq", self.place(station, epoch, seq))
                self.complete.pop((self.codes(station), epoch), None)
                return False
            if not payload:
                return True
            seq, digest = seq - 1, json.loads(payload)["prev"]
        return True

    def missing(self, station, epoch, first, last):
        """The ranges of first..last that are not there, rising."""
        ranges, expected = [], first
        for (seq,) in self.db.execute(f"SELECT seq FROM entry WHERE {OF_STATION} AND epoch = :epoch AND seq BETWEEN :first AND :last "
                                      "ORDER BY seq", {**self.place(station, epoch), "first": first, "last": last}):
            if seq > expected:
                ranges.append([expected, seq - 1])
            expected = seq + 1
        if expected <= last:
            ranges.append([expected, last])
        return ranges

    def last(self, station, epoch):
        """The newest that is there, or was sealed."""
        return self.db.execute("SELECT max(max((SELECT ifnull(max(seq), 0) FROM entry WHERE station = value AND epoch = :epoch), "
                               "(SELECT ifnull(max(seq), 0) FROM sealed WHERE station = value AND epoch = :epoch))) "
                               "FROM json_each(:codes)", self.place(station, epoch)).fetchone()[0]

    def entries(self, station, epoch=None):
        return self.db.execute(f"SELECT payload FROM entry WHERE {OF_STATION} AND (:epoch IS NULL OR epoch = :epoch) ORDER BY epoch, seq",
                               self.place(station, epoch))

    def counted(self, station, epoch=None):
        """Each test once: as it came first."""
        return self.db.execute(f"SELECT payload FROM entry WHERE {OF_STATION} AND (:epoch IS NULL OR epoch = :epoch) AND NOT EXISTS "
                               "(SELECT 1 FROM entry AS earlier WHERE earlier.id = entry.id AND earlier.rowid < entry.rowid) "
                               "ORDER BY epoch, seq", self.place(station, epoch))

    def epochs(self, station):
        found = self.db.execute(f"SELECT DISTINCT epoch FROM entry WHERE {OF_STATION}", self.place(station))
        return [epoch for (epoch,) in found]

    def proofs(self, station, epoch=None):
        """Seals and manifests; they come from outside, and whether they are right is for the verifier to say."""
        for (payload,) in self.db.execute(f"SELECT payload FROM proof WHERE {OF_STATION} ORDER BY at", self.place(station)):
            if epoch is None or f'"epoch":"{epoch}"'.encode() in payload:
                yield (payload,)

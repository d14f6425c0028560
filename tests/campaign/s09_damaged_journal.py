#!/usr/bin/python3
"""S9: 200 journals, each damaged in its own way while results wait in it: head, pages, single bytes, cut off, emptied, replaced by
garbage; the file, or its write-ahead log as a kill left it. The whole daemon is started on each.

Never a crash. What is damaged is kept as journal.db.corrupt-TIME and told in the log and as the event journal_set_aside; what can
be read of it reaches the county, byte for byte as it was stored, and nothing else does. What the county lacks in the end must be
among what the event calls lost; only the end of a log that was cut off, or its last commit, cannot be told from a log that was
never longer.

Control: with the salvage's result left out (the payloads of the old epoch taken as not received) the judging must find results
that are missing in silence."""
import contextlib
import json
import os
import random
import shutil
import time

import row
import harness
import store_faults as store

RESULTS, DELIVERED = 120, 30
PAGE = 512


def garbage(data, at, length, draw):
    data[at:at + length] = draw.randbytes(min(length, len(data) - at))


def used(data):
    """Where the log's unused rest begins, which is zeros."""
    return len(data.rstrip(b"\0")) or len(data)


def damage(data, kind, draw):
    at = draw.randrange(used(data))
    page = at // PAGE * PAGE
    if kind == "head":
        garbage(data, 0, 100, draw)
    elif kind == "byte of the head":
        data[draw.randrange(100)] ^= draw.randrange(1, 256)
    elif kind == "page of zeros":
        data[page:page + PAGE] = bytes(PAGE)
    elif kind == "page of garbage":
        garbage(data, page, PAGE, draw)
    elif kind == "byte":
        data[at] ^= draw.randrange(1, 256)
    elif kind == "cut off":
        del data[at:]
    elif kind == "emptied":
        data.clear()
    elif kind == "all garbage":
        garbage(data, 0, len(data), draw)
    else:
        raise ValueError(kind)


KINDS = ([("", kind) for kind in ("head", "byte of the head", "page of zeros", "page of garbage", "byte", "cut off", "emptied",
                                  "all garbage")] +
         [("-wal", kind) for kind in ("page of zeros", "byte", "page of garbage", "cut off")])


class Gold:
    """A station's directory with results that the county lacks, as an orderly end or a kill left it."""

    def __init__(self, room, killed):
        self.directory = room.path(f"gold-{'killed' if killed else 'ended'}")
        os.makedirs(self.directory)
        broker = harness.Broker(self.directory).start()
        subscriber = room.subscriber(broker.port, client_id=os.path.basename(self.directory))
        port = harness.free_port()
        daemon = harness.Daemon(self.directory, store.analyzer(1, port), store.TARGET.format(port=broker.port)).start()
        first, then = store.Pusher(port, 1, limit=DELIVERED), store.Pusher(port, 2, limit=RESULTS - DELIVERED)
        first.run()
        store.wait_for_all(subscriber, [first])
        broker.stop()
        then.run()
        self.lines = store.journal_lines(daemon)
        self.epoch = daemon.status()["epoch"]
        self.state = daemon.state
        if killed:
            daemon.kill()
        else:
            daemon.stop()
        subscriber.stop()
        room.subscribers.remove(subscriber)
        entries = [json.loads(line) for line in self.lines]
        waiting = {one.value for one in then.told()}
        self.waiting = {entry["seq"] for entry in entries if entry.get("value") in waiting}


class Case:
    """One damaged journal, and what the county has in the end."""

    def __init__(self, room, broker, subscriber, gold, seed):
        self.subscriber, self.gold = subscriber, gold
        draw = random.Random(seed)
        self.suffix, self.kind = KINDS[seed % len(KINDS)]
        self.directory = room.path(f"case-{seed}")
        os.makedirs(self.directory)
        shutil.copytree(gold.state, os.path.join(self.directory, "state"))
        path = os.path.join(self.directory, "state/journal.db" + self.suffix)
        with open(path, "rb") as file:
            data = bytearray(file.read())
        sound = bytes(data)
        damage(data, self.kind, draw)
        assert data != sound
        with open(path, "wb") as file:
            file.write(data)
        self.daemon = room.add(harness.Daemon(self.directory, store.analyzer(1, harness.free_port()),
                                              store.TARGET.format(port=broker.port)))
        self.messages = len(subscriber.messages)
        self.heard, self.quiet_since = -1, time.monotonic()
        self.ends = []  # how the daemon ended by itself

    def run(self):
        """Starts it, again where it ended (systemd would), until the county has what there is."""
        for _ in range(4):
            with contextlib.suppress(AssertionError):  # it ended before it was ready
                self.daemon.start()
            if self.settles():
                break
            self.ends.append(self.daemon.child.returncode)
        self.aside = [name for name in os.listdir(self.daemon.state) if ".corrupt-" in name and name.endswith("Z")]
        self.daemon.stop()
        self.wait_for_the_last()

    def wait_for_the_last(self):
        """What the broker has acknowledged reaches the subscriber a little later: until its goodbye is there."""
        harness.wait_for(lambda: any(one.topic.endswith("/status") and b'"online":false' in one.payload for one in self.news()), 20,
                         "the daemon's goodbye")

    def settles(self):
        end = time.monotonic() + 30
        while self.daemon.alive():
            assert time.monotonic() < end, self.daemon.log()
            if self.has_all():
                return True
            time.sleep(0.02)
        return False

    def has_all(self):
        status = self.daemon.ctl("--json", "status")
        if status.returncode != 0 or json.loads(status.stdout)["backlog"] > 0:
            return False
        if len(self.news()) != self.heard:
            self.heard, self.quiet_since = len(self.news()), time.monotonic()
        log = self.daemon.log()
        # A target that had all that could be salvaged gets nothing, and nothing is said of it: two quiet seconds.
        return time.monotonic() - self.quiet_since > 2 or "a new one was begun" not in log or "it has all that was salvaged" in log or "\n<5>0 entries" in log or \
            "nothing could be salvaged" in log

    def news(self):
        return self.subscriber.messages[self.messages:]

    def told(self):
        for message in self.news():
            if message.topic.endswith("/event"):
                event = json.loads(message.payload)
                if event["event"] == "journal_set_aside":
                    return event
        return None

    def judge(self, without_salvage=False):
        """(records that nobody stored, results missing in silence, missing and told, of a log's lost end)"""
        records = [message.payload.decode() for message in self.news() if message.topic.rsplit("/", 1)[1] in ("result", "qc")]
        wrong = len(set(records) - set(self.gold.lines))
        have = set() if without_salvage else {json.loads(text)["seq"] for text in records}
        missing, event = self.gold.waiting - have, self.told()
        if event and not without_salvage:
            lost = {seq for one in event.get("lost_ranges", ()) for seq in range(one["first"], one["last"] + 1)}
            lost |= {seq for seq in missing if not event.get("salvaged") or seq < event["first"] or seq > event["last"]}
            return wrong, len(missing - lost), len(missing & lost), 0
        # Of a log whose last commit is damaged the same holds: it looks like a commit that was never finished.
        last = missing == {max(self.gold.waiting)}
        cut = self.suffix == "-wal" and (self.kind == "cut off" or last) and not without_salvage
        return wrong, 0 if cut else len(missing), 0, len(missing) if cut else 0


def main():
    seeds = range(row.size(200, len(KINDS)))
    wrong = silent = told = cut = crashes = aside = unsaid = control = 0
    with harness.Room() as room:
        golds = [Gold(room, killed=False), Gold(room, killed=True)]
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        for seed in seeds:
            suffix = KINDS[seed % len(KINDS)][0]
            case = Case(room, broker, subscriber, golds[1] if suffix else golds[seed // len(KINDS) % 2], seed)
            case.run()
            found = case.judge()
            bad = [end for end in case.ends if end != 1]  # 1: it met the damage while in use and said so
            silently = bool(case.aside) != bool(case.told())
            if found[0] or found[1] or bad or silently:
                row.explain(f"seed {seed}, {case.kind} of journal.db{case.suffix}: wrong {found[0]}, silent {found[1]}, ended {case.ends}, "
                            f"set aside {case.aside}, told {case.told()}", *case.daemon.log().splitlines()[-6:])
            wrong, silent, told, cut = (one + more for one, more in zip((wrong, silent, told, cut), found))
            crashes += len(bad)
            aside += bool(case.aside)
            unsaid += silently
            control += case.judge(without_salvage=True)[1] > 0
            room.processes.remove(case.daemon)
            shutil.rmtree(case.directory)
    row.end("S9", f"{len(seeds)} damaged journals: crashes {crashes}, set aside {aside}, set aside without a word {unsaid}, wrong records "
            f"{wrong}, missing in silence {silent}, lost and told {told}, behind the cut end of a log {cut} of "
            f"{len(seeds) * (RESULTS - DELIVERED)} that waited; control: missing found in {control} without the salvage",
            not (crashes or unsaid or wrong or silent) and aside > len(seeds) // 4 and control == len(seeds))


if __name__ == "__main__":
    main()

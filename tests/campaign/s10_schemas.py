#!/usr/bin/python3
"""S10: journals of every schema there ever was (tests/unit/journals), each opened by the whole daemon, and again after a kill at
each sync and at each write of that start: everything in it is there afterwards, byte for byte, its chain whole, nothing twice.

A journal of a newer schema is refused with a line that names both, exit 78, and not one byte of it is changed. Control: of the
golden journals one record is altered, and the judging must see it."""
import glob
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess

import row
import harness
import kill
import store_faults as store

MINUTES = 20
MOST = 2000


def payloads_in(path):
    """The entries as the file itself composes them, before anybody migrates it."""
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as file:
        return [bytes(text, "utf-8") if isinstance(text, str) else text for (text,) in
                file.execute("SELECT bytes FROM payload ORDER BY seq")]


def newest():
    with open(os.path.join(row.ROOT, "daemon/journal_parts.h"), encoding="utf-8") as header:
        return next(int(line.split("=")[1].strip(" ,\n")) for line in header if "JOURNAL_SCHEMA =" in line)


class Station:
    """A directory with a copy of a golden journal."""

    def __init__(self, room, golden):
        self.room, self.golden = room, golden
        self.daemon = harness.Daemon(room.directory, "", None)
        self.path = os.path.join(self.daemon.state, "journal.db")

    def lay_down(self):
        shutil.rmtree(self.daemon.state, ignore_errors=True)
        os.makedirs(self.daemon.state)
        shutil.copy(self.golden, self.path)

    def start_killed(self, what, at):
        """Starts it to be killed at that point: whether it came that far before it was ready."""
        env = {"LD_PRELOAD": store.EIO_SHIM, what: str(at)}
        self.daemon.env = {**self.daemon.env, **env}
        try:
            self.daemon.start()
        except AssertionError:
            assert self.daemon.child.wait(10) == -9, self.daemon.log()
            return True
        finally:
            self.daemon.env = {key: value for key, value in self.daemon.env.items() if key not in env}
        self.daemon.kill()
        return False

    def holds_everything(self, wanted):
        """Faults found when it is started in earnest."""
        self.daemon.start()
        lines = store.journal_lines(self.daemon)
        faults = kill.chain_faults(lines)
        if [line.encode() for line in lines[:len(wanted)]] != wanted:
            faults.append("an entry is not what it was")
        if "gateway_started" not in [json.loads(line).get("event") for line in lines[len(wanted):]]:
            faults.append("nothing was appended")
        faults += [name for name in os.listdir(self.daemon.state) if ".corrupt-" in name]
        assert self.daemon.stop() == 0
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as file:
            if file.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                faults.append("SQLite's own check fails")
            if file.execute("PRAGMA user_version").fetchone()[0] != newest():
                faults.append("it is not of the newest schema")
        return faults


def killed_everywhere(station, wanted):
    """(kills at syncs, kills at writes, faults)"""
    counts, faults = [], []
    for what, step in (("KILL_AT", row.size(1, 4)), ("KILL_AT_WRITE", row.size(1, 31))):
        at, kills = 1, 0
        while at < MOST:
            station.lay_down()
            killed = station.start_killed(what, at)
            found = station.holds_everything(wanted)
            faults += [f"{what}={at}: {fault}" for fault in found]
            if not killed:
                break
            at, kills = at + step, kills + 1
        counts.append(kills)
    return counts[0], counts[1], faults


def newer_refused(station):
    """(untouched, said with both versions, exit code)"""
    station.lay_down()
    version = newest() + 1
    with sqlite3.connect(station.path) as file:
        file.execute("CREATE TABLE IF NOT EXISTS state(kind TEXT, name TEXT, number INTEGER, value)")
        file.execute("REPLACE INTO state VALUES('schema', '', ?, '')", (version,))
        file.execute(f"PRAGMA user_version = {version}")
    file.close()

    def print_of():
        with open(station.path, "rb") as content:
            return hashlib.sha256(content.read()).hexdigest()

    before = print_of()
    started = len(station.daemon.log())
    try:
        station.daemon.start()
    except AssertionError:
        pass
    said = f"schema {version}, this one knows {newest()}" in station.daemon.log()[started:]
    return print_of() == before, said, station.daemon.child.wait(10)


def main():
    goldens = sorted(glob.glob(os.path.join(row.ROOT, "tests/unit/journals/*.db")))
    goldens = goldens[:row.size(len(goldens), 1)]  # the oldest has the longest way
    figures, passed = [], bool(goldens)
    for golden in goldens:
        with harness.Room() as room:
            station = Station(room, golden)
            wanted = payloads_in(golden)
            syncs, writes, faults = killed_everywhere(station, wanted)
            row.explain(*faults[:5])
            untouched, said, code = newer_refused(station)
            station.lay_down()
            altered = [*wanted[:3], wanted[3].replace(b":", b";", 1), *wanted[4:]]
            control = station.holds_everything(altered)
            figures.append(f"{os.path.basename(golden)}: {len(wanted)} entries, killed at {syncs} syncs and {writes} writes, faults "
                           f"{len(faults)}, newer {'untouched' if untouched else 'TOUCHED'} and {'named' if said else 'NOT named'}, exit {code}, "
                           f"control {'found' if control else 'NOT found'}")
            passed = passed and not faults and syncs > 2 < writes and untouched and said and code == 78 and bool(control)
    row.end("S10", "; ".join(figures), passed)


if __name__ == "__main__":
    main()

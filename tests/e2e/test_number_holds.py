"""Numbers are used again: a result is of the sample registered for its time, not of one of months ago."""
import contextlib
import datetime
import json
import os
import sqlite3
import time

import harness
import pytest
from test_clock import FAKETIME, BoxClock, Synced
from test_salvage import damage_head

DAY_MS = 86400000
SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))  # of the station


def message(number, ago_days, minutes):
    at = (datetime.datetime.now(SHANGHAI) - datetime.timedelta(days=ago_days, minutes=minutes)).strftime("%Y%m%d%H%M%S")
    return (f"H|\\^&|||FR-100||||||||LIS2-A2\rO|1|{number}||^^^PR-OPCB\r"
            f"R|1|^^^PR-OPCB|12.0|%||||F||||{at}\rL|1|N\r").encode()


class Room(harness.Room):
    def open(self, setting="", env=None):
        self.port = harness.free_port()
        self.sent = 0
        self.assayd = self.daemon(f"[instrument fr-1]\ndriver = astm\nport = tcp-listen:{self.port}\n",
                                  station=f"[samples]\n{setting}\n" if setting else "", env=env).start()
        return self

    def age(self, days):
        """As if everything had been registered so many days earlier."""
        self.assayd.kill()
        with contextlib.closing(sqlite3.connect(os.path.join(self.assayd.state, "journal.db"))) as db, db:
            assert db.execute(f"UPDATE sample SET at_ms = at_ms - {days * DAY_MS}").rowcount > 0
        self.assayd.start()

    def sample(self, number, ago_days=0):
        before = self.records()
        self.sent += 1
        with harness.dial(self.port) as instrument:
            instrument.sendall(message(number, ago_days, self.sent))
            harness.wait_for(lambda: len(self.records()) == len(before) + 1, 20, "the record")
        return self.records()[-1]["sample"]

    def records(self):
        return [entry for entry in self.assayd.entries() if "kind" in entry]


NOBODY_S = {"no": "12", "bound_by": "instrument"}


def test_a_registration_of_months_ago_names_no_result_of_today():
    with Room() as room:
        room.open()
        assert room.assayd.ctl("register", "12", "name=菠菜", "party=甲农场").returncode == 0
        assert room.sample("12")["name"] == "菠菜"
        room.age(200)
        assert room.sample("12") == NOBODY_S
        assert room.sample("12", ago_days=199)["name"] == "菠菜", "tested in its time, sent late"
        assert room.assayd.ctl("register", "12", "name=韭菜").returncode == 0
        assert room.sample("12") == {"no": "12", "name": "韭菜", "bound_by": "instrument", "registered_by": "register"}
        listed = room.assayd.ctl("samples").stdout.splitlines()
        spinach = (datetime.datetime.now(SHANGHAI).date() - datetime.timedelta(days=170)).isoformat()
        assert "HOLDS UNTIL" in listed[0] and "菠菜" in listed[1] and spinach in listed[1], listed


def test_a_room_whose_numbers_begin_anew_each_day_says_so():
    with Room() as room:
        room.open("number-holds = 1d")
        assert room.assayd.ctl("register", "12", "name=菠菜").returncode == 0
        room.age(2)
        assert room.sample("12") == NOBODY_S


@pytest.mark.skipif(harness.SANITIZED or not FAKETIME, reason="libfaketime is not here, or a sanitizer must be the first library")
def test_what_was_registered_in_1970_is_dated_by_the_journal_it_stands_in():
    """After each start the clock is not set yet, and the journal is damaged later on: two old ones are beside the third."""
    with Room() as room:
        synced, box = Synced(room, True), BoxClock(room, 0)
        room.open(env=synced.environment(FAKETIME[0], **box.environment()))
        assert room.assayd.ctl("register", "12", "name=菠菜").returncode == 0
        for name in ("白菜", "韭菜"):
            assert room.assayd.stop() == 0
            synced.set(False)
            box.set(86400 - int(time.time()))
            room.assayd.start()
            assert room.assayd.ctl("register", "12", f"name={name}").returncode == 0
            assert json.loads(room.assayd.ctl("--json", "samples").stdout.splitlines()[-1])["at"].startswith("1970-01-0")
            box.set(0)
            synced.set(True)
            assert room.assayd.ctl("register", "13", "name=芹菜").returncode == 0
            room.assayd.kill()
            damage_head(os.path.join(room.assayd.state, "journal.db"))
            room.assayd.start()
            assert room.sample("12")["name"] == name
        listed = [json.loads(line)["name"] for line in room.assayd.ctl("--json", "samples").stdout.splitlines()]
        assert listed == ["菠菜", "白菜", "芹菜", "韭菜", "芹菜"]

#!/usr/bin/python3
"""A month of one room in a minute: the real gateway, broker and protocols; only the time is not real (clock.py)."""
import argparse
import datetime
import difflib
import json
import os
import socket
import subprocess
import sys
import time

import harness_path  # noqa: F401 (finds the harness)
import clock as clocks
import expect
import harness
import instruments
import judges
import plan
import report

EXPIRES = "2026-03-15"
OPERATORS = """id,name,aliases,certificate,valid_from,valid_until
01,张三,,浙农检2024-0117,2024-03-01,2027-02-28
02,李小芳,,浙农检2025-0042,2025-06-15,2028-06-14
03,王建国,,浙农检2023-0088,2023-03-16,2026-03-15
"""
LOTS = """kind,lot,instruments,items,opened,expires
reagent,MJ20250920,pr-1;pr-2,PR-OPCB,2025-12-01,2026-03-20
reagent,MJ20260105,pr-1;pr-2,PR-OPCB,2026-03-25,2026-12-31
"""
ROOM = """[instrument pr-1]
driver = seven-e-aa
port = {pr_1}
control = daily
poll = 30s
timeout = 10s

[instrument pr-2]
driver = dump8
port = {pr_2}
poll = 30s
timeout = 2s
control-channel = 1
item = PR-OPCB

[instrument an-1]
driver = modbus
profile = analyzer-a6b
port = modbus-tcp:127.0.0.1:{an_1}
poll = 30s

[instrument gs-1]
driver = zero3-ff
port = {gs_1}
poll = 30s
timeout = 10s

[instrument fr-1]
driver = astm
port = tcp-listen:127.0.0.1:{fr_1}

[instrument tk-1]
driver = text
profile = ticket-a8
port = {tk_1}

[instrument at-1]
driver = atp
port = {at_1}
timeout = 10s
poll = 30s

[instrument pc-1]
driver = text
profile = files-csv
port = folder:{pc_1}

[instrument scan-1]
driver = scanner
port = tcp:127.0.0.1:{scan_1}
names = pr-2
next-scan = queues

[instrument desk]
driver = samples-csv
port = folder:{desk}
"""
GOLDEN = os.path.join(plan.HERE, "golden.txt")
SLOW_S = 7 * 60
# Polls come at whole half minutes since the gateway's start, and it starts at whole minutes: nothing is on its way then.
BESIDE_POLLS = datetime.timedelta(seconds=20)
PATIENCE_S = 0.3  # a message takes a hundredth of that
DEAD_CLOCK = clocks.moment("2011-01-01 00:00")  # what a clock without a battery begins with
POLLED = ("pr-1", "pr-2", "an-1", "gs-1", "at-1")
ALONE = 2  # main and publisher wait for one descriptor each
UNREGISTERED = ("pr-1", "pr-2", "at-1")  # of which nobody registers the samples by list


class Month:
    def __init__(self, room, rows, withheld=(), operators=OPERATORS):
        """`withheld`: rows of the plan that the room keeps to itself, and `operators` another table of them, for the controls."""
        self.room, self.rows, self.withheld, self.operators = room, rows, withheld, operators
        self.clock = clocks.Clock(room.path("clock"), clocks.moment(f"{rows[0].day} 07:30"))
        self.broker = room.broker(extra="set_tcp_nodelay true")
        self.entries = {}  # seq -> (what the county has, when it came)
        self.manifests = []
        self.county = room.subscriber(self.broker.port, on_message=self.note)
        self.fr_1_port = harness.free_port()
        self.desk = room.path("desk")
        os.makedirs(self.desk)
        self.equip()
        self.daemon = self.gateway()
        self.finished = 0

    def note(self, message):
        kind = message.topic.rsplit("/", 1)[1]
        if kind in ("result", "qc", "event"):
            entry = json.loads(message.payload)
            self.entries.setdefault(entry["seq"], (entry, self.clock.now()))
        elif kind == "manifest":
            self.manifests.append(json.loads(message.payload))

    def equip(self):
        serial = lambda kind, name: kind(name, self.clock, self.room.path(name))
        self.instruments = {
            "pr-1": serial(instruments.EnzymeReader, "pr-1"), "pr-2": serial(instruments.DumpReader, "pr-2"),
            "an-1": instruments.Analyzer("an-1", self.clock), "gs-1": serial(instruments.StripReader, "gs-1"),
            "fr-1": instruments.Fluorescence("fr-1", self.clock, self.fr_1_port), "tk-1": serial(instruments.Printer, "tk-1"),
            "at-1": serial(instruments.Luminometer, "at-1"),
            "pc-1": instruments.OfficeComputer("pc-1", self.clock, self.room.path("pc-1")),
            "scan-1": instruments.Scanner("scan-1", self.clock)}
        self.instruments["an-1"].slow_s = SLOW_S

    def gateway(self):
        port = lambda name: getattr(self.instruments[name], "path", None) or getattr(self.instruments[name], "port", None)
        names = ("pr-1", "pr-2", "an-1", "gs-1", "fr-1", "tk-1", "at-1", "scan-1")
        sections = ROOM.format(desk=self.desk, pc_1=self.instruments["pc-1"].folder,
                               **{name.replace("-", "_"): port(name) for name in names})
        daemon = self.room.daemon(sections, f"broker = mqtt://127.0.0.1:{self.broker.port}\nreconnect-min = 100ms\n"
                                  "reconnect-max = 200ms\nkeepalive = 18h\nack-timeout = 10min\n", env=self.clock.environment())
        for name, text in (("operators.csv", self.operators), ("lots.csv", LOTS)):
            with open(os.path.join(daemon.conf, name), "w", encoding="utf-8") as file:
                file.write(text)
        return daemon

    # ---- waiting

    def records(self):
        return [entry for entry, _ in list(self.entries.values()) if "kind" in entry]

    def reached(self):
        """How many records are where they are safe: at the county, or in the journal while it cannot be reached."""
        return len(self.records()) if self.broker.alive() else sum("kind" in entry for entry in self.daemon.entries())

    def at_rest(self):
        """Whether nothing is on its way: no thread has anything to do, and no line waits for an answer. For an answer that
        will never come it waits in its own time: a little of that passes."""
        waiting = self.clock.waiting()
        if waiting is None:
            return False
        lacking = len(POLLED) + ALONE - waiting.count(1)
        mute = [instrument for instrument in self.instruments.values() if instrument.mute_s > 0]
        if 0 < lacking <= len(mute):
            self.clock.step_to(self.clock.now() + datetime.timedelta(seconds=0.25))
            for instrument in mute:
                instrument.mute_s -= 0.25
        return lacking == 0

    def rest(self):
        self.expect(self.at_rest, lambda: f"rest, but {self.clock.waiting()}")

    def settle(self):
        """Until what was finished has come, and all is at rest."""
        self.rest()
        self.expect(lambda: self.reached() >= self.finished, lambda: f"{self.finished} records; {self.reached()} are there")
        if self.broker.alive():
            self.expect(lambda: self.status()["targets"]["county"]["backlog"] == 0, lambda: "all acknowledged")
        self.rest()

    def status(self):
        """As assayctl asks for it, without a process."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(os.path.join(self.daemon.directory, "control"))
            control.sendall(b'{"command":"status"}\n')
            return json.loads(b"".join(iter(lambda: control.recv(65536), b"")))

    def expect(self, condition, what):
        """Waits; when all rests and it is still not so, a little more time passes in the room, as far as the minute goes: for
        what is tried again later."""
        began = rested = time.monotonic()
        while not condition():
            now = time.monotonic()
            assert now < began + 30, f"{what()} did not come true; {self.clock.now()}\n{self.daemon.log()[-2000:]}"
            if not self.at_rest():
                rested = now
            elif now > rested + PATIENCE_S and self.clock.now().second < 44:
                rested = now
                self.clock.step_to(self.clock.now() + datetime.timedelta(seconds=12))
            time.sleep(0.002)

    def status(self):
        """As assayctl asks for it, without a process."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(os.path.join(self.daemon.directory, "control"))
            control.sendall(b'{"command":"status"}\n')
            return json.loads(b"".join(iter(lambda: control.recv(65536), b"")))

    def expect(self, condition, what):
        """Waits a little; then a little more time passes in the room, as far as the minute goes: for what is tried again later."""
        began = nudged = time.monotonic()
        while not condition():
            assert time.monotonic() < began + 30, f"{what()} did not come true; {self.clock.now()}\n{self.daemon.log()[-2000:]}"
            if time.monotonic() > nudged + PATIENCE_S and self.clock.now().second < 44:
                if os.environ.get("MONTH_TELLS"):
                    print(self.clock.now(), what())
                nudged = time.monotonic()
                self.clock.step_to(self.clock.now() + datetime.timedelta(seconds=12))
            time.sleep(0.002)

    def step_to(self, when):
        self.clock.step_to(when + BESIDE_POLLS)

    def pass_to(self, when):
        """Time in which nothing is finished."""
        self.step_to(when)
        if self.daemon.alive():
            self.settle()

    # ---- the days

    def run(self):
        for instrument in self.instruments.values():
            instrument.switch_on()
        self.start()
        last = None
        for when, rows in plan.moments(self.rows):
            if when.date() != last:
                self.morning(last, when.date())
                last = when.date()
            self.moment(when, rows)
        self.pass_to(clocks.moment(f"{last + datetime.timedelta(days=1)} 00:05"))

    def start(self):
        self.daemon.start()
        self.connected()

    def connected(self):
        up = lambda: self.daemon.status()["targets"]["county"]["state"] == "up"
        self.expect(up, lambda: "a connection to the county")
        self.rest()

    def morning(self, yesterday, today):
        if yesterday and self.daemon.alive():
            self.pass_to(clocks.moment(f"{yesterday + datetime.timedelta(days=1)} 00:05"))
        if not self.daemon.alive():
            self.clock.step_to(clocks.moment(f"{today} 07:45"))
            self.start()
        self.pass_to(clocks.moment(f"{today} 07:50"))
        self.register([row for row in self.rows if row.day == today])

    def register(self, rows):
        """The day's samples, as the market's office lists them."""
        known = {row.sample_no: f"{row.sample_no},{row.name},{row.party}" for row in rows
                 if row.sample_no and row.instrument not in UNREGISTERED}
        for row in rows:
            if row.instrument == "pr-2":
                known.pop(row.sample_no, None)  # it gets its label at the bench
        instruments.leave(self.desk, f"samples-{rows[0].day}.csv", ["样品编号,样品名称,受检单位", *known.values()])
        self.expect(lambda: self.registered(rows[0].day) >= len(known), lambda: "the day's registrations")

    def registered(self, day):
        return sum(event.get("event") == "sample_registered" and event["at"].startswith(str(day)) for event in self.events())

    def events(self):
        if not self.broker.alive():
            return self.daemon.entries()
        return [entry for entry, _ in list(self.entries.values()) if "event" in entry]

    def moment(self, when, rows):
        for row in rows:
            if not row.is_test:
                self.happen(row)
        tests = {}
        for row in rows:
            if row.is_test and row not in self.withheld:
                tests.setdefault(row.instrument, []).append(row)
        for name, finished in tests.items():
            self.prepare(name, finished, when)
        if tests:
            self.measure(tests, when)

    def prepare(self, name, tests, when):
        if name == "pr-2":
            self.pass_to(plan.before(when, 15))
            for test in tests:
                if test.sample_no:
                    self.instruments["scan-1"].scan(f"样品编号：{test.sample_no}；样品名称：{test.name}；受检单位：{test.party}")
            numbers = {test.sample_no for test in tests if test.sample_no}
            named = lambda: {event["sample"]["no"] for event in self.events() if event.get("event") == "sample_registered"}
            self.expect(lambda: numbers <= named(), lambda: "the scans")
        if name == "pr-1" and "复检" in tests[0].remark:
            self.pass_to(plan.before(when, 5))
            first = next(row for row in self.rows if row.instrument == name and row.day == tests[0].day and "初检" in row.remark)
            record = next(record for record in self.records()
                          if record["instrument"]["id"] == name and record["sample"]["no"] == first.sample_no)
            done = self.daemon.ctl("retest", record["id"])
            assert done.returncode == 0, done.stderr

    def measure(self, tests, when):
        """What is polled holds its results at the moment the clock comes there; the others speak then."""
        for name in POLLED:
            if name in tests:
                self.instruments[name].finish(tests[name])
        self.step_to(when)
        for name in tests:
            if name not in POLLED:
                self.instruments[name].finish(tests[name])
        self.finished += sum(map(len, tests.values()))
        if self.instruments["an-1"].fails_at_erasing:
            self.everything_is_dark()
        elif self.daemon.alive():
            self.settle()

    # ---- what happens to the room

    def happen(self, row):
        if row.item == "来电":
            self.clock.step_to(row.at)
        elif row.item != "停电":
            self.pass_to(row.at)
        {"断网": self.network_fails, "通网": self.network_returns, "停电": self.power_fails, "来电": self.power_returns,
         "校时": self.box_clock_is_set, "校表": self.instrument_clock_is_set, "改正样品": self.label_was_wrong,
         "关机": self.switch_off}[row.item](row)

    def network_fails(self, _):
        harness.stop_when_quiet(self.broker, self.daemon, self.county)

    def network_returns(self, _):
        self.broker.start()
        self.connected()
        self.expect(lambda: self.reached() >= self.finished, lambda: "what waited")

    def power_fails(self, _):
        """While the analyzer hands over the run that ends at this moment: its first result is stored, and not yet erased there."""
        self.instruments["an-1"].fails_at_erasing = True

    def everything_is_dark(self):
        self.expect(lambda: not self.instruments["an-1"].on, lambda: "the analyzer's first result taken over")
        self.daemon.kill()
        for instrument in self.instruments.values():
            instrument.switch_off()

    def power_returns(self, row):
        self.clock.box_believes(DEAD_CLOCK, synced=False)
        self.instruments["tk-1"].reset_to = (DEAD_CLOCK, row.at)
        for instrument in self.instruments.values():
            instrument.switch_on()
        self.start()
        self.settle()

    def box_clock_is_set(self, _):
        self.clock.box_believes(None, synced=True)
        self.expect(lambda: any(event["event"] == "clock_correction" for event in self.events()), lambda: "the event of the clock")

    def instrument_clock_is_set(self, _):
        self.instruments["tk-1"].reset_to = None

    def label_was_wrong(self, row):
        wrong = next(record for record in self.records() if record.get("sample", {}).get("no") == row.value)
        done = self.daemon.ctl("rebind", row.sample_no, wrong["id"], "--by", row.inspector, "--why", row.remark)
        assert done.returncode == 0, done.stderr
        self.finished += 1  # the record that supersedes it
        self.settle()

    def switch_off(self, _):
        assert self.daemon.stop() == 0


def differences(want, have):
    """Lines that are in one listing and not in the other, with where they stand."""
    lines = difflib.unified_diff(list(want), list(have), "expected", "received", n=0, lineterm="")
    return [line for line in lines if line[:3] not in ("---", "+++")]


def unproven(month):
    """What the verifier that is none of ours to trust says of the month's export, where it is not content."""
    export, key = month.room.path("month.jsonl"), month.room.path("station.pem")
    with open(key, "w", encoding="utf-8") as file:
        file.write(json.loads(month.daemon.ctl("--json", "identity").stdout)["pem"])
    assert month.daemon.ctl("export", "-o", export).returncode == 0
    judged = subprocess.run([sys.executable, os.path.join(judges.CONTRACT, "verify.py"), key, export], capture_output=True, text=True,
                            check=False)
    return [] if judged.returncode == 0 else [judged.stdout + judged.stderr]


def out_of_contract(entries):
    return [f"entry {entry['seq']}: {fault}" for entry, _ in entries.values()
            for fault in judges.faults("event" if "event" in entry else "record", entry)]


def simulate(rows, **otherwise):
    """(the listing of what the county received, faults that no listing shows)"""
    with harness.Room() as room:
        month = Month(room, rows, **otherwise)
        month.run()
        listing = report.Report(month.entries, month.manifests)
        return list(listing.lines()), [*listing.faults(), *unproven(month), *out_of_contract(month.entries)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs=2, default=(1, 31), metavar=("FIRST", "LAST"), help="only these days of the plan")
    parser.add_argument("--write", action="store_true", help="write golden.txt, where the listing is what the plan comes to")
    options = parser.parse_args()
    rows = [row for row in plan.read() if options.days[0] <= row.day.day <= options.days[1]]
    began = time.monotonic()
    listing, faults = simulate(rows)
    wrong = faults + differences(expect.Expectation(rows).lines(), listing)
    print("\n".join(wrong))
    print(f"{len(rows)} rows, {len(listing)} lines, {len(wrong)} differences, {time.monotonic() - began:.1f} s")
    if wrong:
        return 1
    if options.write and tuple(options.days) == (1, 31):
        with open(GOLDEN, "w", encoding="utf-8") as file:
            file.write("\n".join(listing) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

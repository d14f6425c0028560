"""Identity numbers in what people register: one rule for scanner, command and CSV file; what is not to be kept is nowhere."""
import base64
import glob
import os
import sqlite3
import sys

import harness
from test_scanner import Reader, Scanner, reader_section, scanner_section

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "contract"))
import judges  # noqa: E402

NEW, OLD = "330421198001010013", "330421800101001"  # made up; the check digit is right
SPACED, WIDE, ESCAPED = "330421 19800101 0013", "３３０４２１１９８００１０１００１３", "%3330421198001010013"
SECRET = ("19800101", "800101001", "１９８００１０１")


class Room(harness.Room):
    def open(self, rule):
        self.scanner, self.reader = Scanner(), Reader()
        self.folder = self.path("drop")
        os.makedirs(self.folder)
        broker = self.broker()
        self.county = self.subscriber(broker.port)
        station = f"\n[samples]\nidentity-numbers = {rule}\n" if rule else ""
        self.assayd = self.daemon(
            reader_section(self.reader.port) + scanner_section(f"tcp:127.0.0.1:{self.scanner.port}") +
            f"[instrument desk]\ndriver = samples-csv\nport = folder:{self.folder}?settle=100ms\n",
            f"broker = mqtt://127.0.0.1:{broker.port}\n", station=station).start()
        return self

    def events(self, *names):
        return [entry for entry in self.assayd.entries() if entry.get("event") in names]

    def settled(self):
        return len(self.events("sample_registered", "scan_refused"))

    def scan(self, code):
        before = self.settled()
        self.scanner.scan(code)
        harness.wait_for(lambda: self.settled() > before, 10, f"what became of {code}")

    def say_everything(self):
        """Every way in, every way to write it; the number of registrations that were taken."""
        for code in (f"产品名称：菠菜；承诺主体：{NEW}", f"产品名称：菠菜；承诺主体：{OLD}", f"品名：菠菜；产地：{SPACED}；摊位：{WIDE}",
                     f"https://a.cn/?product=x&producer={ESCAPED}", f"https://a.cn/{NEW}/x", f"https://a.cn/{ESCAPED}/x", NEW, OLD,
                     f"样品编号：{NEW}；品名：x", f"信用代码：{NEW}；品名：x", f"3.0.{NEW}.01010101.20260305094120.001",
                     f'{{"product":"x","id":"\\u0033{NEW[1:]}"}}'):
            self.scan(code)
        self.told = [self.assayd.ctl("register", *words) for words in (
            ("R-1", f"party={NEW}"), ("R-2", f"origin={OLD}", f"uscc={NEW}", "name=x"), (NEW, "name=x"))]
        table = self.path("table.csv")
        with open(table, "w", encoding="utf-8") as out:
            out.write(f"no,party\nT-1,{NEW}\nT-2,李某{SPACED}\n")
        self.told.append(self.assayd.ctl("register", "--file", table))
        before = self.settled()
        with open(os.path.join(self.folder, "a.csv"), "w", encoding="gb18030") as out:
            out.write(f"样品编号,受检单位,统一社会信用代码\nC-1,{NEW},\nC-2,{WIDE},{NEW}\n{NEW},x,\n")
        with open(os.path.join(self.folder, "b.csv"), "wb") as out:
            out.write(f"样品编号,受检单位\nC-3,{NEW}\n\0".encode())
        harness.wait_for(lambda: self.settled() >= before + 3 and self.events("undecodable"), 15, "the rows")
        self.scanner.scan("R-1")
        self.reader.finish("1.5")
        harness.wait_for(lambda: self.county.records(), 15, "a result")
        result = self.county.records()[0][0]
        self.told.append(self.assayd.ctl("rebind", "none", result["id"], "--by", "李四", "--why", f"是{NEW}的"))
        self.told.append(self.assayd.ctl("capture", "--seconds", "1", "scan-1", self.path("capture.txt")))
        return len(self.events("sample_registered"))

    def places(self):
        """Every byte the station keeps or sends, but for what was written to it."""
        yield "log", self.assayd.log()
        yield "county", "\n".join(f"{message.topic} {message.payload.decode()}" for message in self.county.messages)
        # a fault of a file shows the row as it stands in the file
        yield "answers", "".join(done.stdout + done.stderr for done in self.told[:3] + self.told[4:])
        yield "list", self.assayd.ctl("list").stdout + self.assayd.ctl("--json", "samples").stdout
        yield "raw bytes", "".join(base64.b64decode(entry["raw"]).decode("utf-8", "replace") for entry in self.assayd.entries()
                                   if "raw" in entry)
        self.assayd.stop()
        for path in glob.glob(os.path.join(self.assayd.state, "*")):
            with open(path, "rb") as file:
                yield path, file.read().decode("utf-8", "replace")
        with sqlite3.connect(os.path.join(self.assayd.state, "journal.db")) as db:
            for table in ("entry", "sample", "binding", "state"):
                yield table, repr(list(db.execute(f"SELECT * FROM {table}")))
        if os.path.exists(self.path("capture.txt")):
            with open(self.path("capture.txt"), encoding="utf-8") as file:
                yield "capture", file.read()


def check_nowhere(room):
    places = dict(room.places())
    assert len(places) >= 9
    for name, text in places.items():
        for secret in SECRET:
            assert secret not in text, (name, text[max(0, text.index(secret) - 300):text.index(secret) + 60])


def test_unless_told_otherwise_numbers_are_masked_and_what_was_registered_counts():
    with Room() as room:
        assert room.open(None).say_everything() == 16
        for entry in room.assayd.entries():
            assert judges.faults("event" if "event" in entry else "record", entry) == [], entry
        parties = {event["sample"].get("party") for event in room.events("sample_registered")}
        assert "330421************" in parties and "330421*********" in parties and "李某330421 ******** ****" in parties
        assert not any("uscc" in event["sample"] for event in room.events("sample_registered"))
        assert [done.returncode for done in room.told[:4]] == [0, 0, 1, 0], [done.stderr for done in room.told]
        assert room.assayd.entries()[-1]["correction"]["why"] == "是330421************的"
        assert "not recorded" in room.told[-1].stderr
        check_nowhere(room)


def test_where_they_are_refused_the_registration_is():
    with Room() as room:
        assert room.open("refuse").say_everything() == 1  # the one without
        assert [done.returncode for done in room.told[:5]] == [1] * 5
        check_nowhere(room)


def test_where_they_are_kept_they_are_found():
    """Also the control of the others: what they look for is there when it is to be."""
    with Room() as room:
        room.open("keep").say_everything()
        assert any(event["sample"].get("party") == NEW for event in room.events("sample_registered"))
        places = dict(room.places())
        for name in ("county", "entry", "sample", "list", "raw bytes"):
            assert "19800101" in places[name], name

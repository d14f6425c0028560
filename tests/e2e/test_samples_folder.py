"""Registrations dropped into a folder as CSV: each row once however its file is written, renamed, killed over; faults by line."""
import json
import os
import time

import harness

HEADING = "样品编号,样品名称,受检单位,统一社会信用代码,摊位,产地,追溯码,合格证编号,环节\r\n"
USCC = "91110108735106340Y"


def row(no, name="菠菜", uscc=USCC):
    return f"{no},{name},长安镇市场,{uscc},A12,嘉善,T-{no},C-{no},market\r\n"


class Room(harness.Room):
    def open(self):
        self.folder = self.path("drop")
        os.makedirs(self.folder)
        broker = self.broker()
        self.county = self.subscriber(broker.port)
        self.reader = self.sim("pr-1", "a9", ("--tcp", "127.0.0.1:0"), "--results", "3", "--rate", "50", "--controls", "0",
                               "--start-delay", "4")
        self.assayd = self.daemon(
            f"[instrument desk]\ndriver = samples-csv\nport = folder:{self.folder}?settle=300ms\n\n"
            f"[instrument pr-1]\ndriver = text\nprofile = reader-a9\nport = tcp:{self.reader.address}\npoll = 100ms\n",
            f"broker = mqtt://127.0.0.1:{broker.port}\n")
        return self

    def write(self, name, text, mode="w", encoding="gb18030"):
        with open(os.path.join(self.folder, name), mode + "b") as file:
            file.write(text.encode(encoding))

    def events(self, name):
        return [entry for entry in self.assayd.entries() if entry.get("event") == name]

    def numbers(self):
        return sorted(event["sample"]["no"] for event in self.events("sample_registered"))

    def expect(self, *numbers):
        harness.wait_for(lambda: self.numbers() == sorted(numbers), 15, f"{numbers}, there are {self.numbers()}")


def test_rows_are_registered_once_and_name_the_samples_of_results():
    with Room() as room:
        room.open()
        room.assayd.start()
        room.write("a.csv.tmp", HEADING + row("S00001") + row("S00002", "韭菜"))
        os.rename(os.path.join(room.folder, "a.csv.tmp"), os.path.join(room.folder, "a.csv"))
        room.expect("S00001", "S00002")
        os.rename(os.path.join(room.folder, "a.csv"), os.path.join(room.folder, "b.csv"))
        room.assayd.kill()
        room.write("c.csv", HEADING + row("S00001"), encoding="utf-8")  # a copy of a row in other bytes
        room.assayd.start()
        room.write("c.csv", row("S00003"), mode="a", encoding="utf-8")
        room.expect("S00001", "S00002", "S00003")
        event = next(event for event in room.events("sample_registered") if event["sample"]["no"] == "S00002")
        assert event["by"] == "register" and event["instrument"] == "desk"
        assert event["sample"] == {"no": "S00002", "name": "韭菜", "party": "长安镇市场", "uscc": USCC, "stall": "A12",
                                   "origin": "嘉善", "trace_code": "T-S00002", "certificate": "C-S00002", "event": "market"}
        harness.wait_for(lambda: len(room.county.records()) == 3, 30, "the results")
        samples = {record["sample"]["no"]: record["sample"] for record, _ in room.county.records()}
        assert {sample["name"] for sample in samples.values()} == {"菠菜", "韭菜"}
        assert samples["S00002"]["name"] == "韭菜" and samples["S00001"]["registered_by"] == "register"
        room.write("c.csv", row("S00002", "芹菜"), mode="a", encoding="utf-8")  # corrected: another registration
        harness.wait_for(lambda: len(room.events("sample_registered")) == 4, 15, "the correction")
        assert room.events("scan_refused") == [] and room.events("undecodable") == []


def test_half_a_file_waits_and_each_fault_is_told_with_its_line_once():
    with Room() as room:
        room.open()
        room.assayd.start()
        text = (HEADING + row("S1") + row("S2", uscc="91110108735106340X") + row("", "葱") + row("S4")).encode("gb18030")
        with open(os.path.join(room.folder, "a.csv"), "wb", buffering=0) as file:
            for at in range(0, len(text), 60):  # never quiet for so long that it would count
                file.write(text[at:at + 60])
                time.sleep(0.1)
                assert room.numbers() == []
        room.expect("S1", "S4")
        reasons = [event["reason"] for event in room.events("scan_refused")]
        assert len(reasons) == 2, reasons
        assert reasons[0].startswith("a.csv:3: uscc: 91110108735106340X is no credit code"), reasons
        assert reasons[1].startswith("a.csv:4: a sample without a number"), reasons
        room.assayd.kill()
        room.assayd.start()
        room.write("b.csv", HEADING + row("S5"))
        room.expect("S1", "S4", "S5")
        assert len(room.events("scan_refused")) == 2
        told = room.assayd.ctl("--json", "samples")
        assert {json.loads(line)["no"] for line in told.stdout.splitlines() if line.startswith("{")} >= {"S1"} or "S1" in told.stdout


def name_of(room, no):
    """What the county is told of the number: its last registration."""
    return [event["sample"].get("name") for event in room.events("sample_registered") if event["sample"]["no"] == no]


def test_a_correction_that_is_put_back_holds():
    with Room() as room:
        room.open()
        room.assayd.start()
        said = []
        for name in ("菠菜", "白菜", "菠菜", "白菜", "菠菜"):
            room.write("a.csv", HEADING + row("S00001", name))
            said.append(name)
            harness.wait_for(lambda: name_of(room, "S00001") == said, 15, f"{said}, there are {name_of(room, 'S00001')}")
            if len(said) in (1, 3):  # the file is read again, and nothing is said anew
                room.assayd.kill()
                room.assayd.start()
                room.expect(*["S00001"] * len(said))
        room.assayd.kill()
        room.write("a.csv", HEADING + row("S00001", "白菜"))  # while nobody looked
        room.assayd.start()
        said.append("白菜")
        harness.wait_for(lambda: name_of(room, "S00001") == said, 15, f"{said}, there are {name_of(room, 'S00001')}")
        harness.wait_for(lambda: len(room.county.records()) == 3, 30, "the results")
        names = {record["sample"].get("name") for record, _ in room.county.records() if record["sample"]["no"] == "S00001"}
        assert names and names <= set(said)


def test_files_that_contradict_each_other_do_not_fight():
    with Room() as room:
        room.open()
        room.assayd.start()
        room.write("a.csv", HEADING + row("S1", "菠菜"))
        room.expect("S1")
        room.write("b.csv", HEADING + row("S1", "白菜"))
        room.expect("S1", "S1")
        room.write("a.csv", row("S2"), mode="a")  # it grew: of S1 it says what it said
        room.expect("S1", "S1", "S2")
        room.write("a.csv", row("S2", "白菜"), mode="a")  # the last row of a number counts
        room.expect("S1", "S1", "S2", "S2")
        room.write("a.csv", row("S3"), mode="a")
        room.expect("S1", "S1", "S2", "S2", "S3")
        room.assayd.kill()
        room.assayd.start()
        room.write("c.csv", HEADING + row("S4"))  # both were read again before
        room.expect("S1", "S1", "S2", "S2", "S3", "S4")
        room.write("b.csv", HEADING + row("S1", "葱"))
        room.expect("S1", "S1", "S1", "S2", "S2", "S3", "S4")
        room.write("b.csv", HEADING + row("S1", "白菜"))
        harness.wait_for(lambda: name_of(room, "S1") == ["菠菜", "白菜", "葱", "白菜"], 15, "the last correction")
        assert name_of(room, "S2") == ["菠菜", "白菜"] and room.events("scan_refused") == []

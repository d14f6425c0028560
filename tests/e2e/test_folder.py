"""Files that an instrument's PC leaves in a folder: each row once, however they are written, renamed, appended to or killed over."""
import json
import os
import random
import time

import harness

KILLS = int(os.environ.get("KILLS", "6"))
HEADING = "序号,样品编号,样品名称,检测项目,检测结果,单位,结论,检测时间\r\n"


def row(number, value="1.20", name="菠菜", moment="2026-03-05 09:41:20"):
    return f'{number},S{number:04},"{name}",甲醛,{value},mg/kg,阴性,{moment}\r\n'


def rows(*numbers):
    return "".join(map(row, numbers))


def text_of(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


class Folder:
    """What a program on the other side does; the gateway watches."""

    def __init__(self, room, options="settle=300ms", profile="files-csv", begin=True):
        self.path = room.path("drop")
        os.makedirs(self.path)
        broker = room.broker()
        self.subscriber = room.subscriber(broker.port)
        self.daemon = room.daemon(f"[instrument pc-1]\ndriver = text\nprofile = {profile}\nport = folder:{self.path}?{options}\n",
                                  f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n")
        if begin:
            self.daemon.start()
            harness.wait_for(self.is_watched, 10, "the folder is watched")

    def is_watched(self):
        infos = f"/proc/{self.daemon.child.pid}/fdinfo"
        return any("inotify wd" in text_of(os.path.join(infos, fd)) for fd in os.listdir(infos))

    def name(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text, mode="w"):
        data = text if isinstance(text, bytes) else text.encode("gb18030")
        with open(self.name(name), mode + "b") as file:
            file.write(data)

    def numbers(self):
        """Of the records that came, each id once."""
        records = {record["id"]: record for record, _ in self.subscriber.records()}
        return sorted(int(record["instrument_seq"]) for record in records.values())

    def expect(self, *numbers, seconds=15):
        harness.wait_for(lambda: self.numbers() == sorted(numbers), seconds, f"{numbers}, there is {self.numbers()}")

    def events(self, name):
        """Each id once: what a kill left unacknowledged comes again."""
        events = {event["id"]: event for event in (json.loads(message.payload) for message in self.subscriber.of("event"))}
        return [event for event in events.values() if event["event"] == name]


def test_files_written_at_once_renamed_in_and_appended_to_arrive_once():
    with harness.Room() as room:
        folder = Folder(room, options="settle=60s")  # here closing and renaming must be enough
        folder.write("a.csv", HEADING + rows(1, 2))
        folder.expect(1, 2)
        folder.write("b.csv.tmp", HEADING + rows(3))
        os.rename(folder.name("b.csv.tmp"), folder.name("b.csv"))
        folder.expect(1, 2, 3)
        folder.write("a.csv", rows(4), mode="a")
        folder.expect(1, 2, 3, 4)
        os.rename(folder.name("a.csv"), folder.name("old a.csv"))
        folder.write("copy of b.csv", HEADING + rows(3) + row(5).rstrip())  # its last line is not ended
        folder.expect(1, 2, 3, 4, 5)
        record = next(record for record, _ in folder.subscriber.records() if record["instrument_seq"] == "5")
        assert (record["sample"]["no"], record["sample"]["name"]) == ("S0005", "菠菜")
        assert (record["value"], record["verdict"]) == ("1.20", "negative")
        assert sorted(os.listdir(folder.path)) == ["b.csv", "copy of b.csv", "old a.csv"]
        assert folder.events("undecodable") == []


def test_columns_go_by_their_names_whatever_their_order_and_encoding():
    with harness.Room() as room:
        folder = Folder(room, profile="files-csv-names")
        folder.write("a.csv", HEADING + rows(1))
        folder.write("b.csv", "结论,检测时间,单位,备注,检测结果,检测项目,样品名称,样品编号,序号\r\n"
                              "阴性,2026-03-05 09:41:20,mg/kg,,2.50,甲醛,菠菜,S0002,2\r\n")
        folder.write("c.csv", ("\ufeff" + HEADING + rows(3)).encode())
        folder.expect(1, 2, 3)
        records = {record["instrument_seq"]: record for record, _ in folder.subscriber.records()}
        assert {record["sample"]["name"] for record in records.values()} == {"菠菜"}
        assert records["2"]["value"] == "2.50" and records["2"]["verdict"] == "negative"
        assert [entry for entry in folder.daemon.entries() if "supersedes" in entry] == []
        again = folder.daemon.ctl("redecode")
        assert again.returncode == 0 and "3 say the same, 0 something else" in again.stderr, again.stderr
        folder.write("d.csv", HEADING.replace("检测结果", "浓度") + rows(4, 5))
        event = harness.wait_for(lambda: folder.events("undecodable"), 10, "what is wrong with d.csv")[0]
        assert event["reason"].startswith("d.csv:1: no column is called 检测结果|检测值|结果, for value; there are 序号"), event
        folder.write("d.csv", HEADING + rows(4, 5))
        folder.expect(1, 2, 3, 4, 5)


def test_a_file_that_is_half_written_waits_for_its_other_half():
    with harness.Room() as room:
        folder = Folder(room, options="settle=1s")
        text = (HEADING + row(1, value="12.34")).encode("gb18030")
        cut = text.index(b"12.34") + 2
        with open(folder.name("a.csv"), "wb", buffering=0) as file:
            file.write(text[:cut])
            folder.write("b.csv", HEADING + rows(2))
            folder.expect(2)
            for at in range(cut, len(text) - 1, 4):  # never quiet for so long that it would count
                file.write(text[at:at + 4])
                time.sleep(0.2)
                assert folder.numbers() == [2]
        folder.expect(1, 2)
        values = {record["instrument_seq"]: record["value"] for record, _ in folder.subscriber.records()}
        assert values["1"] == "12.34" and folder.events("undecodable") == []


def test_what_came_while_nobody_was_there_is_read_and_nothing_twice():
    with harness.Room() as room:
        folder = Folder(room, begin=False)
        folder.write("before.csv", HEADING + rows(1))
        folder.daemon.start()
        folder.expect(1)
        folder.daemon.kill()
        folder.write("before.csv", rows(2), mode="a")
        folder.write("meanwhile.csv", HEADING + rows(3))
        folder.write("junk.csv", bytes(range(256)) * 20)
        folder.daemon.start()
        folder.expect(1, 2, 3)
        harness.wait_for(lambda: folder.events("undecodable"), 10, "the junk is told")
        folder.daemon.kill()
        folder.daemon.start()
        folder.write("after.csv", HEADING + rows(4))
        folder.expect(1, 2, 3, 4)
        assert len(folder.events("undecodable")) == 1
        # rows that are known leave no trace: seq has no gap and no double
        assert [entry["seq"] for entry in folder.daemon.entries()] == list(range(1, len(folder.daemon.entries()) + 1))


def test_what_cannot_be_read_is_told_with_its_name_and_holds_nothing_up():
    with harness.Room() as room:
        folder = Folder(room)
        folder.write("junk.csv", b"PK\x03\x04\x00\x00" + bytes(range(256)) * 100)
        folder.write("wrong.csv", HEADING + rows(1) + "2,S0002,x\r\n" + rows(3))
        os.symlink("/nowhere", folder.name("dangling.csv"))
        os.makedirs(folder.name("directory.csv"))
        folder.expect(1, 3)
        harness.wait_for(lambda: len(folder.events("undecodable")) == 2, 10, "both are told")
        reasons = sorted(event["reason"] for event in folder.events("undecodable"))
        assert reasons[0].startswith("file junk.csv: ") and reasons[1].startswith("wrong.csv:3: 3 columns")
        folder.write("wrong.csv", rows(4), mode="a")
        folder.expect(1, 3, 4)
        time.sleep(0.3)
        assert len(folder.events("undecodable")) == 2, "told once, though read again"
        health = folder.daemon.status()["instruments"]["pc-1"]["health"]
        assert health == "ok"


def test_equal_rows_are_as_many_results_as_there_are():
    with harness.Room() as room:
        folder = Folder(room)
        folder.write("a.csv", HEADING + rows(1, 1, 2))
        folder.expect(1, 1, 2)
        folder.write("a.csv", rows(1), mode="a")
        folder.expect(1, 1, 1, 2)


def test_a_folder_that_vanishes_is_a_lost_link_and_comes_back():
    with harness.Room() as room:
        folder = Folder(room)
        folder.write("a.csv", HEADING + rows(1))
        folder.expect(1)
        os.rename(folder.path, folder.path + ".gone")
        harness.wait_for(lambda: folder.events("instrument_lost"), 20, "it is told")
        os.rename(folder.path + ".gone", folder.path)
        harness.wait_for(lambda: folder.events("instrument_back"), 20, "it is back")
        folder.write("b.csv", HEADING + rows(2))
        folder.expect(1, 2)


def test_stored_files_go_to_done_where_the_station_says_so():
    with harness.Room() as room:
        folder = Folder(room, options="settle=300ms,done,files=*.csv")
        os.makedirs(folder.name("done"))
        folder.write("done/a.csv", "an older file of that name")
        folder.write("a.csv", HEADING + rows(1))
        folder.write("a.txt", "none of our business")
        folder.expect(1)
        harness.wait_for(lambda: sorted(os.listdir(folder.path)) == ["a.txt", "done"], 10, "it is moved")
        assert sorted(os.listdir(folder.name("done"))) == ["a.csv", "a.csv.1"]
        with open(folder.name("done/a.csv.1"), "rb") as file:
            assert file.read() == (HEADING + rows(1)).encode("gb18030")


def test_kills_at_random_moments_lose_and_double_nothing():
    random.seed(21)
    with harness.Room() as room:
        folder = Folder(room, options="settle=500ms", begin=False)
        sim = room.sim("pc-1", "folder", ("--folder", folder.path), "--rate", "100", "--burst", "10", "--same", "0.2", "--seed", "3")
        for _ in range(KILLS):
            folder.daemon.start()
            time.sleep(random.uniform(0.05, 0.8))
            folder.daemon.kill()
        folder.daemon.start()
        verdict = harness.settle([sim], folder.subscriber, 60)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
        assert verdict.finished >= KILLS


def test_json_documents_in_a_folder_are_read_too():
    with harness.Room() as room:
        folder = Folder(room, profile="reader-dy6260-json", options="files=*.json")
        document = {"detail": [{"样品编号": f"S{n}", "检测结果": f"{n}.0", "检测时间": "2026-03-05 09:41:20"} for n in range(300)]}
        folder.write("a.json", json.dumps(document, ensure_ascii=False, indent=1).encode())
        harness.wait_for(lambda: len(folder.subscriber.records()) == 300, 15, "300 records of one document")
        assert {record["sample"]["no"] for record, _ in folder.subscriber.records()} == {f"S{n}" for n in range(300)}


def test_xml_files_are_read_too_and_say_their_name():
    with harness.Room() as room:
        folder = Folder(room, profile="files-xml", options="files=*.xml")
        result = '<result no="{0}"><sample no="S{0}">菠菜</sample><value unit="mg/kg">&lt;{0}.5</value></result>\n'
        folder.write("a.xml", ('<?xml version="1.0"?>\n<results>' + "".join(map(result.format, range(1, 101))) + "</results>").encode())
        folder.expect(*range(1, 101))
        record = next(record for record, _ in folder.subscriber.records() if record["instrument_seq"] == "7")
        assert (record["qualifier"], record["value"], record["unit"]) == ("<", "7.5", "mg/kg")
        assert record["said"]["file"] == "a.xml"

"""Records in the shapes of platforms' interfaces: golden files, and two readers of maps that must write the same bytes."""
import csv
import glob
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import harness
import pytest
import test_rebind

sys.path.insert(0, os.path.join(harness.ROOT, "tests/platform"))
import county  # noqa: E402
import county_map  # noqa: E402

MAPS = os.path.join(harness.ROOT, "tests/maps")
SHIPPED = sorted(glob.glob(os.path.join(harness.ROOT, "config/maps/*.conf")))
ALL = SHIPPED + sorted(glob.glob(os.path.join(MAPS, "*.conf")))
NAMES = [os.path.basename(path)[:-5] for path in ALL]
GIVEN = {"thirdCompanyName": "国研科技", "thirdCompanyCode": "1", "marketCode": "330602-07", "marketName": "魏塘街道农产品快速检测室", "tokenNo": "T-42",
         "reviewer": "赵复核", "jczbh": "AH-0551", "jcdw": "三河镇农产品快检室"}
REGENERATE = os.environ.get("ASSAYD_REGENERATE") == "1"


def in_place(path, folder):
    """The map beside tables with codes: shipped ones are empty, since a platform gives its own to those it knows."""
    for table in glob.glob(os.path.join(os.path.dirname(path), "*.csv")) + glob.glob(os.path.join(MAPS, "tables/*.csv")):
        shutil.copy(table, folder)
    return shutil.copy(path, folder)


def given_of(path):
    wanted = county_map.read_ini(path).get(("given", ""), {})
    return {name: GIVEN[name] for name, value in wanted.items() if not value}


def assayctl(path, lines, *options):
    """What assayctl writes: (documents as one text of bytes, [(id, field) refused], its exit code)."""
    given = [word for name, value in given_of(path).items() for word in ("--given", f"{name}={value}")]
    done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "--json", "export", "--map", path, "--lines", "-", *given, *options],
                          input=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    told = [json.loads(line) for line in done.stderr.decode().split("\n") if line]
    return done.stdout, [(line["refused"], line["field"]) for line in told if "field" in line], done.returncode, told


def other_reader(path, lines):
    refused = []
    wanted = county_map.Map(path, given_of(path))
    records = [json.loads(line) for line in lines.splitlines()]
    written = b"".join(wanted.documents(records, lambda record, reason: refused.append((record["id"], reason.field))))
    return written, refused


def records():
    with open(os.path.join(MAPS, "records.jsonl"), "rb") as file:
        return file.read()


def told_of(told, lines):
    cases = {record["id"]: record.get("said", {}).get("case", record.get("event")) for record in map(json.loads, lines.splitlines())}
    text = "".join(f"{cases[line['refused']]}: {line['field']}: {line['reason']}\n" for line in told if "field" in line)
    counted = {key: value for key, value in told[-1].items()}
    return text + json.dumps(counted) + "\n"


@pytest.mark.parametrize("path", ALL, ids=NAMES)
def test_a_map_writes_its_golden_file(path, tmp_path):
    written, _, code, told = assayctl(in_place(path, tmp_path), records())
    summary = told_of(told, records())
    golden = os.path.join(MAPS, os.path.basename(path)[:-5])
    for ending, content in (".golden", written), (".told", summary.encode()):
        if REGENERATE:
            with open(golden + ending, "wb") as file:
                file.write(content)
        with open(golden + ending, "rb") as file:
            assert file.read() == content
    assert code == (1 if told[-1]["refused"] else 0)


@pytest.mark.parametrize("path", ALL, ids=NAMES)
def test_both_readers_write_the_same_bytes_of_the_golden_records(path, tmp_path):
    path = in_place(path, tmp_path)
    written, refused, _, _ = assayctl(path, records())
    assert (written, refused) == other_reader(path, records())


# ---- random records ----

LETTERS = ["a", "Z", "0", "9", " ", "<", ">", "&", "\"", "'", "\\", "/", ",", ";", "#", "|", "]]>", "\r", "\n", "\t", "\b", "\x01",
           "\x7f", "\x85", "菠", "菜", "，", "：", "€", "ḿ", "龴", "︐", "𠂇", "䶮", "𬭎", "\ue5e5", "\ue78d", "\ue7c7", "\ufffd",
           "\ufffe", "\uffff", "\u2028", "😀", "é", "ß"]


def text(dice):
    return "".join(dice.choice(LETTERS) for _ in range(dice.randint(1, 9)))


def decimal(dice):
    digits = "".join(dice.choice("0123456789") for _ in range(dice.randint(1, 12)))
    return dice.choice(["", "", "-"]) + digits + ("." + str(dice.randint(0, 10 ** dice.randint(1, 6))) if dice.random() < .7 else "")


def some(dice, **members):
    return {key: value for key, value in members.items() if value is not None and dice.random() < dice.keep}


def random_record(dice, number, earlier):
    dice.keep = dice.choice((.8, 1))
    code = dice.choice(["PR-OPCB", "PR-CPF", "VD-CLB", "XX-NEW"])
    record = {"id": f"00000000-0000-8000-9000-{number:012d}", "station": "330421103-01", "seq": number,
              "kind": dice.choice(["sample"] * 8 + ["control", "qc"]), "test_seq": dice.randint(1, 3),
              "verdict": dice.choice(["negative", "positive", "suspect", "invalid", "none"]),
              "received_at": "2026-03-05T09:43:02.118+08:00", "flags": dice.choice([[], ["late"], ["late", "control_low"]])}
    record["instrument"] = {"id": "pr-1", **some(dice, maker=text(dice), model=text(dice), serial=text(dice))}
    record.update(some(dice, channel=dice.randint(0, 400), value=decimal(dice), unit=dice.choice(["%", "mg/kg", text(dice)]),
                       qualifier=dice.choice(["<", ">=", None]), method="gold", basis=text(dice),
                       tested_at=dice.choice(["2026-03-05T09:41:20+08:00", "1999-12-31T23:59:59.5+08:00", "2026-03-05T09:41:20.1234Z"])))
    record["sample"] = some(dice, no=text(dice), name=dice.choice(["菠菜", "猪肉", text(dice)]), party=text(dice), stall=text(dice),
                            uscc="91330421MA2B0XQ85C", origin=text(dice))
    record["item"] = some(dice, code=code, name=text(dice), as_sent=text(dice))
    record["operator"] = some(dice, name=text(dice), valid=dice.random() < .5)
    record["clock"] = {"synced": True, **some(dice, skew_s=dice.randint(-9000, 9000))}
    record["said"] = some(dice, case=text(dice))
    if dice.random() < .6:
        record["limit"] = {"op": dice.choice(["<", "<=", ">=", ">"]), "value": decimal(dice), **some(dice, unit="%", source=text(dice))}
    if earlier and dice.random() < .15:
        record["supersedes"] = earlier.pop(dice.randrange(len(earlier)))
    if dice.random() < .1:
        record["retest_of"] = f"00000000-0000-8000-9000-{dice.randint(1, number):012d}"
    return record


def random_lines(dice, count):
    lines, earlier = [], []
    for number in range(1, count + 1):
        if dice.random() < .05:
            record = {"id": f"00000000-0000-8000-9000-{number:012d}", "seq": number, "event": dice.choice(["undecodable", "clock_jump"])}
        else:
            record = random_record(dice, number, earlier)
        if record.get("event") != "clock_jump":
            earlier.append(record["id"])
        lines.append(json.dumps(record, ensure_ascii=dice.random() < .3, separators=(",", ":")))
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("path", ALL, ids=NAMES)
def test_both_readers_write_the_same_bytes_of_random_records(path, tmp_path):
    path = in_place(path, tmp_path)
    lines = random_lines(random.Random(os.path.basename(path)), 900)
    written, refused, _, told = assayctl(path, lines)
    theirs, theirs_refused = other_reader(path, lines)
    assert refused == theirs_refused
    assert written == theirs
    assert told[-1]["exported"] >= 3


# ---- what is written can be read ----

def leaves(element, before=""):
    for child in element:
        name = f"{before}{child.tag}"
        yield from leaves(child, name + ".") if len(child) else [(name, child.text or "")]


def flat(value, before=""):
    for name, inside in value.items():
        yield from flat(inside, f"{before}{name}.") if isinstance(inside, dict) else [(before + name, str(inside))]


def read_again(wanted, written):
    """[[(field, text)] of each record] by somebody else's parsers."""
    if wanted.format == "xml":
        name = next(row for row in wanted.envelope if row.records).path
        for document in re.split(rb"(?=<\?xml )", written)[1:]:
            root = ElementTree.fromstring(document)
            yield from (list(leaves(element)) for element in root.findall("/".join(name[1:])))
    elif wanted.format == "jsonl":
        yield from (list(flat(json.loads(line, parse_float=str, parse_int=str))) for line in written.decode().split("\n") if line)
    elif wanted.format == "json":
        at, reader, content = 0, json.JSONDecoder(), written.decode()
        while at < len(content):
            document, at = reader.raw_decode(content, at)
            at += 1  # its line end
            name = next(row for row in wanted.envelope if row.records).path
            for part in name:
                document = document[part]
            yield from (list(flat(record)) for record in document)
    else:
        heads = [row.name for row in wanted.fields]
        rows = csv.reader(io.StringIO(written.decode(), newline=""))
        yield from ([(name, cell) for name, cell in zip(heads, row)] for row in rows if row != heads)


@pytest.mark.parametrize("path", ALL, ids=NAMES)
def test_what_is_written_reads_back_to_the_same_texts(path, tmp_path):
    path = in_place(path, tmp_path)
    wanted = county_map.Map(path, given_of(path))
    lines = b"".join(line + b"\n" for line in random_lines(random.Random("again" + os.path.basename(path)), 300).splitlines()
                     if b'"supersedes"' not in line)
    expected = []
    for record in map(json.loads, lines.splitlines()):
        try:
            if "kind" in record and wanted.passes(record):
                values = wanted.values(wanted.fields, record, record["id"])
                if wanted.batch == 1:
                    wanted.values(wanted.envelope, record, record["id"])
                expected.append([(row.name, text or "") for row, text in values if text is not None or wanted.format == "csv"])
        except county_map.Refused:
            pass
    expected = [texts for texts in expected if texts]
    written, _, _, _ = assayctl(path, lines)
    assert list(read_again(wanted, as_utf8(wanted, written))) == expected


def as_utf8(wanted, written):
    """By the C library's table: Python's is of an older edition."""
    if wanted.encoding == "utf-8":
        return written
    return subprocess.run(["iconv", "-f", "gb18030", "-t", "utf-8"], input=written, stdout=subprocess.PIPE, check=True).stdout


# What each platform's document says of a negative and of a positive; written here once more because a golden file can be made anew.
POLARITY = {"zhejiang-2016": ("result", "0", "1"), "shaoxing-2018": ("checkResult", "未检出", "检出"),
            "suzhou-2017": ("QuickCheckResult", "-", "+"), "nantong-2017": ("JCJGZ", "1", "0"),
            "guangxi-2017": ("checkConclusion", "合格", "不合格"), "anhui-township-2017": ("jgpd", "合格", "不合格")}


@pytest.mark.parametrize("path", SHIPPED, ids=NAMES[:len(SHIPPED)])
def test_the_polarity_is_the_platforms(path, tmp_path):
    field, negative, positive = POLARITY[os.path.basename(path)[:-5]]
    path = in_place(path, tmp_path)
    lines = records().splitlines()[:3]  # a negative, a positive, and its retest
    written, _, _, _ = assayctl(path, b"\n".join(lines) + b"\n")
    rows = [dict(row) for row in read_again(county_map.Map(path, given_of(path)), written)]
    assert [row[field] for row in rows] == [negative, positive, positive]
    if "ReviewIs" in rows[0]:
        assert [row["ReviewIs"] for row in rows] == ["0", "0", "1"]


# ---- random maps ----

SOURCES = ["id", "sample.no", "sample.name", "item.code", "verdict", "value", "unit", "limit.op", "limit.value", "channel", "flags",
           "tested_at", "operator.name", "operator.valid", "clock.skew_s", "said.case", "original", "given town", "'<固定 & 词>'", "''"]
STEPS = ["table words", "table open", "table silent", "time 'yy年M.MM月 dd'", "decimals 3 round", "decimals 0 round", "decimals 9", "sign",
         "is 'X'", "without '-0菠'"]
TABLES = ("\n[table words]\nnegative = 阴性\npositive = 阳性\nPR-OPCB = 1\n\n[table open]\nnegative = -\n* = *\n"
          "\n[table silent]\npositive = +\nsuspect =\n* =\n")


def random_row(dice, name):
    words = []
    for number in range(dice.randint(1, 4)):
        words += ([] if number == 0 else [dice.choice(["or", "or", "+"])]) + [dice.choice(SOURCES)]
        words += [dice.choice(STEPS).replace("M.", "") for _ in range(dice.choice([0, 0, 0, 1, 1, 2]))]
    words += ["when verdict 'positive'"] if dice.random() < .15 else []
    words += [dice.choice(["", "", "", "required", "empty"]), dice.choice(["", "", "", "", "number"])]
    return f"{name} = {' '.join(words)}\n"


def random_map(dice):
    form = dice.choice(["json", "jsonl", "xml", "csv"])
    batch = dice.choice([0, 1, 3, 50])
    names = ["a", "b.c", "b.d.e", "b.d.f", "b.g", "h-1", "结论", "i.j"] if form != "csv" else ["a", "b,c", "d", "结论"]
    top = f"[map]\nformat = {form}\nencoding = {dice.choice(['utf-8', 'gb18030'])}\nbatch = {batch}\n" + (
        f"superseded = {dice.choice(['last', 'all'])}\nonly-kinds = sample qc\n\n[given]\ntown = 魏塘\n")
    around = ""
    if form == "xml" or form == "json" and dice.random() < .7:
        around = "\n[envelope]\nr.n = count\nr.t = given town\nr.in.list = records\n"
        around += "r.in.by = 'x' + count\n" + ("r.who = sample.no required\n" if batch == 1 else "")
    return top + around + "\n[field]\n" + "".join(random_row(dice, name) for name in names) + TABLES


@pytest.mark.parametrize("seed", range(40))
def test_both_readers_agree_on_random_maps(seed, tmp_path):
    dice = random.Random(seed)
    path = os.path.join(tmp_path, "random.conf")
    with open(path, "w", encoding=dice.choice(["utf-8", "utf-8-sig", "gb18030"])) as file:
        file.write(random_map(dice))
    lines = random_lines(dice, 120)
    written, refused, _, _ = assayctl(path, lines)
    theirs, theirs_refused = other_reader(path, lines)
    assert (refused, written) == (theirs_refused, theirs)


# ---- of a journal, and of a county's store ----

OF_JOURNAL = """[map]
format = xml
batch  = 2

[envelope]
list.count = count
list.row   = records

[field]
uuid   = original
no     = sample.no required
result = verdict table result
value  = value
why    = correction.why

[table result]
negative = 0
positive = 1
"""


def of_map(daemon, *words):
    return daemon.ctl("export", "--map", os.path.join(daemon.conf, "maps/province.conf"), *words)


def test_a_journal_and_a_countys_copy_give_the_same_documents():
    with harness.Room() as room:
        bench = test_rebind.Bench(room)
        daemon = bench.daemon
        platform = county.Platform("127.0.0.1", bench.broker.port, room.path("platform.db"), receipt_every=0.2).start()
        os.makedirs(os.path.join(daemon.conf, "maps"))
        with open(os.path.join(daemon.conf, "maps/province.conf"), "w", encoding="utf-8") as file:
            file.write(OF_JOURNAL)
        bench.register("--next", "fr-1", "--results", "4", "S-1", "name=菠菜")
        old = [bench.test(value, minute) for minute, value in enumerate(("12.00", "63.50", "9.80", "7.00"))]
        bench.test("5.00", 6)  # of a sample nobody registered
        bench.register("S-2", "name=韭菜")
        assert bench.rebind("S-2", str(old[2]["seq"])).returncode == 0
        done = daemon.ctl("export", "--map", "province", "-o", room.path("all.xml"))
        assert done.returncode == 1, "one is refused"
        assert "no: the platform demands it, and the record says no sample.no" in done.stderr
        assert "4 records in 2 documents; 0 left out by the map's filter, 1 because another corrects them, 1 refused" in done.stderr
        documents = [ElementTree.parse(room.path(f"all-000{number}.xml")).getroot() for number in (1, 2)]
        rows = [dict(leaves(row)) for document in documents for row in document.findall("row")]
        assert [document.find("count").text for document in documents] == ["2", "2"]
        assert [(row["uuid"], row["no"], row["result"], row["value"]) for row in rows] == [
            (old[0]["id"], "S-1", "0", "12.00"), (old[1]["id"], "S-1", "1", "63.50"), (old[3]["id"], "S-1", "0", "7.00"),
            (old[2]["id"], "S-2", "0", "9.80")]
        assert rows[3]["why"] == "扫错样"
        # of one entry alone: that it was corrected is known, though the correction stands behind it
        alone = of_map(daemon, "--from", str(old[2]["seq"]), "--to", str(old[2]["seq"]))
        assert alone.returncode == 0 and alone.stdout == "" and "1 because another corrects them" in alone.stderr
        last = daemon.entries()[-1]["seq"]
        harness.wait_for(lambda: platform.store.last(harness.STATION, daemon.status()["epoch"]) == last, 20, "all at the county's")
        platform.stop()
        theirs = subprocess.run(["/usr/bin/python3", os.path.join(harness.ROOT, "tests/platform/county.py"), "--database",
                                 room.path("platform.db"), "--export", harness.STATION, "--map",
                                 os.path.join(daemon.conf, "maps/province.conf"), "--output", room.path("theirs.xml")],
                                capture_output=True, text=True, timeout=60, check=False)
        assert theirs.returncode == 1 and "no: the platform demands it" in theirs.stderr
        for number in (1, 2):
            with open(room.path(f"all-000{number}.xml"), "rb") as ours, open(room.path(f"theirs-000{number}.xml"), "rb") as copy:
                assert ours.read() == copy.read()
        # fewer documents than last time: the last of then must not pass for one of now
        again = of_map(daemon, "--to", str(old[1]["seq"]), "-o", room.path("all.xml"))
        assert again.returncode == 1 and "all-0002.xml is there from an earlier export" in again.stderr


def test_what_is_wrong_with_a_map_or_its_use_is_told(tmp_path):
    wrong = tmp_path / "wrong.conf"
    wrong.write_text("[map]\nformat = jsn\n\n[field]\na = sample.nmae\n")

    def run(*words):
        done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "export", *words], capture_output=True, text=True, timeout=30,
                              check=False, env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""})
        return done.returncode, done.stdout, done.stderr

    code, _, told = run("--map", str(wrong), "--check")
    assert code == 78 and "wrong.conf:2:10: format knows no 'jsn'" in told and "wrong.conf:5:5: a: a record has no 'sample.nmae'" in told
    assert run("--map", "shaoxing-2018", "--check")[:2] == (0, f"{harness.BUILD}/../config/maps/shaoxing-2018.conf: no faults; 13 fields\n")
    for words, told in [(("--map", "shaoxin"), "there is no map 'shaoxin'; known are: anhui-township-2017, guangxi-2017"),
                        (("--lines", "x"), "--lines, --given and --check belong to --map"),
                        (("--map", "x", "--bundle", "y"), "leave --format and --bundle out"),
                        (("--map", "x", "--format", "csv"), "leave --format and --bundle out"),
                        (("--map", "x", "--lines", "y", "--day", "2026-03-05"), "--lines takes every line of a file"),
                        (("--map", "shaoxing-2018", "--lines", os.devnull), "this map needs --given thirdCompanyName=VALUE"),
                        (("--map", "shaoxing-2018", "--lines", os.devnull, "--given", "x"), "'x' has no ="),
                        (("--map", "shaoxing-2018", "--lines", os.devnull, "--given", "marketcode=1"), "it takes thirdCompanyName")]:
        code, _, said = run(*words)
        assert code == 64 and told in said, said
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"kind":"sample","id":"a"}\n{"kind":\n')
    code, _, said = run("--map", "nantong-2017", "--lines", str(lines))
    assert code == 1 and "lines.jsonl:2: this line is no record" in said
    code, _, said = run("--map", "nantong-2017", "--lines", str(tmp_path / "none"))
    assert code == 1 and "none cannot be read" in said


def test_the_example_of_the_manual_is_a_map(tmp_path):
    with open(os.path.join(harness.ROOT, "config/man/assayd-map.5"), encoding="utf-8") as page:
        example = re.search(r"^\.Bd -literal\n(.*?)^\.Ed", page.read(), re.M | re.S)[1]
    (tmp_path / "example.conf").write_text(example, encoding="utf-8")
    shutil.copy(os.path.join(MAPS, "tables/zhejiang-2016-items.csv"), tmp_path / "items.csv")
    written, refused, _, _ = assayctl(str(tmp_path / "example.conf"), records())
    first = json.loads(written)["details"][0]
    assert first == {"uuid": "00000000000080008000000000000001", "item": "IT-901", "value": "12.30", "time": "2026-03-05 09:01:20", "result": "0"}
    assert ("00000000-0000-8000-8000-000000000005", "item") in refused


def test_a_full_disk_leaves_no_half_document(tmp_path):
    path = in_place(SHIPPED[0], tmp_path)
    done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "export", "--map", path, "--lines", "-", "--given", "jczbh=1", "--given",
                           "jcdw=2"], input=records(), stdout=open("/dev/full", "wb"), stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1 and b"cannot be written" in done.stderr


AROUND = "[map]\nformat = xml\nonly-verdicts = negative\n[given]\nwho =\n[envelope]\nl.who = given who\nl.r = records\n[field]\na = value\n"


def test_what_an_envelope_cannot_carry_leaves_no_document(tmp_path):
    path, out = tmp_path / "around.conf", tmp_path / "out.xml"
    path.write_text(AROUND)
    lines = b'{"kind":"sample","id":"a","verdict":"negative","value":"1"}\n'
    words = [os.path.join(harness.BUILD, "assayctl"), "--json", "export", "--map", str(path), "--lines", "-"]

    def run(who, *more):
        return subprocess.run([*words, "--given", "who=" + who, *more], input=lines, capture_output=True, timeout=30, check=False)

    done = run("\x01", "-o", str(out))
    assert done.returncode == 1 and b"l.who: l.who holds a control character" in done.stderr and os.listdir(tmp_path) == ["around.conf"]
    done = run("me", "-o", str(tmp_path / "no/such/out.xml"))
    assert done.returncode == 1 and b"out.xml cannot be written" in done.stderr
    done = run("me", "-o", str(out))
    assert done.returncode == 0 and b"<l><who>me</who>\n<r><a>1</a></r>\n</l>" in out.read_bytes()
    assert json.loads(done.stdout) == {"exported": 1, "documents": 1, "left_out": 0, "superseded": 0, "refused": 0}
    assert json.loads(run("me", "--check").stdout) == {"map": str(path), "fields": 1}


def test_a_correction_that_the_filter_keeps_back_is_told(tmp_path):
    path = tmp_path / "around.conf"
    path.write_text(AROUND)
    lines = (b'{"kind":"sample","id":"a","seq":1,"verdict":"negative"}\n'
             b'{"kind":"sample","id":"b","seq":2,"verdict":"suspect","supersedes":"a"}\n')
    done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "export", "--map", str(path), "--lines", "-", "--given", "who=x"],
                          input=lines, capture_output=True, timeout=30, check=False, env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""})
    assert b"entry 2 corrects a and is left out by the map's filter" in done.stderr
    assert b"0 records in 0 documents; 1 left out by the map's filter, 1 because another corrects them" in done.stderr

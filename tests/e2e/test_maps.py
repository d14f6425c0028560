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

sys.path.insert(0, os.path.join(harness.ROOT, "tests/platform"))
import county_map  # noqa: E402

MAPS = os.path.join(harness.ROOT, "tests/maps")
SHIPPED = sorted(glob.glob(os.path.join(harness.ROOT, "config/maps/*.conf")))
ALL = SHIPPED + sorted(glob.glob(os.path.join(MAPS, "*.conf")))
NAMES = [os.path.basename(path)[:-5] for path in ALL]
GIVEN = {"thirdCompanyCode": "1", "marketCode": "330602-07", "marketName": "魏塘街道农产品快速检测室", "tokenNo": "T-42",
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


def county(path, lines):
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
    assert (written, refused) == county(path, records())


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
    theirs, theirs_refused = county(path, lines)
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
    theirs, theirs_refused = county(path, lines)
    assert (refused, written) == (theirs_refused, theirs)

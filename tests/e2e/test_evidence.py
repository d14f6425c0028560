"""Evidence: what is published, exported and kept proves itself, and nothing that was changed passes for proven."""
import base64
import csv
import hashlib
import importlib.util
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import time

import harness
import pytest
import tamper

# The long form has its own make target (tamper-test); these numbers keep `make test` short and still bite.
TAMPERINGS = int(os.environ.get("TAMPERINGS", "280"))
TAMPERINGS_INDEPENDENT = int(os.environ.get("TAMPERINGS_INDEPENDENT", "60"))
HONEST = int(os.environ.get("HONEST", "40"))
HONEST_INDEPENDENT_EVERY = 1 if HONEST >= 1000 else 9  # every kind of export comes before verify.py in either form

HEADS = {  # of a table, by LANGUAGE
    "": (
        "Seq,Received,Tested,Kind,Event,Instrument,Model,Serial no.,Running no.,Channel,Sample no.,Sample,Category,"
        "Commodity code,Party,Credit code,Stall,Origin,Trace code,Item code,Item,Item as sent,Method,Basis,Qualifier,"
        "Value,Unit,Limit,Limit value,Limit unit,Verdict,Verdict by,Operator no.,Operator,Flags,Reason,Retest of,"
        "Record id,Supersedes,Sample corrected by,Why,Control"),
    "zh_CN": (
        "序号,接收时间,检测时间,类别,事件,仪器,型号,出厂编号,流水号,通道,样品编号,样品名称,样品类别,样品代码,被检单位,"
        "统一社会信用代码,摊位,产地,追溯码,项目代码,检测项目,仪器所报项目,检测方法,检测依据,限定符,检测值,单位,"
        "限量关系,限量值,限量单位,结论,结论来源,检测员编号,检测员,标记,原因,复检的原记录,记录标识,取代记录,样品更正人,"
        "更正原因,对照结果"),
}

CONTRACT = os.path.join(harness.ROOT, "config/contract")
CTL = os.path.join(harness.BUILD, "assayctl")
spec = importlib.util.spec_from_file_location("independent", os.path.join(CONTRACT, "verify.py"))
independent = importlib.util.module_from_spec(spec)
spec.loader.exec_module(independent)

INSTRUMENT = """
[instrument analyzer-1]
driver = modbus
profile = analyzer-a6b
port = modbus-tcp:{address}
unit = 1
poll = 50ms
"""


class Station:
    """A station that recorded for some seconds, was killed and stopped on the way, and has exported everything."""

    def __init__(self, room, name, code, settings="", results=60):
        self.room, self.directory = room, room.path(name)
        os.makedirs(self.directory)
        sim = room.add(harness.Sim(self.directory, "analyzer-1", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", str(len(name)), "--rate",
                                   "25", "--results", str(results)).start())
        self.daemon = room.add(harness.Daemon(self.directory, INSTRUMENT.format(address=sim.address)))
        conf = os.path.join(self.daemon.conf, "assayd.conf")
        with open(conf, encoding="utf-8") as file:
            text = file.read().replace(harness.STATION, code)
        with open(conf, "w", encoding="utf-8") as file:
            file.write(text + settings)
        self.daemon.start()
        harness.wait_for(lambda: len(sim.truth()) > results // 2, 30, "half of the results")
        self.daemon.kill()
        self.make_yesterday()
        self.daemon.start()
        harness.wait_for(lambda: len(sim.truth()) >= results, 30, "all results")
        harness.wait_for(lambda: self.last_number() == int(sim.truth()[-1]["instrument_seq"]), 30, "the last result stored")
        self.key = os.path.join(self.directory, "station.pem")
        identity = self.identity()
        with open(self.key, "w", encoding="utf-8") as file:
            file.write(identity["pem"])
        assert self.daemon.stop() == 0
        sim.stop()
        self.all = self.export()

    def make_yesterday(self):
        """What is stored becomes of a day that is over: the next start makes its manifest."""
        with sqlite3.connect(os.path.join(self.daemon.state, "journal.db")) as journal:
            journal.execute("UPDATE entry SET received_ms = received_ms - 86400000")
        journal.close()

    def bundles(self, count):
        """Of records with some entries between them and the next seal: small exports worth tampering with."""
        lines = tamper.lines_of(self.all)
        wanted = [i for i in tamper.places(lines) if b'"raw":"' in lines[i] and all(map(tamper.is_entry, lines[i:i + 8]))]
        chosen = [json.loads(lines[i])["id"] for i in wanted[::max(1, len(wanted) // count)][:count]]
        return [self.export("--bundle", record, name="bundle.jsonl") for record in chosen]

    def last_number(self):
        records = [entry for entry in self.daemon.entries() if "instrument_seq" in entry]
        return int(records[-1]["instrument_seq"]) if records else 0

    def identity(self):
        return json.loads(self.daemon.ctl("--json", "identity").stdout)

    def export(self, *options, name="export.jsonl"):
        path = os.path.join(self.directory, name)
        done = self.daemon.ctl("export", *options, "-o", path)
        assert done.returncode == 0, done.stderr
        with open(path, "rb") as file:
            return file.read()


def verify(paths, *keys, station=None):
    """(exit code, the faults, what was said about epochs) of a file or of several"""
    options = [option for key in keys for option in ("--key", key)] + (["--station", station] if station else [])
    done = subprocess.run([CTL, "--json", "verify", *options, *([paths] if isinstance(paths, str) else paths)], capture_output=True, text=True, timeout=60, check=False)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, [line for line in said if "fault" in line], [line for line in said if "epoch" in line]


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return str(path)


@pytest.fixture(scope="module", name="stations")
def two_stations():
    with harness.Room() as room:
        yield Station(room, "one", harness.STATION), Station(room, "other", "330421104-01")


@pytest.fixture(scope="module", name="national")
def station_of_national_algorithms():
    with harness.Room() as room:
        yield Station(room, "national", harness.STATION, "\n[evidence]\nsignature = sm2\nhash = sm3\n", results=30)


def manifests_of(data):
    return [line for line in tamper.lines_of(data) if b'"day":' in line]


def test_an_export_proves_itself_to_both_verifiers(stations, tmp_path):
    station = stations[0]
    path = write(tmp_path / "all", station.all)
    code, faults, epochs = verify(path, station.key, station=harness.STATION)
    assert (code, faults) == (0, [])
    assert epochs[0]["first"] == 1 and epochs[0]["proven"] == epochs[0]["last"] == epochs[0]["entries"] > 60
    assert epochs[0]["seals"] >= 4  # start, seconds, the start after the kill, stop
    assert independent.judge(station.key, path) == []
    lines = tamper.lines_of(station.all)
    assert sorted(lines[1:-1], key=lambda line: not tamper.is_entry(line))[:epochs[0]["last"]] == \
        station.daemon.ctl("--json", "list", "--from", "1").stdout.encode().splitlines()


def test_tamperings_are_found_by_both_verifiers(stations, tmp_path):
    station, other = stations
    missed = []
    bundles = station.bundles(4)
    assert len(bundles) == 4 and any(map(manifests_of, bundles))
    for seed in range(TAMPERINGS):  # 21 ways: every third lot of them done to evidence of one record
        lot = seed // len(tamper.WAYS)
        whole = bundles[lot // 3 % 4] if lot % 3 == 2 else station.all
        what, data = tamper.tampered(seed, whole, other.all)
        path = write(tmp_path / "tampered", data)
        code, faults, _ = verify(path, station.key)
        if code != 1 or not faults:
            missed.append(f"assayctl: {what}")
        if seed < TAMPERINGS_INDEPENDENT and not independent.judge(station.key, path):
            missed.append(f"verify.py: {what}")
    assert missed == []


def test_tamperings_of_a_platform_s_copy_are_found(stations, tmp_path):
    station, other = stations
    missed = []
    for seed in range(TAMPERINGS // 5):
        what, data = tamper.tampered_copy(seed, tamper.copy_of(station.all), tamper.copy_of(other.all))
        code, faults, _ = verify(write(tmp_path / "tampered", data), station.key)
        if code != 1 or not faults:
            missed.append(what)
    assert missed == []


def some_export(chance, station, bundle):
    """A random range of what the station holds, or the evidence of a random record or event."""
    entries = [json.loads(line) for line in tamper.lines_of(station.all) if tamper.is_entry(line)]
    if bundle:
        return station.export("--bundle", chance.choice(entries)["id"], name="honest.jsonl")
    first = chance.randint(1, len(entries))
    return station.export("--from", str(first), "--to", str(chance.randint(first, len(entries))), name="honest.jsonl")


def test_honest_exports_are_found_honest(stations, national, tmp_path):
    """Ranges and bundles, of a station with Ed25519 and SHA-256 and of one with SM2 and SM3."""
    judged = set()
    for seed in range(HONEST):
        station, bundle = (stations[0], national)[seed // 2 % 2], seed % 2 == 1
        path = write(tmp_path / "honest", some_export(random.Random(seed), station, bundle))
        code, faults, _ = verify(path, station.key)
        assert (code, faults) == (0, []), seed
        if seed % HONEST_INDEPENDENT_EVERY == 0:
            assert independent.judge(station.key, path) == [], seed
            judged.add((station, bundle))
    assert len(judged) == 4


def with_head(data, **changes):
    """The export with another first line, and a last line that fits."""
    lines = tamper.lines_of(data)
    head = {name: value for name, value in {**json.loads(lines[0]), **changes}.items() if value is not None}
    return tamper.mended([json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode(), *lines[1:]])


def test_a_first_line_says_what_the_entries_say(stations, tmp_path):
    """Nothing signs it: both verifiers demand it, and say what is wrong in it. `at` and `keys` are not proven, as evidence.md says."""
    station, other = stations
    bundle = station.bundles(1)[0]
    head, begin = (json.loads(tamper.lines_of(data)[0]) for data in (bundle, station.all))
    ids = [json.loads(line)["id"] for line in tamper.lines_of(station.all) if tamper.is_entry(line)]
    for data, changes, says in (
            (station.all, {"station": "330421104-01"}, "of station 330421104-01, but"),
            (station.all, {"epoch": "0" * 32}, "of epoch " + "0" * 32),
            (station.all, {"first": 2}, f"entries 2 to {begin['last']}, but entry 1 is here"),
            (station.all, {"last": begin["last"] - 1}, f"but entry {begin['last']} is here"),
            (station.all, {"subject": ids[0]}, "ends with the next seal"),
            (bundle, {"subject": ids[head["first"]]}, f"but entry {head['first']}, with which it begins, is {head['subject']}"),
            (bundle, {"subject": ids[head["first"] - 2]}, f"record {ids[head['first'] - 2]}"),
            (bundle, {"station": "330421104-01"}, "of station 330421104-01, but")):
        path = write(tmp_path / "x", with_head(data, **changes))
        for keys in ((station.key,), ()):
            code, faults, _ = verify(path, *keys)
            assert code == 1 and [(fault["fault"], fault["line"]) for fault in faults] == [("head", 1)], (changes, faults)
            assert says in faults[0]["text"], faults
        assert [fault for fault in independent.judge(station.key, path) if "line 1 " in fault], changes
    for data in (station.all, bundle):
        path = write(tmp_path / "x", with_head(data, at="1999-01-01T00:00:00.000+08:00", keys=other.identity()["pem"]))
        assert verify(path, station.key)[:2] == (0, []) and independent.judge(station.key, path) == []


def test_an_export_over_a_change_of_the_station_s_code_is_of_the_last(stations, tmp_path):
    other, (mine, theirs) = stations[1], (harness.STATION, "330421104-01")
    shutil.copytree(other.daemon.state, tmp_path / "state")
    with harness.Room() as room:
        daemon = room.add(harness.Daemon(str(tmp_path), INSTRUMENT.format(address="127.0.0.1:9")))
        daemon.start()
        assert daemon.stop() == 0
    entries = daemon.entries()
    change = next(entry["seq"] for entry in entries if entry["station"] == mine)
    assert [entry["station"] for entry in entries] == [theirs if entry["seq"] < change else mine for entry in entries]
    for options, code in (((), mine), (("--from", str(change - 5)), mine), (("--from", str(change)), mine), (("--to", "5"), theirs)):
        assert daemon.ctl("export", *options, "-o", str(tmp_path / "x")).returncode == 0
        data = (tmp_path / "x").read_bytes()
        assert json.loads(tamper.lines_of(data)[0])["station"] == code
        assert verify(str(tmp_path / "x"), other.key)[:2] == (0, []) and independent.judge(other.key, str(tmp_path / "x")) == []
        path = write(tmp_path / "y", with_head(data, station=theirs if code == mine else mine))
        assert [fault["fault"] for fault in verify(path, other.key)[1]] == ["head"] and independent.judge(other.key, path) != []
    before, after = str(tmp_path / "before"), str(tmp_path / "after")
    for path, *options in ((before, "--to", str(change - 1)), (after, "--from", str(change))):
        assert daemon.ctl("export", *options, "-o", path).returncode == 0
    for paths in ([before, after], [after, before]):
        for keys, code in (((other.key,), None), ((), None), ((other.key,), mine), ((other.key,), theirs)):
            assert verify(paths, *keys, station=code)[:2] == (0, []), (paths, keys, code)
    # of the station that had the new code all the time, and has a key of its own
    assert "foreign" in {fault["fault"] for fault in verify([before, write(tmp_path / "x", stations[0].all)], other.key)[1]}


def signed_anew(by, line, **changes):
    """What the station's key would sign of a seal or manifest with something changed in it."""
    paper = {**json.loads(line), **changes}
    kind, names = ("manifest", "day first last hash digest events") if "day" in paper else ("seal", "seq hash")
    counts = [f"{name} {key} {about[key]}" for name, about in sorted(paper.get("instruments", {}).items()) for key in sorted(about)]
    text = [f"assay/v1/{kind}", *(paper[name] for name in f"station epoch {names}".split()), *counts,
            *(paper[name] for name in ("at", "alg", "key"))]
    path = write(os.path.join(by.directory, "text"), "".join(f"{part}\n" for part in text).encode())
    done = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-in", path, "-inkey",
                           os.path.join(by.daemon.state, "seal-ed25519.key")], capture_output=True, check=True)
    return json.dumps({**paper, "sig": base64.b64encode(done.stdout).decode()}, separators=(",", ":"), ensure_ascii=False).encode()


def test_what_is_signed_of_an_entry_names_the_entry_s_station(stations, tmp_path):
    station = stations[0]
    lines = tamper.lines_of(station.all)
    seal = next(line for line in lines if b'"sig":' in line and b'"day":' not in line)
    for line in (seal, manifests_of(station.all)[0]):
        for code, expected in ((harness.STATION, []), ("330421104-01", ["foreign"])):
            anew = signed_anew(station, line, station=code)
            path = write(tmp_path / "x", tamper.mended([anew if each == line else each for each in lines]))
            assert [fault["fault"] for fault in verify(path, station.key)[1]] == expected
            assert len(independent.judge(station.key, path)) == len(expected)


@pytest.mark.parametrize("way,kind", [
    ("edit_value", "edited"), ("delete", "missing"), ("insert", "inserted"), ("reorder", "reordered"), ("truncate", "truncated"),
    ("replay", "foreign"), ("swap_raw", "edited"), ("edit_seal", "seal"), ("edit_manifest", "seal"), ("rechain", "edited"),
    ("delete_all", "truncated"), ("empty", "empty"), ("shorten", "truncated"), ("say_twice", "unknown"),
    ("edit_head", "head"), ("recut", "unknown")])
def test_verify_says_what_was_done(stations, tmp_path, way, kind):
    station, other = stations
    kinds = set()
    for seed in range(6):
        lines = getattr(tamper, way)(random.Random(seed), tamper.lines_of(station.all), tamper.lines_of(other.all))
        _, faults, _ = verify(write(tmp_path / "x", tamper.mended(lines)), station.key)
        kinds |= {fault["fault"] for fault in faults}
    assert kind in kinds, kinds


def test_an_edited_entry_is_named_and_the_others_stay_proven(stations, tmp_path):
    station = stations[0]
    lines = tamper.lines_of(station.all)
    index = next(i for i in tamper.places(lines)[20:] if b'"verdict":"' in lines[i])
    seq = json.loads(lines[index])["seq"]
    lines[index] = lines[index].replace(b'"verdict":"', b'"verdict":"n', 1)
    _, faults, epochs = verify(write(tmp_path / "x", tamper.mended(lines)), station.key)
    day = next(i for i, line in enumerate(lines) if b'"day":' in line)  # its manifest counts another entry, and says so
    edited = [(fault["seq"], fault["line"]) for fault in faults if fault["fault"] == "edited"]
    assert edited == [(seq, index + 1), (json.loads(lines[day])["last"], day + 1)]
    assert all(fault["fault"] == "unsealed" and fault["seq"] <= seq for fault in faults if fault["fault"] != "edited")
    assert epochs[0]["proven"] == epochs[0]["last"]


def test_another_station_s_key_proves_nothing(stations, tmp_path):
    station, other = stations
    path = write(tmp_path / "all", station.all)
    code, faults, epochs = verify(path, other.key)
    assert code == 1 and {"seal", "unsealed"} <= {fault["fault"] for fault in faults}
    assert epochs[0]["proven"] == 0
    assert verify(path, other.key, station.key)[0] == 0
    assert verify(path, station.key, station="330421104-01")[0] == 1
    for keys in ((station.key,), (station.key, other.key), ()):  # each of them honest, but not of one station
        for paths in ([path, write(tmp_path / "other", other.all)], [str(tmp_path / "other"), path]):
            assert "foreign" in {fault["fault"] for fault in verify(paths, *keys)[1]}, (paths, keys)
    assert independent.judge(other.key, path) != []


def test_what_no_seal_covers_is_not_fine(stations, tmp_path):
    """Negative control: the last unsealed second cannot be proven, changed or not, and verify says so."""
    station = stations[0]
    lines = tamper.lines_of(station.all)
    entry = max(tamper.places(lines))
    copy = [line for line in lines[1:entry + 1] if tamper.is_entry(line) or b'"sig":' in line]
    copy[-1] = copy[-1].replace(b'"at":"2', b'"at":"3', 1)  # behind the last seal that is left
    code, faults, epochs = verify(write(tmp_path / "copy", tamper.whole(copy)), station.key)
    assert code == 1
    assert {fault["fault"] for fault in faults} == {"unsealed"}
    assert faults[0]["seq"] == epochs[0]["proven"] + 1 and "not covered by a seal" in faults[0]["text"]


def test_a_journal_that_was_killed_exports_its_tail_and_says_that_nothing_proves_it(stations, tmp_path):
    station = stations[0]
    killed = tmp_path / "state"
    shutil.copytree(station.daemon.state, killed)
    with sqlite3.connect(killed / "journal.db") as journal:
        journal.execute("DELETE FROM seal WHERE seq = (SELECT max(seq) FROM seal)")
        journal.commit()
    conf = tmp_path / "etc"
    shutil.copytree(station.daemon.conf, conf)
    text = (conf / "assayd.conf").read_text(encoding="utf-8").replace(station.daemon.state, str(killed))
    (conf / "assayd.conf").write_text(text.replace("/control", "/nobody"), encoding="utf-8")
    done = subprocess.run([CTL, "-c", str(conf), "export", "-o", str(tmp_path / "x")], capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""})
    assert done.returncode == 0 and "no seal covers entries" in done.stderr, done.stderr
    code, faults, _ = verify(str(tmp_path / "x"), station.key)
    assert code == 1 and {fault["fault"] for fault in faults} == {"unsealed"}
    assert any("not sealed" in fault for fault in independent.judge(station.key, str(tmp_path / "x")))


def test_a_platform_s_copy_is_proven_in_any_order_and_with_repetitions(stations, tmp_path):
    station = stations[0]
    chance = random.Random(1)
    lines = tamper.lines_of(station.all)[1:-1]
    copy = lines + chance.sample(lines, 30)
    chance.shuffle(copy)
    code, faults, epochs = verify(write(tmp_path / "copy", b"\r\n".join(copy)), station.key)
    assert (code, faults) == (0, [])
    assert epochs[0]["repeated"] > 0
    gone = json.loads(next(line for line in copy if tamper.is_entry(line) and 5 < json.loads(line)["seq"] < 20))["seq"]
    with_hole = [line for line in copy if not (tamper.is_entry(line) and json.loads(line)["seq"] == gone)]
    code, faults, _ = verify(write(tmp_path / "copy", b"\n".join(with_hole)), station.key)
    assert code == 1 and [fault["seq"] for fault in faults if fault["fault"] == "missing"] == [gone]


def test_of_a_copy_of_two_epochs_a_whole_one_cannot_be_lost_unseen(stations, tmp_path):
    station, other = stations
    mine, others = (tamper.lines_of(tamper.copy_of(each.all)) for each in stations)
    keys = station.key, other.key
    assert verify(write(tmp_path / "copy", tamper.whole(mine + others)), *keys)[:2] == (0, [])
    for left in (lambda line: not tamper.is_entry(line), lambda line: b'"day":' in line):  # all that was signed, or the manifest alone
        kept = [line for line in others if left(line)]
        assert kept
        code, faults, epochs = verify(write(tmp_path / "copy", tamper.whole(mine + kept)), *keys)
        assert code == 1 and [fault["fault"] for fault in faults] == ["truncated"], faults
        last = max(json.loads(line).get("seq") or json.loads(line)["last"] for line in kept)
        assert faults[0]["seq"] == last and [epoch["entries"] for epoch in epochs] == [len(set(filter(tamper.is_entry, mine))), 0]


def test_a_bundle_proves_one_record(stations, tmp_path):
    station = stations[0]
    entries = [json.loads(line) for line in tamper.lines_of(station.all) if tamper.is_entry(line)]
    for entry in random.Random(3).sample([entry for entry in entries if "raw" in entry], 3):
        data = station.export("--bundle", entry["id"], name="bundle.jsonl")
        lines = tamper.lines_of(data)
        head, first = json.loads(lines[0]), json.loads(lines[1])
        assert head["subject"] == entry["id"] and first == entry and head["first"] == entry["seq"]
        assert head["keys"][0]["pem"] == station.identity()["pem"]
        path = write(tmp_path / "bundle", data)
        assert verify(path, station.key)[:2] == (0, []) and verify(path)[:2] == (0, [])
        assert independent.judge(station.key, path) == []
        changed = data.replace(first["raw"].encode(), b"AAAA", 1)
        assert verify(write(tmp_path / "bundle", tamper.mended(tamper.lines_of(changed))), station.key)[0] == 1
    done = station.daemon.ctl("export", "--bundle", "00000000-0000-0000-0000-000000000000")
    assert done.returncode == 1 and "no entry" in done.stderr


def test_a_bundle_has_the_manifest_of_its_record_s_day_if_that_is_over(stations):
    station = stations[0]
    entries = [json.loads(line) for line in tamper.lines_of(station.all) if tamper.is_entry(line)]
    manifest, = manifests_of(station.all)
    last = json.loads(manifest)["last"]
    assert 2 < last < len(entries) and json.loads(manifest)["first"] == 1
    chosen = [station.export("--bundle", entries[seq - 1]["id"], name="bundle.jsonl") for seq in (1, 2, last, last + 1, len(entries))]
    ends = [json.loads(tamper.lines_of(bundle)[0])["last"] for bundle in chosen]
    assert ends[0] < last  # the manifest stands behind the last seal there, and counts more than is in the bundle
    for bundle in (*chosen, *station.bundles(4)):
        counted = json.loads(tamper.lines_of(bundle)[0])["first"] <= last
        assert manifests_of(bundle) == [manifest] * counted


def test_a_table_opens_in_a_spreadsheet(stations):
    station = stations[0]
    data = station.export("--format", "csv", name="table.csv")
    assert data.startswith(b"\xef\xbb\xbf") and data.count(b"\r\n") == data.count(b"\n")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    entries = [json.loads(line) for line in tamper.lines_of(station.all) if tamper.is_entry(line)]
    assert len(rows) == len(entries)
    for row, entry in zip(rows, entries):
        assert row["Seq"] == str(entry["seq"]) and row["Record id"] == entry["id"]
        assert row["Value"].lstrip("'") == entry.get("value", "")
        assert row["Verdict"] == entry.get("verdict", "") and row["Event"] == entry.get("event", "")
    for language, heads in HEADS.items():
        done = subprocess.run([CTL, "-c", station.daemon.conf, "export", "--format", "csv"], capture_output=True, check=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": language})
        assert done.stdout.decode("utf-8-sig").splitlines()[0] == heads


def test_the_station_s_key_is_its_own(stations):
    station, other = stations
    key = os.path.join(station.daemon.state, "seal-ed25519.key")
    assert os.stat(key).st_mode & 0o7777 == 0o600
    identity = station.identity()
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", station.key, "-outform", "DER"], capture_output=True, check=True).stdout
    assert identity["key"] == "sha256:" + hashlib.sha256(der).hexdigest() != other.identity()["key"]
    assert station.daemon.ctl("identity").stdout.endswith(identity["pem"])
    os.chmod(key, 0o644)
    try:
        refused = subprocess.run(station.daemon.command, capture_output=True, text=True, timeout=30, check=False,
                                 env={**os.environ, **station.daemon.env})
        assert refused.returncode == 78 and "chmod 600" in refused.stderr, refused.stderr
    finally:
        os.chmod(key, 0o600)


def test_sm2_and_sm3_by_configuration(national, tmp_path):
    path = write(tmp_path / "all", national.all)
    lines = tamper.lines_of(national.all)
    entry = json.loads(next(line for line in lines if tamper.is_entry(line)))
    seal = json.loads(next(line for line in lines if b'"sig":' in line))
    assert entry["prev"].startswith("sm3:") and seal["alg"] == "sm2-sm3" and seal["hash"].startswith("sm3:")
    assert verify(path, national.key)[:2] == (0, [])
    assert independent.judge(national.key, path) == []
    for seed in (*range(14), tamper.WAYS.index(tamper.edit_head)):
        what, data = tamper.tampered(seed, national.all, national.all.replace(b"330421103", b"330421105"))
        assert verify(write(path, data), national.key)[0] == 1, what
        assert independent.judge(national.key, path) != [], what


TARGET = "broker = mqtt://127.0.0.1:{port}\nreconnect-min = 100ms\nreconnect-max = 1s\n"


def test_seals_reach_the_platform_a_second_behind_and_what_it_has_is_proven(tmp_path):
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sim = room.sim("analyzer-1", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", "3", "--rate", "20", "--results", "100")
        daemon = room.daemon(INSTRUMENT.format(address=sim.address), TARGET.format(port=broker.port))
        daemon.start()
        for _kill in range(2):
            arrived = len(subscriber.records())
            harness.wait_for(lambda: len(subscriber.records()) >= arrived + 25, 30, "results")  # noqa: B023
            daemon.kill()
            daemon.start()
        harness.wait_for(lambda: len(sim.truth()) >= 100, 30, "all results")
        harness.settle([sim], subscriber)
        key = write(tmp_path / "key", json.loads(daemon.ctl("--json", "identity").stdout)["pem"].encode())
        head = daemon.status()["seq"]
        seals = harness.wait_for(lambda: [m for m in subscriber.of("seal") if json.loads(m.payload)["seq"] == head], 10, "a seal")
        at = {json.loads(m.payload)["seq"]: m.at_ns for m in subscriber.of("result", "qc", "event")}
        assert (seals[0].at_ns - at[head]) / 1e9 < 2.5  # 1 s, and what a busy machine adds
        daemon.stop()
        copy = b"\n".join(m.payload for m in subscriber.of("result", "qc", "event", "seal"))
        code, faults, epochs = verify(write(tmp_path / "copy", copy), key)
        assert (code, faults) == (0, []), faults[:3]
        assert epochs[0]["seals"] >= 5 and len(epochs) == 1


def test_a_day_that_is_over_has_a_manifest_also_on_request(tmp_path):
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sim = room.sim("analyzer-1", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", "4", "--rate", "20", "--results", "20")
        daemon = room.daemon(INSTRUMENT.format(address=sim.address), TARGET.format(port=broker.port))
        daemon.start()
        harness.wait_for(lambda: len(subscriber.records()) >= 20, 30, "the results")
        assert daemon.stop() == 0
        last = json.loads(max((m.payload for m in subscriber.of("result", "event")), key=lambda p: json.loads(p)["seq"]))["seq"]
        with sqlite3.connect(os.path.join(daemon.state, "journal.db")) as journal:
            journal.execute("UPDATE entry SET received_ms = received_ms - 2 * 86400000")
        journal.close()
        daemon.start()
        message = harness.wait_for(lambda: subscriber.of("manifest"), 15, "a manifest")[0]
        manifest = json.loads(message.payload)
        assert manifest["first"] == 1 and manifest["last"] >= last - 1
        counted = dict(manifest["instruments"]["analyzer-1"])
        counters = [int(counted.pop(f"counter_{end}")) for end in ("first", "last")]
        assert sum(counted.values()) == 20 and counters[1] - counters[0] == 19
        for day, says in ((manifest["day"], "manifests"), ("1999-12-31", "error")):
            subscriber.client.publish(f"{harness.PREFIX}/request/manifest", json.dumps({"day": day}), qos=1)
            answer = json.loads(harness.wait_for(lambda: [m for m in subscriber.messages if "/response/" in m.topic], 10,
                                                 "an answer")[0].payload)
            assert says in answer, answer
            subscriber.messages[:] = [m for m in subscriber.messages if "/response/" not in m.topic]
        assert subscriber.of("manifest")[0].payload == message.payload
        key = write(tmp_path / "key", json.loads(daemon.ctl("--json", "identity").stdout)["pem"].encode())
        done = daemon.ctl("export", "--day", manifest["day"], "-o", str(tmp_path / "day"))
        assert done.returncode == 0, done.stderr
        exported = (tmp_path / "day").read_bytes()
        assert message.payload in exported
        assert verify(str(tmp_path / "day"), key)[:2] == (0, [])
        assert independent.judge(key, str(tmp_path / "day")) == []
        for old, new in ((b'"sample":', b'"sample":1'), (b'"day":"20', b'"day":"21')):
            changed = message.payload.replace(old, new, 1)
            path = write(tmp_path / "x", tamper.mended(tamper.lines_of(exported.replace(message.payload, changed))))
            assert verify(path, key)[0] == 1 and independent.judge(key, path) != []
        started = time.monotonic()
        assert daemon.stop() == 0 and time.monotonic() - started < 5

"""The contract's test vectors, before both verifiers; and what is signed, before the openssl command."""
import base64
import hashlib
import importlib.util
import json
import os
import subprocess

import forger
import judges
import pytest

VECTORS = os.path.join(judges.CONTRACT, "vectors")
CTL = os.path.join(judges.ROOT, os.environ.get("BUILD", "build"), "assayctl")
VERIFIER = os.path.join(judges.CONTRACT, "verify.py")
spec = importlib.util.spec_from_file_location("independent", VERIFIER)
independent = importlib.util.module_from_spec(spec)
spec.loader.exec_module(independent)


def path(name):
    return os.path.join(VECTORS, name)


def verified(file, *keys, options=()):
    """The faults by assayctl, each with its number"""
    words = [word for key in keys for word in ("--key", key)]
    done = subprocess.run([CTL, "--json", "verify", *words, *options, file], capture_output=True, text=True, check=False, timeout=60)
    faults = [line for line in map(json.loads, done.stdout.splitlines()) if "fault" in line]
    assert done.returncode == bool(faults), done.stdout
    return [(line["fault"], line.get("seq")) for line in faults]


def both(name, key):
    """(faults by assayctl, by verify.py) of a vector, or of the file of an absolute path"""
    file = name if os.path.isabs(name) else path(f"{name}.jsonl")
    pem = key if os.path.isabs(key) else path(f"{key}.pem")
    return verified(file, pem), independent.judge(pem, file)


@pytest.mark.parametrize("name", ["ed25519-sha256", "sm2-sm3"])
def test_a_right_vector_is_right(name):
    assert both(name, name) == ([], [])
    with open(path(f"{name}.jsonl"), encoding="utf-8") as file:
        documents = list(map(json.loads, file))
    for document in documents:
        if "sig" in document:
            assert judges.faults("manifest" if "day" in document else "seal", document) == []


@pytest.mark.parametrize("name,ours,theirs", [
    ("edited", [("edited", 2), ("edited", 6)], "entry 2 is changed"),
    ("missing", [("missing", 4), ("unsealed", 2)], "entries 4 to 4 are missing"),
    ("unsealed", [("unsealed", 8)], "entry 8 is not sealed")])
def test_a_wrong_vector_is_wrong(name, ours, theirs):
    found, independently = both(name, "ed25519-sha256")
    assert found == ours and theirs in independently


def judged(tmp_path, lines, key="ed25519-sha256"):
    """(kinds of faults by assayctl, faults by verify.py) of these lines, with a last one that fits."""
    body = b"".join(line + b"\n" for line in lines)
    (tmp_path / "x").write_bytes(body + b'{"end":"assay/v1","digest":"sha256:%s"}\n' % hashlib.sha256(body).hexdigest().encode())
    ours, theirs = both(str(tmp_path / "x"), key)
    return {kind for kind, _ in ours}, theirs


def lines_of_right():
    with open(path("ed25519-sha256.jsonl"), "rb") as file:
        return file.read().splitlines()[:-1]


def test_both_verifiers_refuse_what_holds_no_entry(tmp_path):
    proofs = [line for line in lines_of_right() if b'"sig":' in line]
    (tmp_path / "x").write_bytes(b"")
    ours, theirs = both(str(tmp_path / "x"), "ed25519-sha256")
    assert ours == [("empty", None)] and theirs == ["there is no entry here: nothing to judge"]
    (tmp_path / "x").write_bytes(b"".join(line + b"\n" for line in proofs))
    ours, theirs = both(str(tmp_path / "x"), "ed25519-sha256")
    assert ours == [("truncated", 8), ("empty", None)] and theirs
    ours, theirs = judged(tmp_path, lines_of_right()[:1] + proofs)
    assert ours == {"truncated", "empty"} and theirs
    ours, theirs = judged(tmp_path, [lines_of_right()[0].replace(b'"first":1,"last":8', b'"first":1,"last":0')])
    assert ours == {"unknown", "missing", "empty"} and theirs


@pytest.mark.parametrize("old,new,ours", [
    (b'"first":1,', b'"first":2,', {"head"}), (b'"last":8,', b'"last":7,', {"head"}), (b'"last":8,', b'"last":9,', {"truncated"}),
    (b'"last":8,', b'"last":9000000000000000,', {"truncated"}), (b'"last":8,', b'"last":8.0,', {"unknown", "missing"}),
    (b'"station":"330421103-01"', b'"station":"330421104-01"', {"head"}), (b'"station":', b'"st":', {"unknown", "missing"}),
    (b'"station":', b'"seq":1,"station":"","station":', {"unknown", "missing"}), (b'"epoch":"', b'"epoch":"0', {"unknown", "missing"}),
    (b'"epoch":"c', b'"epoch":"d', {"head"}), (b'"at":', b'"subject":null,"at":', {"unknown", "missing"}),
    (b'"at":', b'"subject":"01a213ef-d37c-7d64-8474-3e30abcede01","at":', {"head"})])
def test_both_verifiers_refuse_a_first_line_that_says_something_else(tmp_path, old, new, ours):
    head, *lines = lines_of_right()
    assert head.count(old) == 1
    found, independently = judged(tmp_path, [head.replace(old, new), *lines])
    assert found == ours and independently


@pytest.mark.parametrize("put_in", [b"", b"[]", b'"sig"', b"null", b'{"v":1}', b'{"sig":null,"day":{}}'])
def test_both_verifiers_refuse_a_line_that_is_none(tmp_path, put_in):
    lines = lines_of_right()
    ours, theirs = judged(tmp_path, [*lines[:3], put_in, *lines[3:]])
    assert "unknown" in ours and theirs


@pytest.mark.parametrize("old,new", [
    (b'{"v":1,"station"', b'{"v":1,"seq":99,"station"'), (b'"sig":', b'"seq":99,"sig":'), (b'"hash":', b'"sig":"","hash":')])
def test_both_verifiers_refuse_a_name_that_stands_twice(tmp_path, old, new):
    lines = lines_of_right()
    index = next(i for i, line in enumerate(lines) if b'"sig":' in line and b'"day":' not in line)
    assert old in lines[index]
    lines[index] = lines[index].replace(old, new, 1)
    ours, theirs = judged(tmp_path, lines)
    assert "unknown" in ours and any("twice" in fault for fault in theirs)


def changed(lines, is_this, change):
    """The lines, with the one that is such a document written anew."""
    at = next(i for i, line in enumerate(lines) if is_this(json.loads(line)))
    return [*lines[:at], json.dumps(change(json.loads(lines[at])), ensure_ascii=False).encode(), *lines[at + 1:]]


def is_manifest(document):
    return "day" in document


def is_seal(document):
    return "sig" in document and "day" not in document


def cut_at_other_breaks(manifest):
    """Each member holds what was signed as the next one: `first` is two lines, and so on to the first instrument's."""
    whole = {**manifest, "first": f"{manifest['first']}\n{manifest['last']}", "last": manifest["hash"], "hash": manifest["digest"]}
    about = manifest["instruments"]["analyzer-1"]
    counts = {key: about[key] for key in sorted(about)[1:]}
    return {**whole, "digest": str(manifest["events"]), "events": f"analyzer-1 {min(about)} {about[min(about)]}",
            "instruments": {"analyzer-1": counts}}


def in_one_name(manifest):
    """The counters of the instrument as a part of its name: a reader of the JSON sees none."""
    about = manifest["instruments"]["analyzer-1"]
    *hidden, last = (f"{key} {about[key]}" for key in sorted(about))
    return {**manifest, "instruments": {"".join(f"analyzer-1 {each}\n" for each in hidden) + "analyzer-1": dict([last.split()])}}


def in_one_member(manifest):
    about = manifest["instruments"]["analyzer-1"]
    member = "\nanalyzer-1 ".join(f"{key} {about[key]}" for key in sorted(about))
    return {**manifest, "instruments": {"analyzer-1": dict([member.rsplit(" ", 1)])}}


@pytest.mark.parametrize("is_this,change", [
    (is_manifest, cut_at_other_breaks), (is_manifest, in_one_name), (is_manifest, in_one_member),
    (is_manifest, lambda paper: {**paper, "first": "1"}), (is_manifest, lambda paper: {**paper, "last": "6"}),
    (is_manifest, lambda paper: {**paper, "events": "1"}), (is_manifest, lambda paper: {**paper, "first": True}),
    (is_manifest, lambda paper: {**paper, "station": paper["station"] + "\n" + paper["epoch"], "epoch": paper["day"]}),
    (is_seal, lambda paper: {**paper, "seq": str(paper["seq"])}), (is_seal, lambda paper: {**paper, "seq": float(paper["seq"])}),
    (is_seal, lambda paper: {**paper, "seq": f"{paper['seq']}\n{paper['hash']}"}), (is_seal, lambda paper: {**paper, "day": None})])
def test_both_verifiers_refuse_what_was_signed_in_another_form(tmp_path, is_this, change):
    """What is signed is text: cut otherwise, or of another type, other members would have the same."""
    ours, theirs = judged(tmp_path, changed(lines_of_right(), is_this, change))
    assert "unknown" in ours and theirs


def test_both_verifiers_refuse_a_part_of_a_value_as_one_of_a_name(tmp_path):
    """A running number may hold spaces, as its instrument sent it."""
    station, entries = forger.Station(tmp_path), forger.chain(3)
    lines = [forger.head(entries), *entries, station.seal(3, entries[-1])]
    right = station.manifest(entries, {"an-1": {"counter_last": "7 c"}, "pr-1": {"counter_first": "A 17", "counter_last": "A 19 b"}})
    assert judged(tmp_path, [*lines, forger.compact(right)], station.pem) == (set(), [])
    for recut in ({"an-1 counter_last": {"7": "c"}}, {"an-1": {"counter_last 7": "c"}},
                  {"pr-1": {"counter_first A": "17", "counter_last": "A 19 b"}},
                  {"pr-1": {"counter_first": "A 17", "counter_last A 19": "b"}}):
        kept = {name: about for name, about in right["instruments"].items() if not any(each.startswith(name) for each in recut)}
        manifest = forger.compact({**right, "instruments": {**kept, **recut}})
        ours, theirs = judged(tmp_path, [*lines, manifest], station.pem)
        assert ours == {"unknown"} and len(theirs) == 1, (recut, theirs)


def right_but_for(instruments):
    """The manifest with another value there; at the end of the line, which tells the tests apart."""
    manifest = next(filter(is_manifest, map(json.loads, lines_of_right())))
    del manifest["instruments"]
    return json.dumps({**manifest, "instruments": instruments}).encode()


@pytest.mark.parametrize("put_in", [
    b"[" * 100000, b'{"sig":' * 100000, b'{"sig":"","day":1e400}', b'{"sig":"\\ud800","seq":1}', b"\xff\xfe",
    b'{"seq":' + b"9" * 5000 + b"}",
    b'{"sig":"","day":"","instruments":[]}', b'{"export":{}}', b'{"sig":"\\u0000"}',
    right_but_for([]), right_but_for([1, 2]), right_but_for({"a": 1}), right_but_for({"a": [1, 2]}), right_but_for({"a": [{}, {}]}),
    right_but_for(None), right_but_for({"a": "xy"})], ids=lambda line: (line[:20] + line[-12:]).hex())
def test_no_line_stops_a_verifier(tmp_path, put_in):
    lines = lines_of_right()
    ours, theirs = judged(tmp_path, [*lines[:3], put_in, *lines[3:]])
    assert "unknown" in ours and len(theirs) == 1 and theirs[0].startswith("line 4: ")


@pytest.mark.parametrize("ghost", [{}, [], ""], ids=repr)
def test_an_instrument_that_counts_nothing_cannot_be_put_in(tmp_path, ghost):
    """It adds nothing to the text that was signed."""
    lines = lines_of_right()
    at = next(at for at, line in enumerate(lines) if is_manifest(json.loads(line)))
    manifest = json.loads(lines[at])
    lines[at] = json.dumps({**manifest, "instruments": {**manifest["instruments"], "ghost": ghost}}).encode()
    ours, theirs = judged(tmp_path, lines)
    assert ours == {"unknown"} and len(theirs) == 1 and theirs[0].startswith(f"line {at + 1}: ")


def test_a_line_of_very_many_instruments_is_judged_soon(tmp_path):
    """Before its signature can be looked at, its text is made: in a time that grows with it, and not with its square."""
    lines = lines_of_right()
    ours, theirs = judged(tmp_path, [*lines[:3], right_but_for({f"{number:x}": {"a": 1} for number in range(250000)}), *lines[3:]])
    assert ours == {"seal"} and len(theirs) == 1 and theirs[0].startswith("line 4: ")


@pytest.mark.parametrize("old,new", [
    (b'"first":1', b'"first":"1"'), (b'"first":1', b'"first":-1'), (b'"last":8', b'"last":true'),
    (b'"last":8', b'"last":' + b"9" * 40),
    (b'"station":"3', b'"station":"\\ud8003'), (b'"epoch":"', b'"subject":["\\ud800"],"epoch":"'), (b'"export":"assay/v1"', b'"export":[]'),
    (b'"station":', b'"x":' + b"[" * 900 + b"]" * 900 + b',"station":'), (b'"at":"', b'"subject":' + b"[" * 900 + b"]" * 900 + b',"at":"')],
    ids=lambda part: part[:20].hex())
def test_no_first_line_stops_the_independent_verifier(tmp_path, old, new):
    head, *lines = lines_of_right()
    assert head.count(old) == 1
    body = b"".join(line + b"\n" for line in (head.replace(old, new), *lines))
    (tmp_path / "x").write_bytes(body + b'{"end":"assay/v1","digest":"sha256:%s"}\n' % hashlib.sha256(body).hexdigest().encode())
    done = judged_alone(path("ed25519-sha256.pem"), tmp_path / "x", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert b"Traceback" not in done.stderr and (done.returncode == 1) == (b'"x"' not in new), done


def judged_alone(*words, **env):
    """What the program itself says of these."""
    return subprocess.run(["/usr/bin/python3", VERIFIER, *words], capture_output=True, check=False, env={**os.environ, **env})


def test_what_cannot_be_judged_is_said(tmp_path):
    for words in ((), (path("sm2-sm3.pem"),), (path("sm2-sm3.pem"), tmp_path), (path("sm2-sm3.pem"), tmp_path / "no"), ("a", "b", "c")):
        done = judged_alone(*words)
        assert done.returncode == 1 and b"cannot be judged: " in done.stderr and b"Traceback" not in done.stderr, words
    done = judged_alone(tmp_path / "nothing", path("sm2-sm3.jsonl"))
    assert done.returncode == 1 and b"not signed by the station of " + bytes(tmp_path) in done.stdout


def test_a_hole_longer_than_what_is_left_is_named(tmp_path):
    """As that of a journal which was damaged and salvaged."""
    lines = lines_of_right()
    ends = [line for line in lines if b'"seq":1,' in line or b'"seq":8,' in line]
    assert len(ends) == 4  # each with its seal
    assert judged(tmp_path, [lines[0], *ends]) == ({"missing"}, ["entries 2 to 7 are missing"])
    whole_year = lines[0].replace(b'"last":8', b'"last":8000000')
    assert judged(tmp_path, [whole_year, *ends]) == ({"missing", "truncated"}, [
        "entries 9 to 8000000 are missing", "entries 2 to 7 are missing"])


def test_two_histories_below_the_first_entry_are_seen(tmp_path):
    """There is no entry there any more that could be another: only what was signed of them."""
    station, entries, others = forger.Station(tmp_path), forger.chain(9), forger.chain(9, tag="y")
    lines = [forger.head(entries[4:]), *entries[4:], station.seal(9, entries[8])]
    right = [station.seal(seq, entries[seq - 1]) for seq in (2, 3, 4)]
    for below in ([], right, right + right):
        (tmp_path / "copy").write_bytes(b"\n".join(below + lines[1:]))
        done = verified(tmp_path / "copy", station.pem)
        assert done == [], (below, done)
    for seq in (2, 3, 4):
        false = station.seal(seq, others[seq - 1])
        for below in ([false, *right], [*right, false], *([[false]] if seq == 4 else [])):
            (tmp_path / "copy").write_bytes(b"\n".join(below + lines[1:]))
            assert {*verified(tmp_path / "copy", station.pem)} == {("forked", seq)}, below
            ours, theirs = judged(tmp_path, lines + below, station.pem)
            assert ours == {"forked"} and any("forked" in fault for fault in theirs), (below, theirs)
    for below in ([false, *right], [*right, false]):  # nor is there an entry of that epoch
        (tmp_path / "copy").write_bytes(b"\n".join(below))
        assert verified(tmp_path / "copy", station.pem) == [("truncated", 4), ("forked", 4), ("empty", None)]


def test_a_manifest_of_a_day_that_is_not_all_here_is_compared_with_its_last_entry(tmp_path):
    station, entries, others = forger.Station(tmp_path), forger.chain(9), forger.chain(9, tag="y")
    seal = station.seal(9, entries[8])
    renamed = forger.Station(tmp_path, "renamed", code="330421104-01")
    renamed.private, renamed.key = station.private, station.key  # the same key
    for begin in (0, 4, 7):
        lines = [forger.head(entries[begin:]), *entries[begin:], seal]
        for manifest, kinds in (
                (station.manifest(entries[:8], {"pr-1": {"sample": 8}}), set()), (station.manifest(entries[:2], {}), set()),
                (station.manifest(entries[8:], {}), set()), (station.manifest(others[:8], {}), {"edited"}),
                (station.manifest(entries[:8], {}, hash=forger.digest(b"")), {"edited"}),
                (renamed.manifest(entries[:8], {}), {"foreign"})):
            ours, theirs = judged(tmp_path, [*lines, forger.compact(manifest)], station.pem)
            assert ours == kinds and bool(theirs) == bool(kinds), (begin, manifest, theirs)


def test_a_station_that_was_named_is_the_only_one(tmp_path):
    """A copy has no first line that names its station; what is another's is foreign though its key was given."""
    ours, theirs = forger.Station(tmp_path), forger.Station(tmp_path, "other", code="330421104-01", epoch="f" * 32)
    copies = []
    for station in (ours, theirs):
        entries = forger.chain(3, station.code, station.epoch)
        copies.append([*entries, station.seal(3, entries[-1])])
    for lines, station, said in (
            (copies[0], ours, []), (copies[1], theirs, []), (copies[0] + copies[1], None, []), (copies[1], None, []),
            (copies[1], ours, [("foreign", 1)]), (copies[0], theirs, [("foreign", 1)]), (copies[1] + copies[0], ours, [("foreign", 1)]),
            ([forger.head(copies[1][:3]), *copies[1]], ours, [("truncated", None), ("foreign", None), ("foreign", 1)])):
        (tmp_path / "copy").write_bytes(b"\n".join(lines) + b"\n")
        options = ("--station", station.code) if station else ()
        assert verified(tmp_path / "copy", ours.pem, theirs.pem, options=options) == said, (lines, station)


def test_the_other_key_proves_nothing():
    found, independently = both("sm2-sm3", "ed25519-sha256")
    assert {kind for kind, _ in found} == {"seal", "unsealed"} and independently


@pytest.mark.parametrize("text,is_this", [("seal.txt", lambda d: "day" not in d), ("manifest.txt", lambda d: "day" in d)])
def test_the_signed_text_is_signed(tmp_path, text, is_this):
    with open(path("ed25519-sha256.jsonl"), encoding="utf-8") as file:
        document = next(d for d in map(json.loads, file) if "sig" in d and is_this(d))
    (tmp_path / "sig").write_bytes(base64.b64decode(document["sig"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", path("ed25519-sha256.pem"), "-rawin", "-in", path(text), "-sigfile",
               str(tmp_path / "sig")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_independent_verifier_is_short_and_of_nothing_but_the_standard_library():
    with open(VERIFIER, encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert len(lines) <= 60
    assert [line for line in lines if "import" in line] == ["import base64, hashlib, json, os, re, subprocess, sys, tempfile"]
    done = subprocess.run(["/usr/bin/python3", VERIFIER, path("sm2-sm3.pem"), path("sm2-sm3.jsonl")], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and "unaltered" in done.stdout
    done = subprocess.run(["/usr/bin/python3", VERIFIER, path("sm2-sm3.pem"), path("edited.jsonl")], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and "not signed by the station" in done.stdout

"""The contract's test vectors, before both verifiers; and what is signed, before the openssl command."""
import base64
import hashlib
import importlib.util
import json
import os
import subprocess

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


def both(name, key):
    """(faults by assayctl, by verify.py) of a vector, or of the file of an absolute path"""
    file = name if os.path.isabs(name) else path(f"{name}.jsonl")
    done = subprocess.run([CTL, "--json", "verify", "--key", path(f"{key}.pem"), file], capture_output=True, text=True, check=False)
    faults = [line for line in map(json.loads, done.stdout.splitlines()) if "fault" in line]
    assert done.returncode == bool(faults), done.stdout
    return [(line["fault"], line.get("seq")) for line in faults], independent.judge(path(f"{key}.pem"), file)


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
    ("missing", [("missing", 4), ("unsealed", 2)], "entry 4 is missing"),
    ("unsealed", [("unsealed", 8)], "entry 8 is not sealed")])
def test_a_wrong_vector_is_wrong(name, ours, theirs):
    found, independently = both(name, "ed25519-sha256")
    assert found == ours and theirs in independently


def judged(tmp_path, lines):
    """(kinds of faults by assayctl, faults by verify.py) of these lines, with a last one that fits."""
    body = b"".join(line + b"\n" for line in lines)
    (tmp_path / "x").write_bytes(body + b'{"end":"assay/v1","digest":"sha256:%s"}\n' % hashlib.sha256(body).hexdigest().encode())
    ours, theirs = both(str(tmp_path / "x"), "ed25519-sha256")
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

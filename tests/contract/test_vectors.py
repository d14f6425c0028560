"""The contract's test vectors, before both verifiers; and what is signed, before the openssl command."""
import base64
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
    """(faults by assayctl, by verify.py)"""
    done = subprocess.run([CTL, "--json", "verify", "--key", path(f"{key}.pem"), path(f"{name}.jsonl")], capture_output=True,
                          text=True, check=False)
    faults = [line for line in map(json.loads, done.stdout.splitlines()) if "fault" in line]
    assert done.returncode == bool(faults), done.stdout
    return [(line["fault"], line.get("seq")) for line in faults], independent.judge(path(f"{key}.pem"), path(f"{name}.jsonl"))


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

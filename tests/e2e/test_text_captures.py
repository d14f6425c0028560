"""What others read in the captures of a real balance, and what `assayctl decode` reads in them."""
import glob
import json
import os
import subprocess

import harness
import pytest

CAPTURES = os.path.join(harness.ROOT, "tests", "captures", "text")
PROFILE = os.path.join(harness.ROOT, "config", "profiles", "balance-kern-ew.conf")


def bytes_of(name):
    with open(os.path.join(CAPTURES, name + ".hex"), encoding="utf-8") as text:
        return bytes.fromhex("".join(line.split("#")[0] for line in text))


def decode(data):
    done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "decode", "text", "--profile", PROFILE], input=data,
                          capture_output=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def expected_names():
    return sorted(os.path.basename(path)[:-len(".expected.jsonl")] for path in glob.glob(f"{CAPTURES}/*.expected.jsonl"))


@pytest.mark.parametrize("name", expected_names())
def test_a_weighing_decodes_to_what_others_read_in_it(name):
    """An expected row without a value is an overload ("the zero is NOT a reading"), a fragment ends inside its line:
    neither is a result."""
    with open(os.path.join(CAPTURES, name + ".expected.jsonl"), encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    wanted = [row for row in rows if row["kind"] == "result" and row["value"] is not None]
    lines = decode(bytes_of(name))
    assert len(lines) == len(wanted) > 0
    for line, row in zip(lines, wanted):
        assert float(line["value"]) == row["value_num"]
        assert line["value_as_sent"] == row["value"]
        assert bytes.fromhex(line["raw"]).decode().strip() == row["raw"]
        assert line["unit"] == row["unit"]
        assert line["said"]["state"] == row["state"]
        assert (line["qualifier"], line["kind"]) == ("", "sample")


def test_every_capture_of_the_balance_has_an_expectation():
    captures = {os.path.basename(path)[:-len(".hex")] for path in glob.glob(f"{CAPTURES}/kern-*.hex")}
    assert captures == set(expected_names()) and len(captures) == 9

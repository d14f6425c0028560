"""What others read in the captures of a real balance, and what `assayctl decode` reads in them."""
import glob
import json
import os
import socket
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


def test_an_overload_is_no_result_and_is_counted_where_a_technician_looks():
    """The balance says E: its pan is overloaded, and the zero beside it is no weight."""
    with harness.Room() as room, socket.create_server(("127.0.0.1", 0)) as balance:
        daemon = room.daemon(f"[instrument ba-1]\ndriver = text\nprofile = balance-kern-ew\n"
                             f"port = tcp:127.0.0.1:{balance.getsockname()[1]}\npoll = 100ms\n").start()
        line = balance.accept()[0]
        line.sendall(b"+0456.51 G S\r\n+0000.00 G E\r\n+0000.00 G E\r\n+0012.30 G S\r\n")
        harness.wait_for(lambda: daemon.status()["instruments"]["ba-1"]["stored"] == 2, 20, "the two weights")
        assert [entry["value"] for entry in daemon.entries() if "kind" in entry] == ["456.51", "12.30"]
        assert daemon.status()["instruments"]["ba-1"]["blanks"] == 2
        assert [entry for entry in daemon.entries() if entry.get("event") == "undecodable"] == []
        assert "2 times it said itself that there is no result" in daemon.ctl("status").stdout
        line.close()


def test_every_capture_of_the_balance_has_an_expectation():
    captures = {os.path.basename(path)[:-len(".hex")] for path in glob.glob(f"{CAPTURES}/kern-*.hex")}
    assert captures == set(expected_names()) and len(captures) == 9

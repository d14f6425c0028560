"""One file, one line, one capture: the driver of this folder is added to a copy of the tree as drivers/README.md says.

Nothing else of the copy is touched, and then it decodes, is checked, and its results reach a broker."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "structure")]
import harness  # noqa: E402
import test_layers  # noqa: E402

BUILD = os.environ.get("BUILD", "build")


@pytest.fixture(name="tree", scope="module")
def fixture_tree(tmp_path_factory):
    """A copy with the driver; what the build has already compiled comes along."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("daemon", "drivers", "config", "tests/unit", "tests/captures", "tests/sim"):
        shutil.copytree(os.path.join(ROOT, name), tree / name)
    for name in ("daemon", "drivers") if os.path.basename(BUILD) == "build" else ():  # not with a sanitizer's objects
        shutil.copytree(os.path.join(ROOT, BUILD, name), tree / "build" / name)
    shutil.copy2(os.path.join(ROOT, "Makefile"), tree)
    shutil.copy(os.path.join(HERE, "strip_push.c"), tree / "drivers")
    registry = tree / "drivers/drivers.c"
    registry.write_text(re.sub(r"(#define DRIVERS\(entry\))", r"\1 entry(strip_push)", registry.read_text()))
    os.mkdir(tree / "tests/captures/strip-push")
    for name in ("day.hex", "day.golden"):
        shutil.copy(os.path.join(HERE, name), tree / "tests/captures/strip-push")
    made = subprocess.run(["make", "-j2", "build/assayd", "build/assayctl", "build/tests/unit/test_decode"], cwd=tree, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={k: v for k, v in os.environ.items() if k != "BUILD"})
    assert made.returncode == 0, made.stdout.decode()
    return tree


def test_the_driver_is_small_and_pure(tree):
    assert len((tree / "drivers/strip_push.c").read_text().splitlines()) < 200
    assert not test_layers.faults_of(str(tree))


def test_its_capture_is_a_golden_test_like_any_other(tree):
    done = subprocess.run(["build/tests/unit/test_decode"], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()
    golden = tree / "tests/captures/strip-push/day.golden"
    golden.write_text(golden.read_text().replace("63.500", "63.501"))
    done = subprocess.run(["build/tests/unit/test_decode"], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode != 0, "a wrong golden line passes"


def frames():
    with open(os.path.join(HERE, "day.hex"), encoding="utf-8") as text:
        return [bytes.fromhex(line) for line in text if not line.startswith("#")]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def records(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as text:
        return [json.loads(line) for line in text if '"kind"' in line]


def test_what_it_sends_unasked_reaches_the_broker(tree, tmp_path):
    port, out = harness.free_port(), str(tmp_path / "out")
    broker = subprocess.Popen([shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin"), "-p", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listener = socket.create_server(("127.0.0.1", 0))
    os.mkdir(tmp_path / "etc")
    (tmp_path / "etc/assayd.conf").write_text(
        "[station]\ncode = 330421103-01\ncounty = 330421\n"
        f"[journal]\ndirectory = {tmp_path}/journal\n[control]\nsocket = {tmp_path}/control\n"
        f"[target county]\nbroker = mqtt://127.0.0.1:{port}\n"
        f"[instrument sp-1]\ndriver = strip-push\nport = tcp:127.0.0.1:{listener.getsockname()[1]}\n")
    harness.wait_for(lambda: answers(port), 5, "the broker")
    with open(out, "wb") as sink:
        subscriber = subprocess.Popen(["mosquitto_sub", "-p", str(port), "-t", "assay/#"], stdout=sink)
    time.sleep(0.5)
    daemon = subprocess.Popen([str(tree / "build/assayd"), "-c", str(tmp_path / "etc")], stderr=subprocess.DEVNULL)
    try:
        listener.settimeout(10)
        instrument, _ = listener.accept()
        for frame in frames():
            instrument.sendall(frame)
        harness.wait_for(lambda: len(records(out)) == 4, 10, "four records")
        assert [r["instrument_seq"] for r in records(out)] == ["1", "2", "3", "3"]
        assert records(out)[1]["value"] == "-0.050" and records(out)[1]["verdict"] == "positive"
    finally:
        for child in (daemon, subscriber, broker):
            child.terminate()
            child.wait(10)

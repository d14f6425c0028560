"""scan lists serial ports, asks who is there, says what to write, and changes nothing on any instrument."""
import json
import os
import re
import threading
import tty

import harness
import pytest

# archetype, options of the simulator, what must be found there
THERE = {
    "a2": ((), {"driver": "seven-e-aa", "line": "115200/8n1"}),
    "a3": ((), {"driver": "zero3-ff", "line": "9600/8n1"}),
    # both orders of words have the same magic number: only the values tell which it is
    "a6b": (("--unit", "2"), {"driver": "modbus", "profile": "analyzer-a6b", "unit": 2}),
}


def scan(daemon, *words):
    done = daemon.ctl("--json", "scan", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("archetype", THERE)
def test_who_is_there_is_found_and_what_is_proposed_works(archetype):
    options, expected = THERE[archetype]
    with harness.Room() as room:
        port = room.path("line")
        sim = room.sim("an-1", archetype, ("--serial", port), "--seed", "4", "--rate", "50", "--results", "6", *options)
        harness.wait_for(lambda: len(sim.truth()) == 6, 20, "six results finished")
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon("", f"broker = mqtt://127.0.0.1:{broker.port}\n")
        told = scan(daemon, "--port", port)[0]
        assert told["port"] == os.path.realpath(port) and not told["asked"] and told["openable"] and "answers" not in told
        answers = scan(daemon, "--port", port, "--ask")[0]["answers"]
        assert any(expected.items() <= answer.items() for answer in answers), answers
        assert {answer["driver"] for answer in answers} == {expected["driver"]}

        # what is printed for people is pasted as it is; nothing was changed, so everything is still delivered
        printed = daemon.ctl("scan", "--port", port, "--ask").stdout
        blocks = re.findall(r"^\[instrument NAME\].*?(?=\n\n)", printed, re.M | re.S)
        assert len(blocks) == len(answers) and (len(blocks) > 1) == ("several profiles fit" in printed)
        block = next(block for block in blocks if expected.get("profile", "") + "\n" in block)
        daemon.write_config(block.replace("NAME", "an-1") + "\npoll = 200ms\n", f"broker = mqtt://127.0.0.1:{broker.port}\n")
        daemon.start()
        verdict = harness.settle([sim], subscriber)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.finished == 6, verdict

        # the daemon has it now: it is named, and nothing is asked
        held = scan(daemon, "--port", port, "--ask")[0]
        assert held["instruments"] == "an-1" and held["held_by"] == "assayd" and not held["asked"], held
        assert "[instrument" not in daemon.ctl("scan", "--port", port, "--ask").stdout


def test_what_speaks_unasked_is_left_alone():
    with harness.Room() as room:
        master, slave = os.openpty()
        tty.setraw(master)
        heard, over = [], threading.Event()

        def speak():
            while not over.wait(0.1):
                os.write(master, b"H|\\^&|||analyzer\r")
        speaker = threading.Thread(target=speak)
        name = os.ttyname(slave)
        os.close(slave)
        speaker.start()
        try:
            daemon = room.daemon("")
            told = scan(daemon, "--port", name, "--ask")[0]
            os.set_blocking(master, False)
            try:
                heard.append(os.read(master, 100))
            except OSError:  # nothing came, or nobody is there any more
                pass
        finally:
            over.set()
            speaker.join()
            os.close(master)
        assert told["speaks_unasked"] and told["answers"] == [] and heard == [], (told, heard)


def test_silence_and_wrong_words_are_told():
    with harness.Room() as room:
        master, slave = os.openpty()
        name = os.ttyname(slave)
        daemon = room.daemon("")
        os.close(slave)
        silent = scan(daemon, "--port", name, "--ask")[0]
        assert silent["asked"] and silent["answers"] == [] and "fault" not in silent
        os.close(master)
        assert daemon.ctl("scan", "--port", "/dev/no-such-port").returncode == 1
        assert daemon.ctl("scan", "--port", "ttyUSB0").returncode == 64
        assert daemon.ctl("scan", "all").returncode == 64
        assert daemon.ctl("scan").returncode == 0

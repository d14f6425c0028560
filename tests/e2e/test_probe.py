"""probe asks once, stores nothing and releases nothing: what it showed, the daemon delivers afterwards all the same."""
import json

import harness
import pytest

KINDS = {
    "seven-e-aa": ("a2", "--serial", "driver = seven-e-aa\nline = 115200/8n1\nport = {}\npoll = 200ms\n"),
    "dump8": ("dump8", "--serial", "driver = dump8\nport = {}\npoll = 200ms\ntimeout = 300ms\ncontrol-channel = 1\n"),
    "modbus": ("a6b", "--tcp", "driver = modbus\nprofile = analyzer-a6b\nport = modbus-tcp:{}\npoll = 200ms\n"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_probed_is_delivered_by_the_daemon_afterwards(kind):
    archetype, how, settings = KINDS[kind]
    options = ("--burst", "8", "--press", "0.1", "--reboot", "1.1") if kind == "dump8" else ()
    with harness.Room() as room:
        address = room.path("line") if how == "--serial" else f"127.0.0.1:{harness.free_port()}"
        sim = room.sim("an-1", archetype, (how, address), "--seed", "4", "--rate", "50", "--results", "8", *options)
        harness.wait_for(lambda: len(sim.truth()) == 8, 20, "eight results finished")
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        daemon = room.daemon("[instrument an-1]\n" + settings.format(address), f"broker = mqtt://127.0.0.1:{broker.port}\n")
        for _ in range(2):  # the second finds what the first left
            probed = daemon.ctl("probe", "an-1")
            assert probed.returncode == 0 and "nothing acknowledged" in probed.stderr, probed.stderr
            shown = [json.loads(line) for line in probed.stdout.splitlines()]
            assert kind == "modbus" or shown
        daemon.start()
        verdict = harness.settle([sim], subscriber)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.finished == 8, verdict
        known = daemon.ctl("probe", "an-1")
        assert known.returncode == 0 and "assayd runs" in known.stderr and json.loads(known.stdout)["health"] == "ok"


def test_who_does_not_answer_is_said_to_be_silent():
    with harness.Room() as room:
        daemon = room.daemon("[instrument an-1]\n" + KINDS["modbus"][2].format(f"127.0.0.1:{harness.free_port()}"))
        gone = daemon.ctl("probe", "an-1")
        assert gone.returncode == 1 and "no connection" in gone.stderr
        assert daemon.ctl("probe", "an-2").returncode == 1 and daemon.ctl("probe").returncode == 64

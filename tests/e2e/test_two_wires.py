"""A line of two wires gives our own questions back: they are no answer, no noise, and no sign that somebody is there."""
import contextlib
import socket
import threading

import harness
import pytest

READERS = {
    "a2": "driver = seven-e-aa\npoll = 200ms\ntimeout = 200ms\nreconcile = 1s\n",
    "a9": "driver = text\nprofile = reader-a9\npoll = 200ms\ntimeout = 200ms\n",
}


class TwoWires:
    """Between the daemon and an instrument: what the daemon says goes to both."""

    def __init__(self, instrument):
        self.instrument = instrument
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.echoed = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.serve(self.server.accept()[0])

    def serve(self, daemon):
        with daemon, contextlib.suppress(OSError):
            there = None
            with contextlib.suppress(OSError):  # the line is there without its instrument
                host, port = self.instrument.rsplit(":", 1)
                there = socket.create_connection((host, int(port)))
                threading.Thread(target=self.pump, args=(there, daemon), daemon=True).start()
            while said := daemon.recv(4096):
                daemon.sendall(said)
                self.echoed += len(said)
                if there:
                    with contextlib.suppress(OSError):
                        there.sendall(said)

    def pump(self, there, daemon):
        with there, contextlib.suppress(OSError):
            while said := there.recv(4096):
                daemon.sendall(said)


@pytest.mark.parametrize("archetype", READERS)
def test_a_reader_on_two_wires_is_read_and_is_missed_when_it_is_off(archetype):
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sim = room.sim("pr-1", archetype, ("--tcp", "127.0.0.1:0"), "--results", "20", "--rate", "20")
        wires = TwoWires(sim.address)
        daemon = room.daemon(f"[instrument pr-1]\nport = tcp:127.0.0.1:{wires.port}\n{READERS[archetype]}",
                             f"broker = mqtt://127.0.0.1:{broker.port}\n").start()
        harness.wait_for(lambda: len(sim.truth()) == 20, 20, "all tests finished")
        verdict = harness.settle([sim], subscriber)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
        status = daemon.status()["instruments"]["pr-1"]
        assert status["health"] == "ok" and status["noise_bytes"] == 0, status
        sim.stop()
        echoed = wires.echoed
        harness.wait_for(lambda: daemon.status()["instruments"]["pr-1"]["health"] == "silent", 20, "it is missed")
        assert wires.echoed > echoed, "the line itself is there"
        events = [entry["event"] for entry in daemon.entries() if "event" in entry]
        assert events.count("instrument_lost") == 1 and "undecodable" not in events, events

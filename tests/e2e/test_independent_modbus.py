"""Against Modbus servers nobody here wrote (pymodbus over TCP and RTU, modbus-serial over TCP): every result arrives once."""
import json
import os
import shutil
import subprocess

import harness
import pytest

SERVERS = os.path.join(harness.ROOT, "tests/e2e/servers")
NODE_MODULES = os.path.join(harness.ROOT, "tests/node_modules/modbus-serial")
WHEN = [2026, 3, 5, 9, 41, 20]


class Server:
    """One of the independent servers, spoken to by JSON lines."""

    def __init__(self, *command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=SERVERS,
                                      text=True)

    def ask(self, **what):
        self.child.stdin.write(json.dumps(what) + "\n")
        self.child.stdin.flush()
        while True:
            answer = json.loads(self.child.stdout.readline())
            if "ready" not in answer:
                return answer

    def stop(self):
        self.child.terminate()
        self.child.wait(5)


def pymodbus_tcp(_room):
    port = harness.free_port()
    return Server("/usr/bin/python3", "a6b_pymodbus.py", "tcp", str(port)), f"modbus-tcp:127.0.0.1:{port}", None


def pymodbus_rtu(room):
    """The server and the daemon on the two ends of a serial line made of two ptys."""
    here, there = room.path("line-a"), room.path("line-b")
    line = room.add(harness.Process(["socat", f"pty,raw,echo=0,link={here}", f"pty,raw,echo=0,link={there}"], room.path("socat.log")))
    line.start()
    harness.wait_for(lambda: os.path.exists(here) and os.path.exists(there), 5, "the serial line")
    return Server("/usr/bin/python3", "a6b_pymodbus.py", "rtu", here), f"modbus-rtu:{there}\nline = 115200/8n1", line


def modbus_serial(_room):
    port = harness.free_port()
    return Server(shutil.which("node"), "a6b_modbus_serial.js", str(port)), f"modbus-tcp:127.0.0.1:{port}", None


@pytest.mark.parametrize("make", [pymodbus_tcp, pymodbus_rtu, modbus_serial])
def test_every_result_of_an_independent_server_arrives_once(make):
    if make is modbus_serial and not os.path.isdir(NODE_MODULES):
        pytest.skip("needs modbus-serial from the npm registry, which could not be reached")
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        server, port, _ = make(room)
        try:
            # Three wait in the memory before anybody asks.
            sent = [server.ask(finish=[12.34 + n, f"S{n:04}", WHEN])["seq"] for n in range(3)]
            daemon = room.daemon(f"[instrument an-1]\ndriver = modbus\nprofile = analyzer-a6b\nport = {port}\nunit = 1\npoll = 200ms\n",
                                 f"broker = mqtt://127.0.0.1:{broker.port}\n").start()
            for n in range(3, 20):
                sent.append(server.ask(finish=[12.34 + n, f"S{n:04}", WHEN])["seq"])
            # Ten results alike in everything but the running number are ten tests.
            sent += [server.ask(finish=[50.5, "SAME", WHEN])["seq"] for _ in range(10)]
            harness.wait_for(lambda: len({r["id"] for r, _ in subscriber.records()}) >= len(sent), 30, f"{len(sent)} records")
            records = [record for record, _ in subscriber.records()]
            assert [int(record["instrument_seq"]) for record in records] == sent
            assert len({record["id"] for record in records}) == len(sent)
            assert [record["value"] for record in records][:2] == ["12.34", "13.34"]
            assert sum(record["value"] == "50.5" and record["sample"]["no"] == "SAME" for record in records) == 10
            assert records[0]["sample"] == {"no": "S0000", "name": "菠菜", "bound_by": "instrument"}
            assert records[0]["operator"]["name"] == "张三"
            stored = {int(entry["instrument_seq"]): entry["received_at"] for entry in daemon.entries() if "kind" in entry}
            erased = [selected for value, selected in server.ask(commands=True)["commands"] if value == 2]
            assert erased and set(erased) <= set(stored)
        finally:
            server.stop()

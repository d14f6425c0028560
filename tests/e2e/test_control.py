"""The control socket under hostile clients: whatever they send or leave unread, the others are answered and capture goes on."""
import contextlib
import json
import os
import socket
import time

import harness
import pytest

INSTRUMENTS = """[instrument reader-1]
driver = seven-e-aa
port = {serial}
line = 115200/8n1
poll = 200ms
"""


@contextlib.contextmanager
def running(rate="20"):
    """A room whose one instrument keeps finishing results; nothing that a test did may lose one."""
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sim = room.sim("reader-1", "a2", ("--serial", room.path("reader")), "--seed", "4", "--rate", rate, "--results", "1000000",
                       "--capacity", "60000")
        daemon = room.daemon(INSTRUMENTS.format(serial=room.path("reader")), f"broker = mqtt://127.0.0.1:{broker.port}\n").start()
        harness.wait_for(lambda: daemon.status()["seq"] > 10, 15, "the first results")
        yield daemon
        verdict = harness.settle([sim], subscriber)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.finished > 0, verdict
        assert daemon.stop() == 0


def connect(daemon, patience=5):
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.path.join(daemon.directory, "control"))
    client.settimeout(patience)
    return client


def say(daemon, request):
    """The whole answer to these bytes."""
    with connect(daemon) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # the end, where part of the request was left unread
            while part := client.recv(65536):
                answer += part
        return answer


REQUESTS = [b"\n", b"\0\n", b"\xff\xfe\x80\n", b"{\n", b"[]\n", b"null\n", b"{}\n", b'{"command":7}\n', b'{"command":"frobnicate"}\n',
            b'{"command":"list","from":-1}\n', b'{"command":"list","from":1e999}\n', b'{"command":"list","from":9223372036854775808}\n',
            b'{"command":"list","limit":0}\n', b'{"command":"list","last":-9223372036854775808}\n', b'{"command":"show"}\n',
            b'{"command":"show","seq":-5}\n',
            b'{"command":"status\\u0000"}\n', b"[" * 4000 + b"\n", b"x" * 16384, b"x" * 300000 + b"\n"]


def test_what_is_no_request_is_answered_with_a_sentence():
    with running() as daemon:
        for request in REQUESTS:
            answer = say(daemon, request)
            assert b'"error":' in answer and len(answer.splitlines()) == 1, (request[:60], answer)
        assert daemon.status()["online"]


def test_what_is_not_in_the_journal_is_answered_with_nothing():
    with running() as daemon:
        assert say(daemon, b'{"command":"list","from":9223372036854775807}\n') == b""
        assert say(daemon, b'{"command":"show","id":"' + b"%n%s" * 900 + b'"}\n') == b""
        assert len(say(daemon, b'{"command":"list","last":9223372036854775807,"limit":1}\n').splitlines()) >= 1


def test_random_bytes_do_no_harm():
    with running() as daemon:
        for length in [1, 2, 7, 100, 4095, 4096, 4097] * 20:
            say(daemon, os.urandom(length) + b"\n")
        assert daemon.status()["online"]


def test_a_request_in_pieces_is_one_request():
    with running() as daemon, connect(daemon) as client:
        for byte in b'{"command":"list","limit":1}\n':
            client.sendall(bytes([byte]))
        assert json.loads(client.makefile("rb").readline())["seq"] == 1


@pytest.mark.parametrize("begun", [b"", b'{"command":"sta'])
def test_a_hundred_clients_with_half_a_request_keep_nobody_out(begun):
    with running() as daemon, contextlib.ExitStack() as stack:
        for _ in range(100):
            with contextlib.suppress(BrokenPipeError):
                stack.enter_context(connect(daemon)).sendall(begun)
        began = time.monotonic()
        assert daemon.status()["online"]
        assert time.monotonic() - began < 3


def test_clients_that_go_away_before_their_answer_do_no_harm():
    with running() as daemon:
        for _ in range(100):
            with connect(daemon) as client, contextlib.suppress(BrokenPipeError):
                client.sendall(b'{"command":"list"}\n')
        assert daemon.status()["online"]


def test_a_tail_that_never_reads_is_dropped_and_delays_nobody():
    with running(rate="400") as daemon, connect(daemon) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.sendall(b'{"command":"tail"}\n')
        slowest, dropped = 0, False
        begun = daemon.status()["seq"]
        end = time.monotonic() + 20
        while time.monotonic() < end and daemon.status()["seq"] < begun + 1500:
            before = time.monotonic()
            daemon.status()
            slowest = max(slowest, time.monotonic() - before)
            time.sleep(0.05)
        got = 0
        with contextlib.suppress(socket.timeout, ConnectionResetError):
            while True:
                part = client.recv(1 << 20)
                if not part:
                    dropped = True
                    break
                got += part.count(b"\n")
        assert slowest < 3, slowest
        assert dropped and got < 1500, (dropped, got)

"""A reader that clears its memory when its dump is over: nothing is let go before it is durable, whatever is killed when."""
import json
import os
import random
import select
import struct
import sys
import termios
import time
import tty

import harness
import pytest

KILLS = int(os.environ.get("KILLS", "20"))

READER = """[instrument pr-1]
driver = dump8
port = {port}
poll = 100ms
timeout = 300ms
control-channel = {control}
{extra}
"""


def start(room, *sim_options, control=1, extra="", begin=True):
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    options = ("--rate", "40", "--burst", "8", "--press", "0.1", "--reboot", "1.1", "--seed", "7", *sim_options)
    sim = room.sim("pr-1", "dump8", ("--serial", room.path("reader")), *options)
    daemon = room.daemon(READER.format(port=room.path("reader"), control=control, extra=extra),
                         f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n")
    if begin:
        daemon.start()
    return subscriber, sim, daemon


def clean(verdict, least=1):
    assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
    assert verdict.finished >= least


def finished(sim, count):
    harness.wait_for(lambda: len(sim.truth()) >= count, 60, f"{count} results finished")


def test_every_group_of_every_dump_arrives_once():
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, "--results", "160")
        finished(sim, 160)
        verdict = harness.settle([sim], subscriber)
        clean(verdict, 160)
        kinds = {record["kind"] for record, _ in subscriber.records()}
        assert kinds == {"sample", "control"}
        assert all("inhibition_disagrees" not in record["flags"] for record, _ in subscriber.records())
        assert daemon.stop() == 0


def test_a_reader_that_waits_for_its_user_is_not_lost():
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, "--results", "16", "--press", "3")
        harness.wait_for(lambda: daemon.status()["instruments"]["pr-1"]["polls"] >= 6, 10, "six questions without an answer")
        told = daemon.status()["instruments"]["pr-1"]
        assert told["health"] == "ok" and told["timeouts"] == 0 and "fault" not in told, told
        finished(sim, 16)
        clean(harness.settle([sim], subscriber), 16)
        polls = daemon.status()["instruments"]["pr-1"]["polls"]
        harness.wait_for(lambda: daemon.status()["instruments"]["pr-1"]["polls"] > polls, 10, "a question after the dump")
        told = daemon.status()["instruments"]["pr-1"]
        assert told["health"] == "ok" and told["timeouts"] == 0 and "fault" not in told, told
        assert not [event for event in daemon.entries() if event.get("event", "").startswith("instrument_")]


@pytest.mark.parametrize("layout", ["16", "multi"])
def test_the_layout_follows_from_the_model(layout):
    with harness.Room() as room:
        subscriber, sim, _ = start(room, "--results", "48", "--layout", layout, "--mask-order", "msb", "--burst", "5")
        finished(sim, 48)
        clean(harness.settle([sim], subscriber), 48)


def test_where_absorbances_are_sent_no_inhibition_is_made_up():
    with harness.Room() as room:
        subscriber, sim, _ = start(room, "--results", "48", "--float2", "sample-abs", extra="float2 = sample-abs")
        finished(sim, 48)
        clean(harness.settle([sim], subscriber), 48)
        for record, _ in subscriber.records():
            assert "value" not in record
            assert set(record["signals"]) == {"abs", "abs_control"}


def test_groups_three_seconds_apart_do_not_end_the_dump():
    with harness.Room() as room:
        subscriber, sim, _ = start(room, "--results", "24", "--layout", "z24", "--controls", "0", "--rate", "100", control=0)
        finished(sim, 24)
        records = lambda: [record for record, _ in subscriber.records()]
        harness.wait_for(lambda: len(records()) >= 24, 40, "24 records")
        wells = lambda number, channel, name: (str(number).zfill(4), channel, name)
        assert sorted(wells(t["instrument_seq"], t["channel"], t["sample_name"][:1]) for t in sim.truth()) == sorted(
            wells(r["instrument_seq"], r["channel"], r["sample"]["name"][:1]) for r in records())


def test_broken_groups_and_cancelling_users_cost_nothing():
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, "--results", "240", "--short", "0.03", "--cancel", "0.03")
        finished(sim, 240)
        clean(harness.settle([sim], subscriber, 120), 240)
        events = [json.loads(m.payload)["event"] for m in subscriber.of("event")]
        assert daemon.status()["instruments"]["pr-1"]["health"] in ("ok", "silent"), events


def test_kills_at_random_moments_lose_and_double_nothing():
    random.seed(8)
    with harness.Room() as room:
        subscriber, sim, daemon = start(room, "--results", "1000000", "--rate", "400", begin=False)
        for _ in range(KILLS):
            daemon.start()
            time.sleep(random.uniform(0.02, 1.2))
            daemon.kill()
        daemon.start()
        verdict = harness.settle([sim], subscriber, 120)
        clean(verdict, KILLS)
        print(f"kills {KILLS}, finished {verdict.finished}, received {verdict.received}")


def test_a_luminometer_is_listed_again_without_doubles():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        sim = room.sim("atp-1", "atp", ("--serial", room.path("meter")), "--rate", "20", "--results", "60")
        daemon = room.daemon(f"[instrument atp-1]\ndriver = atp\nport = {room.path('meter')}\npoll = 100ms\nreconcile = 1s\n",
                             f"broker = mqtt://127.0.0.1:{broker.port}\nreconnect-min = 100ms\nreconnect-max = 1s\n")
        for _ in range(3):
            daemon.start()
            time.sleep(0.7)
            daemon.kill()
        daemon.start()
        finished(sim, 60)
        clean(harness.settle([sim], subscriber), 60)
        verdicts = {(int(record["value"]) > 10) + (int(record["value"]) > 30): record["verdict"]
                    for record, _ in subscriber.records()}
        assert verdicts == {0: "negative", 1: "suspect", 2: "positive"}
        assert {record["instrument"]["serial"] for record, _ in subscriber.records()} == {"1042"}


# --- the negative control: a host that lets each group go before it has stored it, and is killed ---

class HastyHost:
    """Speaks the same dialogue; `stored` is what survives it."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)
        termios.tcflush(self.fd, termios.TCIFLUSH)
        self.stored, self.over = [], False

    def read(self, length, seconds):
        data, end = b"", time.monotonic() + seconds
        while len(data) < length and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.05)[0]:
                data += os.read(self.fd, length - len(data))
        return data

    def dump(self, killed_after):
        """True when it was killed: the group that it had let go is stored nowhere."""
        os.write(self.fd, b"\x1b\xbf")
        if self.read(2, 0.3)[:1] != b"\x1b":
            return False
        os.write(self.fd, b"\x1b\xb1")
        assert self.read(2, 1) == b"\x1b\xc1"
        group = self.read(73, 1)
        while len(group) == 73:
            os.write(self.fd, b"\x24")
            following = self.read(73, 0.3)
            self.over = following == b"\x1b\xfe"
            if self.over or killed_after == 0:
                return True  # killed between the release and the store
            assert len(following) == 73
            killed_after -= 1
            self.stored.append(group)
            group = following
        return False


    def records(self):
        for group in self.stored:
            low, second, minute, hour, day, month, _, year, high = group[:9]
            for well in range(8):
                _, value = struct.unpack_from(">ff", group, 9 + 8 * well)
                yield {"id": f"{group[:9].hex()}-{well}", "kind": "control" if well == 0 else "sample",
                       "instrument": {"id": "pr-1"}, "instrument_seq": str(low + 256 * high), "channel": well + 1,
                       "value": f"{round(value, 1):g}",
                       "tested_at": f"20{year:02}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"}


def test_a_host_that_releases_before_it_stores_is_found_out():
    random.seed(9)
    with harness.Room() as room:
        sim = room.sim("pr-1", "dump8", ("--serial", room.path("reader")), "--rate", "100", "--burst", "8", "--results", "80",
                       "--press", "0.1", "--reboot", "1.1")
        finished(sim, 80)
        stored, ended = {}, False
        while not ended:
            host = HastyHost(room.path("reader"))
            killed = host.dump(random.randrange(12))
            ended = killed and host.over
            stored.update((record["id"], record) for record in host.records())
            os.close(host.fd)
            time.sleep(0.1)
        verdict = harness.compare(sim.truth(), list(stored.values()))
        assert len(verdict.lost) == 8 and verdict.received == 72, "the last group is stored nowhere, and the reader is empty"
        assert verdict.doubled == [] and verdict.invented == []


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))

"""The oracle bites: what the end-to-end tests judge with finds loss, doubles, inventions, disorder and a broken chain."""
import hashlib
import json
import os
import socket
import sqlite3
import subprocess
import sys

import harness
import pytest

sys.path.insert(0, os.path.join(harness.ROOT, "tests/faults"))
import integrity  # noqa: E402
import kill  # noqa: E402

TRUTH = [{"instrument": "a", "instrument_seq": n, "channel": 1, "sample_no": f"S{n}", "value": "1.0",
          "tested_at": "2026-03-05T09:41:20", "kind": "sample"} for n in range(5)]


def records():
    return [{"id": f"id-{n}", "epoch": "e", "seq": n + 1, "instrument": {"id": "a"}, "instrument_seq": str(n), "channel": 1,
             "sample": {"no": f"S{n}"}, "value": "1.0", "tested_at": "2026-03-05T09:41:20+08:00", "kind": "sample"}
            for n in range(5)]


def test_an_honest_run_has_nothing_to_find():
    verdict = harness.compare(TRUTH, records() + records()[2:3])  # the same id again is one record
    assert verdict == (5, 5, [], [], [])


def test_a_missing_record_is_found():
    assert len(harness.compare(TRUTH, records()[1:]).lost) == 1


def test_the_same_result_under_two_ids_is_found():
    again = {**records()[0], "id": "other"}
    assert len(harness.compare(TRUTH, records() + [again]).doubled) == 1


def test_a_record_that_supersedes_what_came_is_no_second_result():
    again = {**records()[0], "id": "other", "supersedes": "id-0", "value": "9.9"}
    assert harness.compare(TRUTH, records() + [again])[2:] == ([], [], [])
    of_nothing = {**again, "supersedes": "id-9"}
    assert len(harness.compare(TRUTH, records() + [of_nothing]).invented) == 1


def test_a_changed_value_is_found_as_lost_and_invented():
    changed = records()
    changed[3] = {**changed[3], "value": "9.9"}
    verdict = harness.compare(TRUTH, changed)
    assert len(verdict.lost) == 1 and len(verdict.invented) == 1


def test_one_id_with_two_contents_is_found():
    try:
        harness.compare(TRUTH, records() + [{**records()[0], "value": "2.0"}])
    except AssertionError:
        return
    raise RuntimeError("not found")


class Slow:
    """A county to which one more of its records comes whenever it is asked; it is asked for each once."""

    def __init__(self, wanted):
        self.wanted, self.arrived, self.given = wanted, [], 0

    def news(self, place):
        if place == len(self.arrived) and self.wanted:
            self.arrived.append(self.wanted.pop(0))
            return place, []
        self.given += len(self.arrived) - place
        return len(self.arrived), self.arrived[place:]


class Told:
    def __init__(self, truth):
        self.truth = truth

    def finished(self):
        return iter(self.truth)


def test_what_comes_in_parts_is_waited_for_and_asked_for_once():
    county = Slow(records() + records()[:1])
    verdict = harness.settle([Told(TRUTH)], county, 20)
    assert verdict == (5, 5, [], [], []) and county.given == 5


def test_what_does_not_come_in_time_is_lost():
    verdict = harness.settle([Told(TRUTH[:2]), Told(TRUTH[2:])], Slow(records()[1:]), 0.9)
    assert verdict == (5, 4, [harness.key_of_truth(TRUTH[0])], [], [])


def test_a_journal_is_listed_to_its_end_in_parts():
    with harness.Room() as room:
        daemon = room.daemon("")
        for _ in range(4):
            daemon.start()
            whole = daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()
            assert [list(daemon.lines(at_once)) for at_once in (1, 2, 3, 100)] == [whole] * 4
            daemon.stop()
        assert len(whole) >= 4


def test_a_line_that_is_being_written_ends_the_truth_for_now():
    assert list(harness.whole_lines([b'{"n":1}\n', b'{"n"', b':2}\n', b'{"n":3}\n'])) == [b'{"n":1}\n']


def test_disorder_is_found():
    assert harness.in_order(records())
    assert not harness.in_order(records()[::-1])


def chain():
    lines, previous = [], None
    for n in range(1, 5):
        digest = hashlib.sha256(previous).hexdigest() if previous else "0" * 64
        lines.append(json.dumps({"id": f"i{n}", "seq": n, "prev": "sha256:" + digest}))
        previous = lines[-1].encode()
    return lines


def test_a_broken_chain_is_found():
    assert kill.chain_faults(chain()) == []
    assert kill.chain_faults(chain()[:2] + chain()[3:])
    edited = chain()
    edited[1] = edited[1].replace("i2", "i9")
    assert kill.chain_faults(edited)
    assert any("twice" in fault for fault in kill.chain_faults([line.replace("i3", "i2") for line in chain()]))


def test_a_damaged_journal_file_is_found_and_the_file_left_alone(tmp_path):
    path, log = tmp_path / "journal.db", tmp_path / "journal.db-wal"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE entry (id TEXT PRIMARY KEY)")
        db.executemany("INSERT INTO entry VALUES (?)", [(f"id-{n:04}",) for n in range(100)])
        db.commit()
        before = path.read_bytes(), log.read_bytes()
        assert integrity.faults(tmp_path) == []
        assert (path.read_bytes(), log.read_bytes()) == before and before[1]
    db.close()
    in_the_index = path.read_bytes().rindex(b"id-0042")
    with open(path, "r+b") as file:
        file.seek(in_the_index)
        file.write(b"id-9942")
    assert any("missing from index" in line for line in integrity.faults(tmp_path))
    path.unlink()
    assert integrity.faults(tmp_path)


# One fault for each sanitizer, in a program of its own: what it prints must fail the room it runs in.
FAULTS = {
    "address": "int main(int n, char **v) { char *p = malloc(8); free(p); return p[n] & (v == 0); }",
    "undefined": "int main(int n, char **v) { return (0x7fffffff + n) & (v == 0); }",
    "thread": "static int at; static void *go(void *p) { for (int i = 0; i < 100000; i++) at++; return p; }"
              "int main(void) { pthread_t a; pthread_create(&a, 0, go, 0); go(0); pthread_join(a, 0); return 0; }",
}


@pytest.mark.parametrize("sanitizer", FAULTS)
def test_a_report_of_a_sanitizer_fails_the_room(sanitizer, tmp_path):
    source, program = tmp_path / "fault.c", tmp_path / "fault"
    source.write_text("#include <pthread.h>\n#include <stdlib.h>\n" + FAULTS[sanitizer])
    subprocess.run(["gcc", "-w", "-g", f"-fsanitize={sanitizer}", "-pthread", str(source), "-o", str(program)], check=True)
    with pytest.raises(AssertionError, match="Sanitizer|runtime error"):
        with harness.Room() as room:
            room.add(harness.Process([str(program)], room.path("fault.log")).start()).child.wait(20)


def test_a_process_that_is_in_order_fails_no_room():
    with harness.Room() as room:
        room.add(harness.Process(["true"], room.path("true.log")).start()).child.wait(20)


def test_a_room_whose_test_failed_says_what_its_processes_said(capsys):
    with pytest.raises(TimeoutError, match="nothing"), harness.Room() as room:
        broker = room.broker()
        room.add(harness.Process(["/bin/sh", "-c", "echo my last words; exit 3"], room.path("sh.log"))).start().child.wait(10)
        harness.wait_for(lambda: False, 0.1, "nothing")
    said = capsys.readouterr().err
    assert f"port {broker.port}" in said and "mosquitto, runs" in said, said
    assert "sh, ended with 3" in said and "my last words" in said, said
    with pytest.raises(SystemExit), harness.Room() as room:  # how the demo ends
        room.broker()
        sys.exit(0)
    assert capsys.readouterr() == ("", "")


def test_no_dialled_connection_can_take_the_port_of_a_broker_that_is_down():
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as kernel:
        first_dialled = int(kernel.read().split()[0])
    assert all(harness.free_port() < first_dialled for _ in range(50))


def test_a_broker_that_cannot_listen_says_why(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", harness.free_port()))
        with pytest.raises(AssertionError, match="Address already in use"):
            harness.Broker(str(tmp_path), port=taken.getsockname()[1]).start()


def test_the_daemon_under_test_carries_the_sanitizer_of_its_build():
    with open(os.path.join(harness.BUILD, "assayd"), "rb") as program:
        image = program.read()
    carried = [name for name, mark in (("address", b"libasan"), ("undefined", b"libubsan"), ("thread", b"libtsan"))
               if mark in image]
    assert carried == [name for name in ("address", "undefined", "thread") if name in os.path.basename(harness.BUILD)]

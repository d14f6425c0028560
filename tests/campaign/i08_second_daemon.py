#!/usr/bin/python3
"""I8: a second daemon on the same journal ends within 1 s and names the first; one with a journal of its own but the same line
says within 1 s who has it, asks nothing there, and takes nothing away from the first.

Control: with the first gone, killed so that it could release nothing, the same second daemon has journal and line at once."""
import re
import signal
import time

import row
import harness
import testroom

EXCLUSIVE = True
ROUNDS = row.size(20, 2)


def refused_journal(room, daemon, number):
    """(seconds it took, whether it said who has the journal)"""
    second = room.add(harness.Process([*daemon.command], room.path(f"journal-{number}.log"), env={"LC_ALL": "C.UTF-8"}))
    began = time.monotonic()
    code = second.start().child.wait(10)
    said = code == 1 and re.search(rf"process {daemon.child.pid} holds this journal;", second.log()) is not None
    if not said:
        row.explain(f"ended with {code}: {second.log()}")
    return time.monotonic() - began, said


def refused_line(room, daemon, instruments, number):
    """(seconds until it was said who has the line, what is said, results the second got, the second)"""
    second = room.daemon(instruments)
    began = time.monotonic()
    second.start()
    fault = harness.wait_for(lambda: second.status()["instruments"]["reader-1"].get("fault", ""), 10, "the reason")
    took = time.monotonic() - began
    time.sleep(0.5)
    status = second.status()["instruments"]["reader-1"]
    return took, f"process {daemon.child.pid})" in fault, status["stored"] + status["polls"], second


def second_home(room, number):
    """A room's daemon writes into the directory it is given: another one for the second."""
    home = harness.Room()
    home.directory = room.path(f"second-{number}")
    harness.os.makedirs(home.directory)
    return home


with harness.Room() as room:
    port = room.path("line")
    sim = room.sim("reader-1", "a2", ("--serial", port), "--rate", "20", "--results", "1000000", "--capacity", "5000", "--seed", "4")
    instruments = testroom.reader("reader-1", port)
    _, subscriber, daemon = testroom.start(room, instruments)
    testroom.finished([sim], 10)
    journal, line, got, clear = 0, 0, 0, True
    for number in range(ROUNDS):
        took, said = refused_journal(room, daemon, number)
        journal, clear = max(journal, took), clear and said
        home = second_home(room, number)
        took, said, taken, second = refused_line(home, daemon, instruments, number)
        line, clear, got = max(line, took), clear and said, got + taken
        if number < ROUNDS - 1:
            second.stop()
    verdict = harness.settle([sim], subscriber)
    daemon.kill()
    harness.wait_for(lambda: second.status()["instruments"]["reader-1"]["health"] == "ok", 10, "the line, now free")
    second.stop(signal.SIGKILL)
    daemon.start()
    harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["health"] == "ok", 10, "journal and line after a kill")
    verdict = harness.settle([sim], subscriber)

row.end("I8", f"{ROUNDS} rounds; same journal: ended within {journal:.2f} s; same line: told within {line:.2f} s, {got} questions or "
        f"results of its own; process named each time: {'yes' if clear else 'no'}; the first meanwhile: {testroom.count_of(verdict)}; "
        "control: after a kill of the holder the line and the journal are had at once",
        journal <= 1 and line <= 1 and got == 0 and clear and not testroom.amiss(verdict))

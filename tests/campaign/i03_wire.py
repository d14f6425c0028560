#!/usr/bin/python3
"""I3: what can happen to an answer on the wire, each on a line of its own, to a Modbus RTU analyzer and to a reader with 7E-AA
frames: wrong checksum, cut short, too long, noise in front, another unit's, the question's echo, an exception, byte by byte,
twice in one. 0 wrong values, nothing lost, and each moves the counter that is its own.

Control: a value changed together with its checksum is seen as wrong; an undisturbed line moves no counter."""
import random

import row
import harness
import testroom
from wire import Wire, crc8, crc16

EXCLUSIVE = True
RESULTS, SHARE = row.size(60, 8), 0.12
COUNTERS = ("rejected", "noise_bytes", "timeouts", "refusals")


def now_and_then(change):
    """One answer in eight, at random: a fault that came at a fixed pace could fall on the same question each time."""
    dice = random.Random(3)
    return lambda answer, question, number: change(answer, question) if dice.random() < SHARE else [answer]


def modbus(head, rest):
    body = head + rest
    return body + crc16(body)


def forge(answer):
    """Each record of a reader says another inhibition than was measured, with the checksum that fits."""
    out, at = bytearray(answer), 0
    while (at := out.find(b"\x7e\x11\x14\x00", at)) >= 0 and at + 26 <= len(out):
        out[at + 22] ^= 1
        out[at + 24:at + 25] = crc8(out[at + 1:at + 24])
        at += 26
    return bytes(out)


BY_BYTE = lambda answer, question, number: [bytes([byte]) for byte in answer]
# name: (change, the counters of which one must move; none: none may)
MODBUS = {
    "clean": (lambda answer, question, number: [answer], ()),
    "checksum": (now_and_then(lambda answer, question: [answer[:-1] + bytes([answer[-1] ^ 0x10])]), ("rejected",)),
    "short": (now_and_then(lambda answer, question: [answer[:-3]]), ("rejected",)),
    "long": (now_and_then(lambda answer, question: [answer + b"\xaa" * 20]), ("noise_bytes",)),
    "noise": (now_and_then(lambda answer, question: [b"\xff\x00" + answer]), ("rejected",)),
    "other-unit": (now_and_then(lambda answer, question: [modbus(b"\x09", answer[1:-2])]), ("rejected",)),
    "echo": (now_and_then(lambda answer, question: [question + answer]), ("rejected",)),
    "exception": (now_and_then(lambda answer, question: [modbus(answer[:1], bytes([answer[1] | 0x80, 6]))]), ("refusals",)),
    "by-byte": (BY_BYTE, ()),
    "twice": (now_and_then(lambda answer, question: [answer + answer]), ("noise_bytes",)),
    "nothing": (now_and_then(lambda answer, question: []), ("timeouts",)),
}
FRAMES = {
    "clean": (lambda answer, question, number: [answer], ()),
    "checksum": (now_and_then(lambda answer, question: [answer[:-2] + bytes([answer[-2] ^ 0x10]) + answer[-1:]]), ("noise_bytes",)),
    "short": (now_and_then(lambda answer, question: [answer[:-3]]), ("noise_bytes", "timeouts")),
    "long": (now_and_then(lambda answer, question: [answer + b"\x55" * 20]), ("noise_bytes",)),
    "noise": (now_and_then(lambda answer, question: [b"\xff\x00" + answer]), ("noise_bytes",)),
    "other-command": (now_and_then(lambda answer, question: [b"\x7e\x33" + answer[2:-2] + crc8(b"\x33" + answer[2:-2]) + b"\xaa"]),
                      ("noise_bytes", "rejected")),
    "echo": (now_and_then(lambda answer, question: [question + answer]), ()),  # the driver knows its own questions
    "by-byte": (BY_BYTE, ()),
    "twice": (now_and_then(lambda answer, question: [answer + answer]), ()),
    "nothing": (now_and_then(lambda answer, question: []), ("timeouts",)),
    "forged": (lambda answer, question, number: [forge(answer)], ()),
}


def lines():
    """(name of the instrument, archetype, section of the configuration, change, counters)"""
    for prefix, archetype, section, faults in (("m", "a6b", testroom.analyzer, MODBUS), ("f", "a2", testroom.reader, FRAMES)):
        for fault, (change, counters) in faults.items():
            yield f"{prefix}-{fault}", archetype, section, change, counters


def judge(name, status, counters):
    """What the counters moved to, in words; whether the one that is the fault's own did."""
    moved = {counter: status[counter] for counter in COUNTERS if status[counter]}
    right = any(counter in moved for counter in counters) if counters else not moved
    if not right:
        row.explain(f"{name}: counters {moved}, due one of {counters or 'none'}")
    return right


with harness.Room() as room:
    sims, wires, sections = [], [], ""
    for name, archetype, section, change, counters in lines():
        sims.append(room.sim(name, archetype, ("--serial", room.path(f"far-{name}")), "--rate", "8", "--results", str(RESULTS),
                             "--seed", str(len(sims) + 1)))
        wires.append(Wire(room.path(f"line-{name}"), room.path(f"far-{name}"), change))
        quick = {"lateness": "200ms"} if archetype == "a6b" else {"reconcile": "2s"}
        sections += section(name, room.path(f"line-{name}"), poll="150ms", timeout="500ms" if counters else "2s", **quick)
    _, subscriber, daemon = testroom.start(room, sections)
    honest = [sim for sim in sims if sim.name != "f-forged"]
    testroom.finished(sims, RESULTS * len(sims), 60 + RESULTS)
    verdict = harness.settle(honest, subscriber, row.size(300, 60))
    forged = [record for record, _ in subscriber.records() if record["instrument"]["id"] == "f-forged"]
    control = harness.compare([truth for sim in sims if sim.name == "f-forged" for truth in sim.truth()], forged)
    verdict = verdict._replace(invented=[key for key in verdict.invented if key[0] != "f-forged"],
                               doubled=[key for key in verdict.doubled if key[0] != "f-forged"])
    status = daemon.status()["instruments"]
    for wire in wires:
        wire.stop()

right = [judge(name, status[name], counters) for name, _, _, _, counters in lines() if name != "f-forged"]
row.end("I3", f"{len(MODBUS) - 1} faults of Modbus RTU answers and {len(FRAMES) - 2} of framed ones: {testroom.count_of(verdict)}, "
        f"{right.count(True)} of {len(right)} lines counted as they should; control: {len(control.invented)} of {control.finished} "
        "changed together with their checksum seen as wrong",
        not testroom.amiss(verdict) and all(right) and control.invented)

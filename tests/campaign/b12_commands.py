#!/usr/bin/python3
"""B12: somebody who may publish on the station's command topics sends nonsense, and a flood of requests that are sound. Nothing
of it changes what is stored, published or asked of the instrument; results are not late; each kind of refusal is answered or
logged; answers have a rate.

Controls: a sound request beside them is answered, and what was asked of the instrument was really recorded."""
import json
import subprocess
import time

import row
import conformance
import harness
import station

EXCLUSIVE = True  # it measures how late results are

FLOOD = row.size(50000, 5000)
RATE = 10
ROUNDS = row.size(20, 2)
ANSWERS_A_SECOND = 20  # ten, and what may wait when the flood begins
LATE_MAX_S = 2
QUESTIONS = {
    "request/replay": [b"", b"{", b"[" * 100000, b"[" * 60000, b"\x00\xff\xfe", b"null", b"[]", b'{"epoch":7}',
                       b'{"epoch":"x","from":1,"to":1}',
                       b'{"epoch":"EPOCH","from":5,"to":1}', b'{"epoch":"EPOCH","from":-1,"to":1}', b'{"epoch":"EPOCH","from":0,"to":1}',
                       b'{"epoch":"EPOCH","from":1,"to":99999999999999999999}', b'{"epoch":"EPOCH","from":1,"to":1e400}',
                       b'{"epoch":"EPOCH","from":1,"to":4611686018427387904}', b'{"epoch":"' + b"A" * 60000 + b'","from":1,"to":1}'],
    "request/manifest": [b'{"day":"../../etc/passwd"}', b'{"day":"2026-02-30"}', b'{"day":"%s%n%s%n"}', b'{"day":20260101}', b"{}"],
    "request/status": [b"\xc3\x28", b'{"a":' * 30000],
    "request/erase": [b"{}"], "request/write": [b'{"register":1,"value":1}'], "request/..": [b"{}"], "request/%s%n": [b"{}"],
    "request/" + "x" * 500: [b"{}"],
    "receipt": [b"", b"x" * 60000, b'{"epoch":"EPOCH","through":999999999}', b'{"epoch":"EPOCH","through":-1}',
                b'{"epoch":"x","through":1}',
                b'{"epoch":"EPOCH","through":1,"missing":[[9,1]]}', b'{"epoch":"EPOCH","through":1,"missing":' + b"[" * 50000,
                b'{"epoch":"EPOCH","through":1,"missing":' + json.dumps([[1, 1]] * 5000).encode() + b"}"],
}
# answers must never be sent where the station's own words are heard, nor everywhere
PLACES = [f"{harness.PREFIX}/result", f"{harness.PREFIX}/status", f"{harness.PREFIX}/receipt", "#", "+/x", "$SYS/broker", "a" * 2000]


def commands(room, seconds):
    """The kinds of frames that the instrument was sent meanwhile, and how many."""
    path = room.path(f"capture-{time.monotonic_ns()}")
    done = room.assayd.ctl("capture", "--seconds", str(seconds), "reader-1", path)
    assert done.returncode == 0, done.stderr
    with open(path, encoding="utf-8") as capture:
        sent = [line.split()[2:4] for line in capture if line.startswith("> ")]
    return {" ".join(frame) for frame in sent}, len(sent)


def attack(ear, epoch):
    """One round of everything; how many messages."""
    count = 0
    for topic, payloads in QUESTIONS.items():
        for payload in payloads:
            ear.client.publish(f"{harness.PREFIX}/{topic}", payload.replace(b"EPOCH", epoch), qos=1)
            count += 1
    for place in PLACES:
        ear.client.publish(f"{harness.PREFIX}/request/status", b"{}", qos=1, properties=ear.answer_at(place))
    kept = ear.client.publish(f"{harness.PREFIX}/request/status", b"{}", qos=1, retain=True)
    kept.wait_for_publish(30)
    ear.client.publish(f"{harness.PREFIX}/request/status", b"", qos=1, retain=True).wait_for_publish(30)
    return count + len(PLACES) + 1


def answers(ear):
    with ear.changed:
        return sum(message.topic == f"{harness.PREFIX}/response/status" for message in ear.heard)


def flood(ear, port):
    """Sound requests as fast as a program of its own sends them; how many were answered in a second while they came."""
    before, begun = answers(ear), time.monotonic()
    subprocess.run(["mosquitto_pub", "-p", str(port), "-V", "5", "-q", "1", "-t", f"{harness.PREFIX}/request/status", "-m", "{}",
                    "--repeat", str(FLOOD)], check=True, stdin=subprocess.DEVNULL, timeout=300)
    harness.wait_for_calm(lambda: answers(ear), 1.5)
    return (answers(ear) - before) / max(time.monotonic() - begun - 1.5, 1)


class Results(harness.Subscriber):
    """Hears of entries and nothing else: what the flood brings must not delay it."""

    def _connected(self, client, *_):
        client.subscribe([(f"{harness.PREFIX}/{kind}", 1) for kind in conformance.ENTRIES])


def foreign(results, room):
    """What was heard on the station's topics that is no entry of its journal."""
    heard = results.of(*conformance.ENTRIES)  # first: the journal grows
    journal = set(room.journal().values())
    return [message.payload for message in heard if message.payload not in journal]


def main():
    with station.Station() as room:
        broker = room.broker()
        ear, results = conformance.Ear(broker.port, "5", f"{harness.PREFIX}/response/#"), Results(broker.port)
        room.reader(1000000, rate=RATE)
        room.run(broker.port, receipts="none")
        quiet, _ = commands(room, 1)
        epoch, before = room.assayd.status()["epoch"].encode(), room.assayd.status()
        sent = sum(attack(ear, epoch) for _ in range(ROUNDS))
        attacked, asked = commands(room, 2)
        rate = flood(ear, broker.port)
        ear.client.publish(f"{harness.PREFIX}/request/replay", json.dumps({"epoch": epoch.decode(), "from": 1, "to": 3}), qos=1)
        answered = ear.wait(lambda: any(b'"accepted":true' in message.payload for message in ear.heard), 20)
        verdict = harness.settle(room.simulators, results, 20)
        status, strange, late = room.assayd.status(), foreign(results, room), station.lateness(room.truth(), results)
        refusals = sum(b'"error"' in message.payload for message in ear.heard)
        logged = "was not understood" in room.assayd.log()
        ear.stop()
        results.stop()
    sound = not verdict.lost and not verdict.doubled and not verdict.invented and verdict.finished > 0 and not strange
    if not sound or attacked - quiet:
        row.explain(*map(str, strange[:3]), f"commands {attacked - quiet}", f"target {status['targets']['county']}")
    row.end("B12", f"{sent} hostile commands, {refusals} answered with what is wrong, the rest logged or ignored; {FLOOD} requests "
            f"flooded, {rate:.0f} answers a second; {verdict.finished} results, lost {len(verdict.lost)}, forged {len(strange)}, the "
            f"latest {late:.2f} s after it was finished; {asked} frames to the instrument, {len(attacked - quiet)} of a new kind; a sound request "
            f"{'was' if answered else 'was NOT'} answered", sound and logged and answered and refusals > 0 and late < LATE_MAX_S
            and attacked and attacked <= quiet and rate <= ANSWERS_A_SECOND
            and status["targets"]["county"]["connects"] == before["targets"]["county"]["connects"])


main()

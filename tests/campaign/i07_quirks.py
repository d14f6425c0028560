#!/usr/bin/python3
"""I7: instruments whose clock is wrong, that repeat results to the last digit, whose memory and numbers wrap, that send the same
message again, and whose sample numbers hold Hanzi in GB 18030, characters beyond the basic plane, quotes, control characters
and NUL. One record for each test, what was said kept byte by byte, and UTF-8 without exception.

Control: without its running number, results alike to the last digit would be one: the truth has such pairs; and the clocks that
are right are not called suspect."""
import base64
import collections
import json

import row
import harness
import testroom

RESULTS = row.size(300, 25)
SAMPLES = ("20260305-017", "菠菜-7", "葉菜𠮷-8", "S\"1'", "a\\b", "<b>&amp;", "鱼😀-9", "tab\there", "两 空 格", "nul\0in", "%s%n", "{}[]")
# What no text may hold is shown as such; a tab is a blank.
READ_AS = {"tab\there": "tab here", "nul\0in": "nul\ufffdin"}


def message(number, sample):
    """An HL7 result as bytes in GB 18030; the escapes are those of HL7."""
    field = sample.replace("\\", "\\E\\").replace("&", "\\T\\").replace("^", "\\S\\")
    segments = (f"MSH|^~\\&|FIA|R1|LIS|ROOM|20260305094120||ORU^R01|M{number}|P|2.3.1", f"OBR|1||{field}|P^Panel|||20260305094001",
                f"OBX|1|NM|AFB1^AFB1||{number}.5|ug/kg|<10|N|||F|||20260305094{number // 60 % 10}{number % 60:02d}")
    return b"\x0b" + "\r".join(segments).encode("gb18030") + b"\r\x1c\r"


def send(port, data):
    """The answer to a message."""
    with harness.dial(port) as host:
        host.settimeout(10)
        host.sendall(data)
        answer = b""
        while b"\x1c" not in answer:
            part = host.recv(4096)
            if not part:
                break
            answer += part
        return answer


def judge_texts(messages):
    """How many of the messages about samples are not one record as they should be."""
    bad = 0
    by_number = collections.defaultdict(dict)
    for payload in messages:
        record = json.loads(payload.decode("utf-8"))  # strictly
        if record["instrument"]["id"] == "texts":
            by_number[record["value"]][record["id"]] = record
    for number, sample in enumerate(SAMPLES, 1):
        records = list(by_number[f"{number}.5"].values())
        raw = base64.b64decode(records[0].get("raw", "")) if records else b""
        plain = sample.split("\\")[0].split("&")[0].encode("gb18030")
        if len(records) != 1 or records[0]["sample"]["no"] != READ_AS.get(sample, sample) or plain not in raw:
            row.explain(f"{sample!r}: {[record['sample'] for record in records]}, raw {raw[:200]!r}")
            bad += 1
    return bad


def alike(truths):
    """Results that repeat the one before but for number and time."""
    return sum(before["value"] == after["value"] and before.get("channel") == after.get("channel")
               for before, after in zip(truths, truths[1:]))


with harness.Room() as room:
    port = harness.free_port()
    common = ("--rate", "10", "--results", str(RESULTS), "--controls", "0.05")
    cases = {  # name: (archetype, section, options of the simulator, further settings)
        "right": ("a6b", testroom.analyzer, (), {}),
        "years-behind": ("a6b", testroom.analyzer, ("--clock-offset", "-1000000000"), {}),
        "years-ahead": ("a6b", testroom.analyzer, ("--clock-offset", "300000000"), {}),
        "hours-ahead": ("a2", testroom.reader, ("--clock-offset", "18000"), {"reconcile": "1s"}),
        "repeats": ("a6b", testroom.analyzer, ("--same", "1"), {}),
        "repeats-read": ("a2", testroom.reader, ("--same", "1"), {"reconcile": "1s"}),
        "wraps": ("a6b", testroom.analyzer, ("--first-seq", "4294967285", "--capacity", "200"), {}),
    }
    sims = [room.sim(name, archetype, ("--serial", room.path(f"line-{name}")), "--seed", str(number), *common, *options)
            for number, (name, (archetype, _, options, _)) in enumerate(cases.items(), 1)]
    sections = "".join(section(name, room.path(f"line-{name}"), **settings) for name, (_, section, _, settings) in cases.items())
    _, subscriber, daemon = testroom.start(room, sections + testroom.instrument("texts", "hl7", f"tcp-listen:{port}"))
    accepted = sum(b"MSA|AA" in send(port, message(number, sample)) for _ in range(2) for number, sample in enumerate(SAMPLES, 1))
    testroom.finished(sims, RESULTS * len(sims), 60 + RESULTS)
    verdict = harness.settle(sims, subscriber, 60)
    verdict = verdict._replace(invented=[key for key in verdict.invented if key[0] != "texts"])
    again = sum(status["known"] for status in daemon.status()["instruments"].values())
    records = {record["id"]: record for record, _ in subscriber.records()}.values()
    texts = judge_texts([message.payload for message in subscriber.of("result", "qc")])
    pairs = sum(alike(sim.truth()) for sim in sims if sim.name.startswith("repeats"))

suspect = collections.Counter(record["instrument"]["id"] for record in records if "clock_suspect" in record.get("flags", []))
marked = all(suspect[name] == RESULTS for name in ("years-behind", "years-ahead", "hours-ahead"))
row.explain(f"suspect clocks: {dict(suspect)}") if not marked else None
row.end("I7", f"{testroom.count_of(verdict)}, {again} read again and known; clocks off by hours and years: "
        f"{'every record marked' if marked else 'not every record marked'}; {len(SAMPLES)} sample numbers sent twice, {accepted} accepted, "
        f"{texts} not one record in UTF-8 with the original bytes; control: {pairs} pairs alike but for number and time, "
        f"{suspect['right']} right clocks suspected",
        not testroom.amiss(verdict) and not texts and accepted == 2 * len(SAMPLES) and marked and pairs > 0 and not suspect["right"])

"""The contract files say what they should: valid by their own standards, and wrong messages do not pass."""
import copy
import json
import os
import shutil
import sys

import pytest
from jsonschema import Draft202012Validator

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import judges  # noqa: E402

HEAD = {"v": 1, "id": "0b9c5f4e-0000-8000-8000-000000000001", "station": "330421103-01", "epoch": "7f3a", "seq": 18231,
        "prev": "sha256:" + "0" * 64}
RECORD = {
    **HEAD, "kind": "sample", "test_seq": 1,
    "instrument": {"id": "pr-1", "maker": "某厂", "model": "M", "serial": "S", "driver": "seven-e-aa", "profile": "p"},
    "instrument_seq": "17", "channel": 3,
    "sample": {"no": "20260305-017", "name": "菠菜", "category": "蔬菜", "party": "某户", "stall": "3", "origin": "本地"},
    "item": {"code": "PR-OPCB", "name": "有机磷和氨基甲酸酯类农药残留", "as_sent": "农药残留"},
    "method": "enzyme-inhibition", "basis": "GB/T 5009.199-2003",
    "value": "63.50", "unit": "%", "value_as_sent": "6350",
    "signals": {"abs": "0.570", "delta_a_control": "0.914"},
    "limit": {"op": "<", "value": "50", "unit": "%", "source": "GB/T 5009.199-2003"},
    "verdict": "positive", "verdict_by": "gateway", "verdict_as_sent": "2", "rule": "inhibition>=50",
    "operator": {"id": "7", "name": "张三", "certificate": "C-1", "valid": True},
    "tested_at": "2026-03-05T09:41:20+08:00", "received_at": "2026-03-05T09:43:02.118+08:00",
    "clock": {"synced": True, "skew_s": -12, "skew_by": "clock"}, "flags": [], "decoder": "seven-e-aa/1", "raw": "fhEP"}
LEAST = {**HEAD, "kind": "qc", "instrument": {"id": "x", "driver": "modbus"}, "verdict": "none",
         "received_at": "2026-03-05T09:43:02.118+08:00", "clock": {"synced": False}, "flags": ["unmapped_item"],
         "decoder": "modbus/1"}
EVENT = {**HEAD, "event": "missed_results", "instrument": "pr-1", "at": "2026-03-05T09:43:02.118+08:00", "first": 3, "last": 9,
         "reason": "the counter jumped"}
REGISTERED = {**HEAD, "event": "sample_registered", "instrument": "scan-1", "at": "2026-03-05T09:43:02.118+08:00", "by": "scanner",
              "sample": {"no": "20260305-017"}, "next": ["pr-1", "an-1"], "results": 1, "lifetime_s": 1800}
RETESTED = {**HEAD, "event": "retest_group", "instrument": "pr-1", "at": "2026-03-05T09:43:02.118+08:00", "group": HEAD["id"],
            "state": "retest_required", "sample_no": "20260305-017", "item": "PR-OPCB", "needed": 2, "counted": 1,
            "members": [{"id": HEAD["id"], "verdict": "positive"}, {"id": HEAD["id"], "verdict": "negative"}]}
ASKEW = {**HEAD, "event": "clock_skew", "instrument": "pr-1", "at": "2026-03-05T09:43:02.118+08:00", "skew_s": -421, "skew_by": "results",
         "within_s": 60, "since": "2026-03-05T08:43:02.118+08:00", "alarm_s": 300}
INSTRUMENT_SET = {**HEAD, "event": "clock_set", "instrument": "an-1", "at": "2026-03-05T09:43:02.118+08:00", "by_ms": 421000,
                  "before": "2026-03-05T09:36:01.118+08:00", "after": "2026-03-05T09:43:02.118+08:00", "skew_s": 0, "skew_by": "clock",
                  "within_s": 2}
CLOCK_SET = {**HEAD, "event": "clock_correction", "at": "2026-03-05T09:43:02.118+08:00", "first": 3, "last": 9, "by_ms": 1772674980000,
             "booted_at": "2026-03-05T09:40:02.118+08:00", "boot": "2605fed2-f82b-4151-a541-6a449db3811e"}
BOUND = {**RECORD, "flags": ["sample_disagrees"],
         "sample": {"no": "17", "bound_by": "instrument", "registered": {"no": "20260305-017", "registered_by": "scanner"}}}
CLOSED = {**RETESTED, "state": "first", "members": [], "superseded": [HEAD["id"]], "closed": True}
CORRECTED = {**RECORD, "supersedes": HEAD["id"], "sample": {"no": "17", "bound_by": "corrected", "registered_by": "register"},
             "correction": {"by": "李四", "why": "扫错样", "at": "2026-03-05T10:43:02.118+08:00", "was": {"no": "16"}}}
STATUS = {"online": True, "version": "0.1.0", "epoch": "7f3a", "seq": 0, "backlog": 0, "oldest_unsent_s": 0,
          "autonomy_days": 400, "instruments": {"pr-1": {"health": "ok", "polls": 7}},
          "targets": {"county": {"state": "up", "receipts": "required", "requests": 8, "requests_refused": 6, "receipts_taken": 2}}}
SEAL = {"v": 1, "station": "330421103-01", "epoch": "7f3a", "seq": 9, "hash": "sm3:" + "0" * 64,
        "at": "2026-03-05T09:43:02.118+08:00", "alg": "sm2-sm3", "key": "sha256:" + "1" * 64, "sig": "A" * 86 + "=="}
MANIFEST = {"v": 1, "station": "330421103-01", "epoch": "7f3a", "day": "2026-03-05", "first": 1, "last": 9, "hash": "sm3:" + "0" * 64,
            "digest": "sm3:" + "0" * 64, "events": 2,
            "instruments": {"pr-1": {"sample": 5, "qc": 2, "counter_first": "17", "counter_last": "23"}},
            "at": "2026-03-06T00:00:03.118+08:00", "alg": "ed25519", "key": "sha256:" + "1" * 64, "sig": "A" * 86 + "=="}
RIGHT = [("seal", SEAL), ("manifest", MANIFEST), ("request-manifest", {"day": "2026-03-05"}),
         ("response-manifest", {"day": "2026-03-05", "manifests": [MANIFEST]}),
         ("record", RECORD), ("record", LEAST), ("record", {**RECORD, "from_a_later_version": 1}), ("event", EVENT),
         ("event", REGISTERED), ("event", RETESTED), ("event", ASKEW), ("event", CLOCK_SET), ("event", INSTRUMENT_SET), ("record", BOUND), ("record", {**RECORD, "test_seq": 2, "retest_of": HEAD["id"]}),
         ("event", CLOSED), ("record", CORRECTED),
         ("status", STATUS), ("status", {"online": False}), ("receipt", {"epoch": "7f3a", "through": 0}),
         ("receipt", {"epoch": "7f3a", "through": 18200, "missing": [[18011, 18013]]}), ("request-status", {}),
         ("request-replay", {"epoch": "7f3a", "from": 1, "to": 2}), ("response", {"error": "no"}),
         ("response", {"accepted": True, "epoch": "7f3a", "from": 1, "to": 2}),
         ("response", {"accepted": True, "epoch": "7f3a", "from": 1, "to": 9, "gone": [[1, 3], [5, 5]]}),
         ("response", {"error": "no", "reason": "gone", "epoch": "7f3a", "first": 4, "last": 9, "gone": [[1, 3]]}),
         ("response", {"error": "no", "reason": "unknown_epoch", "epochs": ["7f3a"]})]

# A change to a right message that must make it wrong: (schema, message, path, new value; None removes the member).
WRONG = [
    ("seal", SEAL, "seq", 0), ("seal", SEAL, "hash", "0" * 64), ("seal", SEAL, "alg", "rsa"), ("seal", SEAL, "sig", "-"),
    ("seal", SEAL, "station", None), ("seal", SEAL, "key", "k"), ("manifest", MANIFEST, "day", "2026-3-5"),
    ("manifest", MANIFEST, "instruments", {"pr-1": {"sample": 0}}), ("manifest", MANIFEST, "sig", None),
    ("manifest", MANIFEST, "events", -1), ("request-manifest", {"day": "2026-03-05"}, "day", "yesterday"),
    ("response-manifest", {"day": "2026-03-05", "manifests": [MANIFEST]}, "manifests", []),
    ("record", RECORD, "v", 2), ("record", RECORD, "id", "0B9C5F4E"), ("record", RECORD, "id", None),
    ("record", RECORD, "station", "x"), ("record", RECORD, "epoch", ""), ("record", RECORD, "seq", 0),
    ("record", RECORD, "seq", "1"), ("record", RECORD, "prev", "md5:" + "0" * 64), ("record", RECORD, "prev", "0" * 64),
    ("record", RECORD, "kind", "test"), ("record", RECORD, "verdict", "ok"), ("record", RECORD, "verdict", None),
    ("record", RECORD, "value", 63.5), ("record", RECORD, "value", "6.35e1"), ("record", RECORD, "value", ""),
    ("record", RECORD, "qualifier", "~"), ("record", RECORD, "channel", -1), ("record", RECORD, "instrument", {"id": "x"}),
    ("record", RECORD, "limit", {"value": "50"}), ("record", RECORD, "sample", {}), ("record", RECORD, "sample", {"no": ""}),
    ("record", RECORD, "tested_at", "2026-03-05 09:41:20"), ("record", RECORD, "received_at", "2026-03-05T09:43:02"),
    ("record", RECORD, "clock", {}), ("record", RECORD, "flags", ["Late"]), ("record", RECORD, "flags", ["late", "late"]),
    ("record", RECORD, "decoder", "seven-e-aa"), ("record", RECORD, "signals", {"abs": 0.57}),
    ("record", RECORD, "operator", {"valid": "yes"}), ("record", RECORD, "retest_of", "first"),
    ("record", BOUND, "sample", {"no": "17", "registered": {"no": "20260305-017"}}), ("record", BOUND, "sample", {"bound_by": ""}),
    ("event", RETESTED, "state", "positive"), ("event", RETESTED, "members", []), ("event", RETESTED, "group", 3),
    ("event", CLOCK_SET, "by_ms", "1"), ("event", CLOCK_SET, "booted_at", 3), ("event", CLOCK_SET, "boot", ""),
    ("record", RECORD, "clock", {"synced": False, "up_ms": 0}),
    ("event", ASKEW, "skew_by", "guess"), ("event", ASKEW, "skew_s", "-421"), ("event", ASKEW, "since", "today"),
    ("status", STATUS, "instruments", {"pr-1": {"health": "ok", "clock": {"skew_s": 1}}}),
    ("record", RECORD, "clock", {"synced": True, "skew_s": 1, "skew_by": "guess"}),
    ("event", CLOSED, "closed", False), ("event", CLOSED, "superseded", []), ("record", CORRECTED, "supersedes", "16"),
    ("record", CORRECTED, "correction", {"by": "李四", "at": "2026-03-05T10:43:02.118+08:00"}),
    ("event", REGISTERED, "results", 0), ("event", REGISTERED, "next", "pr-1"), ("event", REGISTERED, "sample", {"no": ""}),
    ("event", EVENT, "event", "Missed"), ("event", EVENT, "event", None), ("event", EVENT, "at", None),
    ("event", EVENT, "first", -1), ("status", STATUS, "online", "yes"), ("status", STATUS, "online", None),
    ("status", STATUS, "seq", None), ("status", STATUS, "backlog", -1), ("status", STATUS, "instruments", {"pr-1": {}}),
    ("status", STATUS, "targets", {"county": {"state": "up", "requests_refused": -1}}),
    ("status", STATUS, "targets", {"county": {"state": "up", "receipts_taken": "2"}}),
    ("receipt", {"epoch": "e", "through": 5, "missing": [[1, 2]]}, "missing", [[1]]),
    ("receipt", {"epoch": "e", "through": 5}, "through", -1), ("receipt", {"epoch": "e", "through": 5}, "epoch", None),
    ("request-replay", {"epoch": "e", "from": 1, "to": 2}, "from", 0),
    ("response", {"accepted": True, "epoch": "7f3a", "from": 1, "to": 9}, "gone", [[1]]),
    ("response", {"accepted": True, "epoch": "7f3a", "from": 1, "to": 9}, "gone", []),
    ("response", {"error": "no", "reason": "unknown_epoch"}, "epochs", []),
    ("response", {"error": "no", "reason": "not_yet"}, "last", 0),
    ("request-replay", {"epoch": "e", "from": 1, "to": 2}, "to", None),
    ("response", {"accepted": True, "epoch": "e", "from": 1, "to": 2}, "accepted", False),
]


def changed(message, path, value):
    message = copy.deepcopy(message)
    if value is None:
        del message[path]
    else:
        message[path] = value
    return message


@pytest.mark.parametrize("name", judges.SCHEMAS)
def test_each_schema_is_one(name):
    Draft202012Validator.check_schema(judges.schema(name))
    assert judges.schema(name)["$id"] == f"urn:assay:v1:{name}"


@pytest.mark.parametrize("name,message", RIGHT)
def test_a_right_message_passes(name, message):
    assert judges.faults(name, message) == []


@pytest.mark.parametrize("name,message,path,value", WRONG)
def test_a_wrong_message_does_not_pass(name, message, path, value):
    assert judges.faults(name, changed(message, path, value)) != []


def test_the_official_parser_and_ajv_agree(tmp_path):
    right = {}
    for name, message in RIGHT:
        right.setdefault(name, []).append(message)
    code, said = judges.judge_with_node(str(tmp_path), right)
    assert code == 0, said
    assert "10 operations" in said and f"record: {len(right['record'])} messages" in said


@pytest.mark.parametrize("name,message,path,value", WRONG[::8])
def test_ajv_refuses_what_is_wrong(tmp_path, name, message, path, value):
    code, said = judges.judge_with_node(str(tmp_path), {name: [changed(message, path, value)]})
    assert code == 1 and f"{name}: " in said, said


def test_the_parser_refuses_a_broken_document(tmp_path):
    contract = tmp_path / "contract"
    shutil.copytree(judges.CONTRACT, contract)
    document = json.loads((contract / "asyncapi.json").read_text(encoding="utf-8"))
    document["operations"]["publishResult"]["channel"]["$ref"] = "#/channels/nowhere"
    (contract / "asyncapi.json").write_text(json.dumps(document), encoding="utf-8")
    code, said = judges.judge_with_node(str(tmp_path), {}, str(contract))
    assert code == 1 and "asyncapi.json: " in said, said

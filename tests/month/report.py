"""The listing of a month made of what the county received, and of nothing else."""
import collections
import datetime
import itertools

import clock
import wording

# Which comes first of what came in the same minute; within an instrument the order of the journal counts.
ORDER = {"gateway_started": 0, "clock_jump": 1, "clock_correction": 1.5, "clock_skew": 2, "control_missing": 2.5,
         "sample_registered": 3, "retest_expected": 4, "retest_missing": 5, "retest_group": 9}
# A reader that hands its memory over at the press of a key is silent until then: when that is noticed is a matter of seconds.
SILENT_BY_NATURE = "pr-2"


def moment(text):
    return datetime.datetime.fromisoformat(text).astimezone(clock.CHINA).replace(second=0, microsecond=0, tzinfo=None)


def time_of(entry):
    """When it was told: a correction's record keeps the times of the one it supersedes."""
    return moment(entry["correction"]["at"] if "correction" in entry else entry.get("received_at") or entry["at"])


class Report:
    def __init__(self, entries, manifests):
        """`entries`: seq -> (entry, when the county had it)."""
        self.entries = [entries[seq][0] for seq in sorted(entries)]
        self.came = {seq: came for seq, (_, came) in entries.items()}
        self.manifests = {manifest["last"]: manifest for manifest in manifests}
        self.records = {entry["id"]: entry for entry in self.entries if "kind" in entry}
        self.outcomes = {}

    # ---- faults no listing shows

    def faults(self):
        seqs = [entry["seq"] for entry in self.entries]
        if seqs != list(range(1, len(seqs) + 1)):
            yield f"entries 1 to {max(seqs)} are not whole: {len(seqs)} came"
        if len(self.records) != sum("kind" in entry for entry in self.entries):
            yield "one id on two entries"
        last = 0
        for manifest in sorted(self.manifests.values(), key=lambda manifest: manifest["first"]):
            covered = [entry for entry in self.entries if manifest["first"] <= entry["seq"] <= manifest["last"]]
            if manifest["first"] != last + 1:
                yield f"manifest of {manifest['day']} begins at {manifest['first']}, the one before ended at {last}"
            if manifest["events"] != sum("event" in entry for entry in covered):
                yield f"manifest of {manifest['day']} counts {manifest['events']} events"
            last = manifest["last"]
        if last != len(seqs):
            yield f"the last manifest ends at {last} of {len(seqs)}"

    # ---- lines

    def facts(self, entry):
        sample, operator, skew = entry.get("sample", {}), entry.get("operator", {}), entry["clock"].get("skew_s", 0)
        limit, first = entry.get("limit"), self.records.get(entry.get("retest_of"))
        corrected, correction = self.records.get(entry.get("supersedes")), entry.get("correction", {})
        return {
            "received": time_of(entry), "tested": moment(entry["tested_at"]), "instrument": entry["instrument"]["id"],
            "kind": entry["kind"], "no": sample.get("no", ""), "name": sample.get("name", ""), "party": sample.get("party", ""),
            "item": wording.item(entry["item"].get("name", ""), entry["item"].get("code", "")), "value": entry.get("qualifier", "") + entry.get("value", ""),
            "unit": entry.get("unit", ""), "verdict": entry["verdict"], "by": entry.get("verdict_by", ""), "rule": entry.get("rule", ""),
            "limit": f"{limit['op']}{limit['value']} {limit['unit']}" if limit else "", "inspector": operator.get("name", ""),
            "retest": entry["test_seq"] - 1, "first": first and first["sample"]["no"],
            "corrects": corrected and corrected["sample"]["no"], "why": f"{correction.get('by')}：{correction.get('why')}",
            "skew_min": round(skew / 60) if entry["clock"]["synced"] else 0, "flags": entry["flags"]}

    def tell_group(self, event):
        at, no = time_of(event), event["sample_no"]
        self.outcomes[event["group"]] = event["state"]
        return wording.group(at, no, [member["verdict"] for member in event["members"]], event["state"])

    def records_within(self, first, last):
        return sum(first <= record["seq"] <= last for record in self.records.values())

    def tell_missing(self, at, event):
        self.outcomes[event["group"]] = "missing"
        return wording.missing_retest(at, event["sample_no"], event["counted"], event["needed"])

    def tell_event(self, event):
        at = time_of(event)
        tell = {
            "gateway_started": lambda: wording.started(at), "retest_group": lambda: self.tell_group(event),
            "retest_expected": lambda: wording.expected_retest(at, event["sample_no"]),
            "retest_missing": lambda: self.tell_missing(at, event),
            "clock_skew": lambda: wording.skewed(at, event["instrument"], round(event["skew_s"] / 60)),
            "clock_correction": lambda: wording.receptions_off(
                at, self.records_within(event["first"], event["last"]), round(event["by_ms"] / 60000)),
            "control_missing": lambda: wording.no_control(at, event["instrument"], event["samples"], event["state"] == "day_over"),
            "clock_jump": lambda: (wording.clock_set if event["by_ms"] > 0 else wording.clock_went_back)(at, moment(event["before"])),
        }.get(event["event"])
        return tell() if tell else wording.line(f"{at:%H:%M}", "事件", event["event"], event.get("instrument", ""), event.get("reason", ""))

    def is_usual(self, event):
        silence = event["event"] in ("instrument_lost", "instrument_back") and event["instrument"] == SILENT_BY_NATURE
        return silence or event["event"] == "sample_registered"  # told together

    def tell_minute(self, entries):
        """What came within a minute; the order in which lines got there is nobody's business."""
        events = sorted((entry for entry in entries if "event" in entry and not self.is_usual(entry)),
                        key=lambda event: (ORDER.get(event["event"], 6), event.get("instrument", ""), event["seq"]))
        yield from (self.tell_event(event) for event in events if event["event"] != "retest_group")
        for by, how in (("register", "名单"), ("scanner", "扫码")):
            numbers = [entry["sample"]["no"] for entry in entries if entry.get("event") == "sample_registered" and entry["by"] == by]
            if numbers:
                yield wording.registered(time_of(entries[0]), how, numbers)
        for record in sorted((entry for entry in entries if "kind" in entry), key=lambda record: (record["instrument"]["id"], record["seq"])):
            yield wording.record(self.facts(record))
        yield from (self.tell_event(event) for event in events if event["event"] == "retest_group")

    def tell_run(self, entries):
        """One local day, as long as the gateway's clock stays in it."""
        yield wording.heading(time_of(entries[0]).date())
        for _, minute in itertools.groupby(entries, key=time_of):
            yield from self.tell_minute(list(minute))
        records = [entry for entry in entries if "kind" in entry]
        late = sum(self.came[entry["seq"]].date() > time_of(entry).date() for entry in records if entry["clock"]["synced"])
        yield wording.delivered(len(records) - late, late)
        manifest = self.manifests.get(entries[-1]["seq"])
        yield wording.manifest(manifest["day"], {name: {kind: count for kind, count in counts.items() if not kind.startswith("counter")}
                                                 for name, counts in manifest["instruments"].items()}) if manifest else "无清单"
        yield ""

    def lines(self):
        for _, run in itertools.groupby(self.entries, key=lambda entry: time_of(entry).date()):
            yield from self.tell_run(list(run))
        kinds = collections.Counter(record["kind"] for record in self.records.values() if "supersedes" not in record)
        marked = collections.Counter(flag for record in self.records.values() for flag in record["flags"])
        yield from wording.totals(kinds["sample"], kinds["control"], collections.Counter(self.outcomes.values()), marked)

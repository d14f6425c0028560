"""What the month must come to, by rules written down here anew and by the plan alone: nothing of the gateway is asked.

The rules are those of the standards and of config/items.csv as a person reads them; where a rule of the gateway changes on purpose,
it is changed here too, and the listing (golden.txt) written anew."""
import collections
import datetime

import plan
import wording

# item as the plan names it -> (code, rule, limit as printed, what is positive)
ITEMS = {
    "农药残留": ("PR-OPCB", "inhibition>=50", "<50 %", lambda value: value >= 50),          # GB/T 5009.199-2003
    "亚硝酸盐": ("AD-NIT", "limit", "<=30 mg/kg", lambda value: value > 30),                # GB 2760
    "多菌灵": ("PR-CBZ", "limit", "<=2 mg/kg", lambda value: value > 2),                   # GB 2763
    "毒死蜱": ("PR-CPF", "limit", "<=0.02 mg/kg", lambda value: value > 0.02),             # GB 2763
    "黄曲霉毒素B1": ("MT-AFB1", "limit", "<=20 ug/kg", lambda value: value > 20),            # GB 2761: maize and peanuts
    "磺胺类": ("VD-SUL", "limit", "<=100 ug/kg", lambda value: value > 100),               # GB 31650
    "孔雀石绿": ("VD-MG", "not-detected", "", lambda value: value > 0),                      # MARA announcement 250
    "氯霉素": ("VD-CAP", "not-detected", "", lambda value: value > 0),
    "甲醛": ("IL-FOR", "not-detected", "", lambda value: value > 0),
    "洁净度": ("HYG-ATP", "two-limits 10..30", "<=10 {RLU}", None),                        # the meter's own limits
}
NAMES = {"农药残留": "有机磷和氨基甲酸酯类农药残留"}  # where the table's name is another than the instruments'
SAID = {"阴性": "negative", "合格": "negative", "阳性": "positive", "不合格": "positive", "可疑": "suspect", "无效": "invalid"}
INTERFERING = ("韭菜", "芹菜", "香菜", "葱", "蒜", "萝卜", "番茄", "蘑菇", "姜")  # plants that inhibit themselves
SAY_NO_VERDICT = ("pr-1", "pr-2", "at-1", "fr-1")  # fr-1 sends a flag whose meaning nobody configured
SHORT_NUMBERS = ("an-1", "pr-2")                   # binary floats: 58.0 arrives as 58
EXPIRED_AFTER = {"王建国": datetime.date(2026, 3, 15)}
SLOW = {"an-1": 7}
MUST_HAVE_CONTROLS = "pr-1"
REAGENT = ("pr-1", "pr-2"), datetime.date(2026, 3, 20), datetime.date(2026, 3, 25)  # last day of the old lot, first of the new
OUTAGE_DAY = "断网"
BOX_BEGINS = datetime.datetime(2011, 1, 1)


def naive(when):
    return when.replace(tzinfo=None)


class Expectation:
    def __init__(self, rows):
        self.rows = rows
        self.tests = [row for row in rows if row.is_test]
        happened = {}
        for row in rows:
            if not row.is_test:
                happened.setdefault(row.item, []).append(naive(row.at))
        self.happened = happened
        self.dark, self.light = (happened.get(what, [None])[0] for what in ("停电", "来电"))
        self.right, self.adjusted = (happened.get(what, [None])[0] for what in ("校时", "校表"))
        self.lines_at = collections.defaultdict(list)  # (day of the run, its number) -> [(minute, rank, line)]
        self.counts = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
        self.flags, self.outcomes = collections.Counter(), collections.Counter()

    # ---- one test

    def received(self, row):
        """By the gateway's clock; and whether that was synchronised."""
        at = naive(row.at)
        if at == self.dark and row.instrument == "an-1":
            first = next(test for test in self.tests if naive(test.at) == at and test.instrument == "an-1")
            return (at, True) if row is first else (BOX_BEGINS, False)
        return at, True

    def tested(self, row):
        at = naive(row.at)
        if row.instrument == "tk-1" and self.light and self.light <= at < self.adjusted:
            return BOX_BEGINS + (at - self.light)
        return at - datetime.timedelta(minutes=SLOW.get(row.instrument, 0))

    def value(self, row):
        if row.instrument in SHORT_NUMBERS and row.value:
            return f"{float(row.value):.6g}"
        return row.value

    def verdict(self, row):
        """(verdict, by whom)"""
        if row.is_control:
            return ("negative", "instrument") if row.said else ("none", "")
        if row.instrument == "at-1":
            value = int(row.value)
            return ("negative" if value <= 10 else "suspect" if value <= 30 else "positive"), "gateway"
        if row.instrument in SAY_NO_VERDICT:
            return ("positive" if ITEMS[row.item][3](float(row.value)) else "negative"), "gateway"
        return SAID[row.said], "instrument"

    def marks(self, row, synced):
        day = self.tested(row).date()
        if row.inspector in EXPIRED_AFTER and naive(row.at).date() > EXPIRED_AFTER[row.inspector]:
            yield "operator_expired"
        if day.year < 2015:
            yield "clock_suspect"
        if not synced:
            yield "clock_unsynced"
        if row.instrument in REAGENT[0] and REAGENT[1] < row.day < REAGENT[2]:
            yield "lot_expired"
        if row.instrument == MUST_HAVE_CONTROLS and not row.is_control and row.day in self.days_without_control():
            yield "no_valid_control"
        if not row.is_control and row.item == "农药残留" and self.verdict(row)[0] == "positive":
            yield "retest_required"
            if any(plant in row.name for plant in INTERFERING):
                yield "matrix_interference"

    def days_without_control(self):
        days = collections.defaultdict(set)
        for row in self.tests:
            if row.instrument == MUST_HAVE_CONTROLS:
                days[row.day].add(row.is_control)
        return [day for day, kinds in days.items() if True not in kinds]

    def first_of(self, row):
        """The positive that a retest belongs to: the plan numbers them."""
        case = row.remark.split("例")[0] + "例" if "复检" in row.remark and row.remark.startswith("第") else None
        return next(test for test in self.tests if test.remark == case + "初检阳性") if case else None

    def facts(self, row):
        received, synced = self.received(row)
        code, rule, limit, _ = ITEMS[row.item]
        verdict, by = self.verdict(row)
        judged = not row.is_control and (row.value or row.said not in ("可疑", "无效"))
        first = self.first_of(row)
        registered = row.instrument not in ("pr-1", "at-1")
        return {"received": received, "tested": self.tested(row), "instrument": row.instrument,
                "kind": "control" if row.is_control else "sample", "no": row.sample_no, "name": row.name,
                "party": row.party if registered else "", "item": wording.item(NAMES.get(row.item, row.item), code), "value": self.value(row),
                "unit": {"RLU": "{RLU}"}.get(row.unit, row.unit), "verdict": verdict, "by": by, "rule": rule if judged else "",
                "limit": "" if row.is_control else limit, "inspector": row.inspector,
                "retest": int(row.remark.split("复检")[1][0]) if first else 0, "first": first and first.sample_no,
                "corrects": None, "why": "",
                "skew_min": -SLOW.get(row.instrument, 0) if synced else 0, "flags": list(self.marks(row, synced))}

    # ---- the lines of a day

    def put(self, at, rank, line, run=None):
        self.lines_at[run or (at.date(), 0)].append((at.replace(second=0), rank, line))

    def run_of(self, at, synced):
        """The power failure cuts its day in two, with a piece of 2011 between."""
        if not synced:
            return self.dark.date(), 1
        return at.date(), 2 if self.right and at.date() == self.dark.date() and at >= self.right else 0

    def put_tests(self):
        for row in self.tests:
            facts = self.facts(row)
            synced = "clock_unsynced" not in facts["flags"]
            run = self.run_of(facts["received"], synced)
            self.put(facts["received"], (5, row.instrument, row.row), wording.record(facts), run)
            self.counts[run][row.instrument][facts["kind"]] += 1
            self.flags.update(facts["flags"])

    def put_groups(self):
        for first in (row for row in self.tests if row.remark.endswith("初检阳性")):
            members = [first] + [row for row in self.tests if row is not first and self.first_of(row) is first]
            verdicts, state = [], ""
            for row in members:
                verdicts.append(self.verdict(row)[0])
                decided = "confirmed_positive" if set(verdicts) == {"positive"} else "overturned"
                state = decided if len(verdicts) == 3 else "retest_required"
                self.put(naive(row.at), (9, row.instrument, row.row), wording.group(naive(row.at), first.sample_no, verdicts, state))
                if row is not first and row.instrument == "pr-1":  # its numbers are running numbers: the inspector tells
                    early = naive(plan.before(row.at, 5))
                    self.put(early, (4, "", row.row), wording.expected_retest(early, first.sample_no))
            self.outcomes[state if len(members) == 3 else "missing"] += 1
            if len(members) < 3:
                over = datetime.datetime.combine(first.day + datetime.timedelta(days=1), datetime.time(0, 5))
                self.put(over, (5, "", 0), wording.missing_retest(over, first.sample_no, len(members) - 1, 2))

    def put_registrations(self):
        for day in sorted({row.day for row in self.rows}):
            today = [row for row in self.rows if row.day == day and row.sample_no and row.instrument != "pr-1"]
            scanned = {row.sample_no for row in today if row.instrument == "pr-2"}
            at = datetime.datetime.combine(day, datetime.time(7, 50))
            self.put(at, (4.5, "", 0), wording.registered(at, "名单", {row.sample_no for row in today} - scanned))
            if scanned:
                early = naive(plan.before(next(row.at for row in today if row.instrument == "pr-2"), 15))
                self.put(early, (4.5, "", 1), wording.registered(early, "扫码", scanned))

    def put_corrections(self):
        """The same result, for another sample."""
        for row in self.rows:
            if row.item != "改正样品":
                continue
            wrong = next(test for test in self.tests if test.sample_no == row.value)
            right = {"received": naive(row.at), "no": row.sample_no, "name": row.name, "party": row.party,
                     "corrects": row.value, "why": f"{row.inspector}：{row.remark}"}
            self.put(naive(row.at), (5, wrong.instrument, row.row), wording.record({**self.facts(wrong), **right}))
            self.counts[row.day, 0][wrong.instrument]["sample"] += 1

    def put_missing_controls(self):
        for day in self.days_without_control():
            samples = [row for row in self.tests if row.instrument == MUST_HAVE_CONTROLS and row.day == day]
            first = naive(samples[0].at)
            together = sum(row.at == samples[0].at for row in samples)
            over = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(0, 5))
            self.put(first, (2.5, "", 0), wording.no_control(first, MUST_HAVE_CONTROLS, together, False))
            self.put(over, (2.5, "", 0), wording.no_control(over, MUST_HAVE_CONTROLS, len(samples), True))

    def put_happenings(self):
        days = sorted({row.day for row in self.rows})
        at = datetime.datetime.combine(days[0], datetime.time(7, 30))
        self.put(at, (0,), wording.started(at))
        for instrument, minutes in SLOW.items():  # it tells its clock when it is first asked
            self.put(at, (2, instrument, 0), wording.skewed(at, instrument, -minutes))
        for off in self.happened.get("关机", []):
            monday = next((day for day in days if day > off.date()), None)
            if monday:
                at = datetime.datetime.combine(monday, datetime.time(7, 45))
                self.put(at, (0,), wording.started(at))
        if self.dark:
            self.put(BOX_BEGINS, (0,), wording.started(BOX_BEGINS), (self.dark.date(), 1))
            self.put(BOX_BEGINS, (1,), wording.clock_went_back(BOX_BEGINS, self.dark), (self.dark.date(), 1))
            off = sum(not self.received(row)[1] for row in self.tests)
            by = (self.light - BOX_BEGINS) // datetime.timedelta(minutes=1)
            self.put(self.right, (1.5,), wording.receptions_off(self.right, off, by), (self.dark.date(), 2))
            self.put(self.right, (1,), wording.clock_set(self.right, BOX_BEGINS + (self.right - self.light)), (self.dark.date(), 2))

    def lines(self):
        self.put_tests()
        self.put_groups()
        self.put_registrations()
        self.put_corrections()
        self.put_missing_controls()
        self.put_happenings()
        days = sorted({row.day for row in self.rows})
        cut_off = {at.date() for at in self.happened.get(OUTAGE_DAY, [])}
        for run in sorted(self.lines_at):
            day = BOX_BEGINS.date() if run[1] == 1 else run[0]
            yield wording.heading(day)
            yield from (line for _, _, line in sorted(self.lines_at[run], key=lambda entry: (entry[0], entry[1])))
            counts = self.counts[run]
            number = sum(sum(count.values()) for count in counts.values())
            yield wording.delivered(*((0, number) if day in cut_off else (number, 0)))
            yield wording.manifest(day, counts)
            yield ""
        kinds = collections.Counter("control" if row.is_control else "sample" for row in self.tests)
        yield from wording.totals(kinds["sample"], kinds["control"], self.outcomes, self.flags)

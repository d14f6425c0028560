"""Results that went out under the wrong sample: superseding records put it right, once, whatever happens in between."""
import os
import signal
import sys
import threading

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "contract"))
import judges  # noqa: E402

ITEM = "PR-OPCB"
SUBMIT = ("--by", "李四", "--why", "扫错样")


def message(sample, value, minute, item=ITEM, unit="%"):
    return (f"H|\\^&|||FR-100||||||||LIS2-A2\rO|1|{sample}||^^^{item}\r"
            f"R|1|^^^{item}|{value}|{unit}||||F||||202603050{9 + minute // 60}{minute % 60:02d}00\rL|1|N\r").encode()


def records(daemon):
    return [entry for entry in daemon.entries() if "kind" in entry]


def check_contract(daemon):
    for entry in daemon.entries():
        assert judges.faults("event" if "event" in entry else "record", entry) == [], entry


def groups(daemon):
    return [entry for entry in daemon.entries() if entry.get("event") == "retest_group"]


class Bench:
    """A room with one instrument that says no sample numbers, and a county."""

    def __init__(self, room):
        self.broker = room.broker()
        self.subscriber = room.subscriber(self.broker.port)
        self.port = harness.free_port()
        self.daemon = room.daemon(f"[instrument fr-1]\ndriver = astm\nport = tcp-listen:{self.port}\n",
                                  f"broker = mqtt://127.0.0.1:{self.broker.port}\n",
                                  station="[samples]\nnumber-holds = 36500d\n").start()  # its tests are of March

    def register(self, *words):
        done = self.daemon.ctl("register", *words)
        assert done.returncode == 0, done.stderr

    def test(self, value, minute, sample="", **more):
        before = len(records(self.daemon))
        with harness.dial(self.port) as instrument:
            instrument.sendall(message(sample, value, minute, **more))
            harness.wait_for(lambda: len(records(self.daemon)) == before + 1, 20, "the record")
        return records(self.daemon)[-1]

    def rebind(self, *words):
        return self.daemon.ctl("rebind", *words, *SUBMIT)


def test_a_card_of_results_gets_its_right_sample_by_superseding_records_once():
    with harness.Room() as room:
        bench = Bench(room)
        daemon = bench.daemon
        bench.register("--next", "fr-1", "--results", "3", "S-1", "name=菠菜", "party=甲菜场", "event=summit")
        old = [bench.test(value, minute) for minute, value in enumerate(("12.00", "13.50", "9.80"))]
        assert {record["sample"]["no"] for record in old} == {"S-1"}
        unknown = bench.rebind("S-2", old[0]["id"])
        assert unknown.returncode == 1 and "no sample is registered under the number 'S-2'" in unknown.stderr
        bench.register("S-2", "name=韭菜", "party=乙菜场", "stall=A12")
        first, last = old[0]["seq"], old[-1]["seq"]
        look = bench.rebind("S-2", f"{first}-{last}", "--dry-run")
        assert look.returncode == 0 and "S-1 菠菜 (甲菜场) -> S-2 韭菜 (乙菜场)" in look.stdout, look.stdout + look.stderr
        assert records(daemon) == old
        done = bench.rebind("S-2", f"{first}-{last}")
        assert done.returncode == 0 and "3 corrected" in done.stdout, done.stdout + done.stderr
        new = records(daemon)[3:]
        assert records(daemon)[:3] == old, "nothing is edited"
        for was, record in zip(old, new, strict=True):
            assert record["supersedes"] == was["id"]
            assert record["sample"] == {"no": "S-2", "name": "韭菜", "party": "乙菜场", "stall": "A12", "bound_by": "corrected",
                                        "registered_by": "register"}
            assert record["correction"].pop("at")[:4] >= "2026"
            assert record["correction"] == {"by": "李四", "why": "扫错样", "was": was["sample"]}
            changed = {key for key in was.keys() | record.keys() if was.get(key) != record.get(key)}
            assert changed == {"id", "seq", "prev", "sample", "supersedes", "correction"}
        harness.wait_for(lambda: len(bench.subscriber.records()) == 6, 20, "the corrections at the county's")

        again = bench.rebind("S-2", f"{first}-{last}")
        assert again.returncode == 0 and "0 corrected" in again.stdout and "3 have that sample" in again.stdout
        assert bench.rebind("S-2", str(first)).returncode == 0 and len(records(daemon)) == 6
        # what was corrected is corrected where it stands now, and the number of results of a run is what it was
        bench.register("S-3", "name=芹菜")
        refused = bench.rebind("S-3", old[0]["id"])
        assert refused.returncode == 1 and new[0]["id"] in refused.stderr, refused.stderr
        assert bench.rebind("S-3", f"{first}-{last}").returncode == 0
        third = records(daemon)[6:]
        assert [record["supersedes"] for record in third] == [record["id"] for record in new]
        assert bench.rebind("none", third[0]["id"]).returncode == 0
        assert "sample" not in records(daemon)[-1] and records(daemon)[-1]["correction"]["was"]["no"] == "S-3"
        assert "sample corrected" in daemon.ctl("list").stdout
        check_contract(daemon)
        decoded = daemon.ctl("redecode")
        assert decoded.returncode == 0 and len(records(daemon)) == 10, "the bytes say what they said"


def test_what_cannot_be_corrected_says_why():
    with harness.Room() as room:
        bench = Bench(room)
        bench.register("S-1", "name=菠菜")
        result = bench.test("12.00", 1)
        event = next(entry for entry in bench.daemon.entries() if entry.get("event") == "sample_registered")
        for words, reason in ((("S-1", event["id"]), "is an event"), (("S-1", "999"), "no entry 999"), (("S-1", "nonsense"), "no entry"),
                              (("S-1", "9-3"), "no run"), (("S-1",), "name the results"), (("S-1", "--since", "soon"), "which instrument"),
                              (("S-1", "--instrument", "fr-1", "--since", "soon"), "no time"),
                              (("S-1", "--instrument", "fr-2", "--since", "09:40"), "there is no instrument 'fr-2'"),
                              (("S-1", str(event["seq"]) + "-" + str(event["seq"])), "no result of a sample")):
            refused = bench.rebind(*words)
            assert refused.returncode != 0 and reason in refused.stderr, (words, refused.stderr)
        unsigned = bench.daemon.ctl("rebind", "S-1", str(result["seq"]))
        assert unsigned.returncode == 1 and "--by NAME" in unsigned.stderr
        # all or none
        refused = bench.rebind("S-1", str(result["seq"]), event["id"])
        assert refused.returncode == 1 and len(records(bench.daemon)) == 1
        done = bench.rebind("S-1", "--instrument", "fr-1", "--since", result["received_at"][:16].replace("T", " "))
        assert done.returncode == 0 and records(bench.daemon)[-1]["sample"]["no"] == "S-1", done.stderr


def test_a_positive_moves_to_the_group_of_its_right_sample_and_takes_its_limit():
    with harness.Room() as room:
        bench = Bench(room)
        with open(os.path.join(bench.daemon.conf, "limits.csv"), "w", encoding="utf-8") as out:
            out.write("item,samples,op,value,unit,source\nPR-CBF,菠菜,<=,0.02,mg/kg,GB 2763\nPR-CBF,韭菜,<=,0.05,mg/kg,GB 2763\n")
        bench.daemon.stop()
        bench.daemon.start()
        bench.register("A", "name=菠菜")
        bench.register("B", "name=韭菜")
        bench.register("--next", "fr-1", "--results", "2", "A", "name=菠菜")
        first, second = bench.test("63.50", 1), bench.test("58.00", 2)
        assert second["retest_of"] == first["id"]
        assert bench.rebind("B", first["id"]).returncode == 0
        moved = records(bench.daemon)[-1]
        assert moved["test_seq"] == 1 and "retest_of" not in moved and "matrix_interference" in moved["flags"]
        told = groups(bench.daemon)[-2:]
        assert [(group["group"], group["state"], [member["id"] for member in group["members"]]) for group in told] == [
            (first["id"], "retest_required", [second["id"]]), (moved["id"], "retest_required", [moved["id"]])]
        assert told[0]["superseded"] == [first["id"]]
        retest = bench.test("70.00", 3, sample="B")
        assert retest["retest_of"] == moved["id"]
        # the other one too: nothing is left of the first group
        assert bench.rebind("B", second["id"]).returncode == 0
        assert groups(bench.daemon)[-2]["closed"] and groups(bench.daemon)[-2]["members"] == []
        assert groups(bench.daemon)[-1]["state"] == "confirmed_positive"
        assert records(bench.daemon)[-1]["retest_of"] == moved["id"]

        check_contract(bench.daemon)
        bench.register("--next", "fr-1", "A", "name=菠菜")
        carbofuran = bench.test("0.03", 4, item="PR-CBF", unit="mg/kg")
        assert (carbofuran["verdict"], carbofuran["limit"]["value"]) == ("positive", "0.02")
        done = bench.rebind("B", carbofuran["id"])
        assert "verdict positive -> negative" in done.stdout, done.stdout + done.stderr
        right = records(bench.daemon)[-1]
        assert (right["verdict"], right["limit"]["value"], right["value"]) == ("negative", "0.05", "0.03")


def test_what_turns_out_to_be_positive_opens_a_group_and_what_does_not_closes_it():
    with harness.Room() as room:
        bench = Bench(room)
        daemon = bench.daemon
        bench.register("S-1", "name=菠菜")
        unknown = bench.test("63.50", 1, sample="S-1", item="MYST")
        assert unknown["verdict"] == "none" and groups(daemon) == []
        with open(os.path.join(harness.ROOT, "config", "items.csv"), encoding="utf-8") as text:
            shipped = text.read()

        def know(rule):
            with open(os.path.join(daemon.conf, "items.csv"), "w", encoding="utf-8") as out:
                out.write(shipped + f"X-MYS,某酶抑制,MYST,enzyme-inhibition,,%,{rule},,,,,,,\n")
            daemon.child.send_signal(signal.SIGHUP)

        know("inhibition>=50")
        harness.wait_for(lambda: groups(daemon), 20, "the group")
        positive = records(daemon)[-1]
        assert positive["supersedes"] == unknown["id"] and positive["verdict"] == "positive"
        assert groups(daemon)[-1]["members"] == [{"id": positive["id"], "verdict": "positive"}]
        daemon.kill()
        daemon.start()
        retest = bench.test("12.00", 2, sample="S-1", item="MYST")
        assert (retest["test_seq"], retest["retest_of"]) == (2, positive["id"])
        # by the technician's word it was another sample's; with nothing positive left the group is closed
        bench.register("S-2", "name=韭菜")
        assert bench.rebind("S-2", positive["id"]).returncode == 0
        closed, opened = groups(daemon)[-2:]
        assert (closed["group"], closed["state"], closed["closed"]) == (positive["id"], "first", True)
        assert closed["members"] == [{"id": retest["id"], "verdict": "negative"}] and closed["superseded"] == [positive["id"]]
        assert opened["state"] == "retest_required" and opened["sample_no"] == "S-2"
        assert bench.test("11.00", 3, sample="S-1", item="MYST")["test_seq"] == 1
        refused = daemon.ctl("retest", positive["id"])
        assert refused.returncode == 1 and records(daemon)[-2]["id"] in refused.stderr, refused.stderr
        check_contract(daemon)


def test_kills_while_results_are_corrected_lose_and_double_nothing():
    with harness.Room() as room:
        bench = Bench(room)
        daemon = bench.daemon
        bench.register("S-0", "name=菠菜")
        bench.register("S-1", "name=韭菜")
        bench.register("--next", "fr-1", "--results", "12", "S-0", "name=菠菜")
        old = [bench.test("60.00" if minute % 3 == 0 else "12.00", minute) for minute in range(12)]
        for round_number in range(6):
            to = f"S-{(round_number + 1) % 2}"
            timer = threading.Timer(0.001 + 0.004 * round_number, daemon.child.kill)
            timer.start()
            bench.rebind(to, f"{old[0]['seq']}-{old[-1]['seq']}")
            timer.join()
            daemon.child.wait()
            daemon.start()
            done = bench.rebind(to, f"{old[0]['seq']}-{old[-1]['seq']}")
            assert done.returncode == 0, done.stderr
            all_of_them = records(daemon)
            superseded = [record["supersedes"] for record in all_of_them if "supersedes" in record]
            assert len(superseded) == len(set(superseded)) == 12 * (round_number + 1)
            standing = [record for record in all_of_them if record["id"] not in superseded]
            assert len(standing) == 12 and {record["sample"]["no"] for record in standing} == {to}
            told = {group["group"]: group for group in groups(daemon)}
            members = [member["id"] for group in told.values() if not group.get("closed") for member in group["members"]]
            positives = {record["id"] for record in standing if record["verdict"] == "positive"}
            assert len(members) == len(set(members)) and positives <= set(members) <= {record["id"] for record in standing}
        harness.wait_for(lambda: len({record["id"] for record, _ in bench.subscriber.records()}) == 84, 30, "all of them at the county's")

"""Each quirk that a simulator has by nature and can do without: one instrument of each sort in one room, and the records of both
are right. tests/QUIRKS.md says what the quirks are and names these tests."""
import contextlib
import os

import harness

SECTION = "[instrument {name}]\ndriver = {driver}\nport = tcp:{address}\npoll = 100ms\ntimeout = 500ms\n{extra}\n"


@contextlib.contextmanager
def both(quirk, archetype, driver, *options, extra="", instead="", profile=None, results=60):
    """The records of an instrument with the quirk and of one without, by name; `instead` is the section's end for the latter,
    `profile` name and text of one for it. They have seeds, and by that serial numbers, of their own.

    Yields once everything has arrived, each result once."""
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        with_it = room.sim("with", archetype, ("--tcp", "127.0.0.1:0"), "--results", str(results), "--rate", "200", "--seed", "3",
                           "--start-delay", "1", *options)
        without = room.sim("without", archetype, ("--tcp", "127.0.0.1:0"), "--results", str(results), "--rate", "200", "--seed",
                           "4", "--start-delay", "1", "--without", quirk, *options)
        daemon = room.daemon(SECTION.format(name="with", driver=driver, address=with_it.address, extra=extra) +
                             SECTION.format(name="without", driver=driver, address=without.address, extra=instead or extra),
                             f"broker = mqtt://127.0.0.1:{broker.port}\n")
        if profile:
            os.makedirs(os.path.join(daemon.conf, "profiles"))
            with open(os.path.join(daemon.conf, "profiles", profile[0] + ".conf"), "w", encoding="utf-8") as text:
                text.write(profile[1])
        daemon.start()
        sims = [with_it, without]
        harness.wait_for(lambda: all(len(sim.truth()) >= results for sim in sims), 60, "all results finished")
        verdict = harness.settle(sims, subscriber, 60)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
        assert verdict.finished == 2 * results
        records = [record for record, _ in subscriber.records()]
        yield ([record for record in records if record["instrument"]["id"] == "with"],
               [record for record in records if record["instrument"]["id"] == "without"], subscriber, sims, daemon)


def all_of(records, *path):
    def member(record):
        for name in path:
            record = record.get(name, {})
        return record or None
    return [member(record) for record in records]


def test_q1_a_memory_that_is_not_cleared_is_dumped_again_and_doubles_nothing():
    with both("Q1", "a1", "dump8", "--burst", "8", "--press", "0.1", "--reboot", "0.1", extra="control-channel = 1",
              results=64) as (cleared, kept, subscriber, _, daemon):
        assert len(cleared) == len(kept) == 64
        # with each press of the key the one tells nothing new, and the other everything again
        known = daemon.status()["instruments"]["without"]["known"]
        harness.wait_for(lambda: daemon.status()["instruments"]["without"]["known"] >= known + 64, 20, "everything dumped again")
        again = {record["id"] for record, _ in subscriber.records()}
        assert again == {record["id"] for record in cleared + kept}


def test_q7_a_scale_is_undone_to_the_last_digit_where_it_hides_decimals_and_where_not():
    with both("Q7", "a2", "seven-e-aa", "--controls", "0") as (scaled, whole, _, _, _):
        assert any(not record["value"].endswith(".00") for record in scaled)
        assert all(record["value"].endswith(".00") for record in whole), all_of(whole, "value")
        for record in scaled + whole:
            assert int(record["value_as_sent"]) == round(float(record["value"]) * 100)


def test_q11_packed_dates_are_right_from_either_beginning():
    with both("Q11", "a3", "zero3-ff", "--burst", "4", extra="", instead="year-base = 1980") as (from_2000, from_1980, _, sims, _):
        years = {truth["tested_at"][:10] for sim in sims for truth in sim.truth()}
        assert {record["tested_at"][:10] for record in from_2000} <= years
        assert {record["tested_at"][:10] for record in from_1980} <= years
        assert not any("clock_suspect" in record["flags"] for record in from_2000 + from_1980)


def test_q12_names_that_fit_are_not_marked_as_cut():
    with both("Q12", "a2", "seven-e-aa") as (cut, whole, _, sims, _):
        marked = [record for record in cut if "text_cut" in record["flags"]]
        assert marked and not any("text_cut" in record["flags"] for record in whole)
        assert set(all_of(whole, "sample", "name")) <= {truth["sample_name"] for truth in sims[1].truth()}


def test_q13_names_are_right_whether_or_not_their_bytes_equal_delimiters():
    with both("Q13", "a7", "astm", "--burst", "5") as (awkward, plain, _, sims, _):
        for records, sim in ((awkward, sims[0]), (plain, sims[1])):
            told = {truth["instrument_seq"]: truth["sample_name"] for truth in sim.truth()}
            assert all(record["sample"]["name"] == told[record["instrument_seq"]] for record in records)
        assert "鱸魚" in all_of(awkward, "sample", "name") and "鱸魚" not in all_of(plain, "sample", "name")


def test_q17_either_colon_parts_label_and_value():
    with both("Q17", "a4", "zero3-ff", "--signals") as (wide, half, _, sims, _):
        for records, sim in ((wide, sims[0]), (half, sims[1])):
            told = {truth["instrument_seq"]: truth for truth in sim.truth()}
            for record in records:
                assert record["sample"]["category"] == told[record["instrument_seq"]]["sample_name"]
                assert record["sample"]["party"] == "长安镇农贸市场" and record["signals"].keys() == {"c", "t"}


def test_q18_a_verdict_is_the_instruments_or_if_it_has_none_the_gateways():
    with both("Q18", "a2b", "seven-e-aa", "--controls", "0", "--sentinels", "0") as (said, silent, _, sims, _):
        told = {truth["instrument_seq"]: truth["verdict"] for truth in sims[0].truth()}
        assert {record["verdict_by"] for record in said} == {"instrument"}
        assert all(record["verdict"] == told[record["instrument_seq"]] for record in said)
        assert {record["verdict_as_sent"] for record in said} == {"1", "2"}
        assert {record["verdict_by"] for record in silent} == {"gateway"}
        # to GB/T 5009.199 or NY/T 448, which differ in between
        assert all(record["verdict"] == "positive" for record in silent if float(record["value"]) >= 70)
        assert all(record["verdict"] == "negative" for record in silent if float(record["value"]) < 50)


def test_q20_one_code_for_either_spelling_of_a_unit():
    with both("Q20", "a4", "zero3-ff") as (greek, latin, _, _, _):
        for records, spelling in ((greek, "μg/kg"), (latin, "ug/kg")):
            measured = [record for record in records if record.get("value")]
            assert measured and set(all_of(measured, "unit")) == {"ug/kg"}
            assert set(all_of(measured, "unit_as_sent")) <= {spelling, None}
        assert "μg/kg" in all_of(greek, "unit_as_sent")


def test_q23_a_sum_is_right_from_where_the_profile_says():
    with both("Q23", "a10", "text", extra="profile = push-a10", instead="profile = push-first", profile=push_first()) as rooms:
        assert len(rooms[0]) == len(rooms[1]) == 60


def push_first():
    """The shipped profile with the sum the maker's document tells of."""
    with open(os.path.join(harness.ROOT, "config", "profiles", "push-a10.conf"), encoding="utf-8") as text:
        shipped = text.read()
    assert "sum8 3..53 at 54" in shipped
    return "push-first", shipped.replace("sum8 3..53 at 54", "sum8 0..53 at 54")

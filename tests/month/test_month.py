"""A simulated month of one room comes to exactly the records, groups, flags and manifests of the plan, listed in golden.txt."""
import harness_path  # noqa: F401 (finds the harness)
import expect
import harness
import month
import plan
import pytest

pytestmark = pytest.mark.skipif(harness.SANITIZED, reason="a sanitizer must be the first library, and so must the shim")


def golden():
    with open(month.GOLDEN, encoding="utf-8") as file:
        return file.read().splitlines()


def same(want, have):
    differences = month.differences(want, have)
    assert not differences, "\n".join(differences[:50])


def test_the_listing_says_what_the_plan_comes_to():
    same(expect.Expectation(plan.read()).lines(), golden())


def test_a_month_yields_exactly_the_listing():
    listing, faults = month.simulate(plan.read())
    assert faults == []
    same(golden(), listing)


def test_control_a_result_withheld_and_a_certificate_that_does_not_expire_are_found_by_their_lines():
    rows = [row for row in plan.read() if 16 <= row.day.day <= 17]
    withheld = next(row for row in rows if row.instrument == "fr-1")
    assert month.EXPIRES in month.OPERATORS
    listing, faults = month.simulate(rows, withheld=[withheld], operators=month.OPERATORS.replace(month.EXPIRES, "2027-03-15"))
    found = month.differences(expect.Expectation(rows).lines(), listing)
    assert faults == []
    lacking = [line for line in found if line.startswith("-") and "｜fr-1｜" in line]
    assert len(lacking) == 1 and withheld.sample_no in lacking[0]
    unmarked = [line for line in found if "王建国" in line]
    tests = sum(row.inspector == "王建国" for row in rows)
    assert tests and len(unmarked) == 2 * tests and sum("operator_expired" in line for line in unmarked) == tests
    assert [line for line in found if line.startswith("-清单 2026-03-16") and "fr-1 样品3" in line]
    assert [line for line in found if line.startswith("+清单 2026-03-16") and "fr-1 样品2" in line]

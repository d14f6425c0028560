"""tests/QUIRKS.md says which test holds each quirk of the field, and which option of assay-sim shows it: that it stays true.

Also proven to bite, on tables that are wrong."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIRKS = 27
ROW = re.compile(r"^\| Q(\d+) \|(.*)\|$", re.M)
SWITCHED = "tests/e2e/test_quirks_switched.py"
PATH = re.compile(r"^tests/\S+\.(?:c|py)$")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as text:
        return text.read()


def runs(path, name):
    """Whether the file has a test of that name, and runs it."""
    code = read(path) if os.path.exists(os.path.join(ROOT, path)) else ""
    if path.endswith(".py"):
        return re.search(rf"^def {name}\(", code, re.M) is not None
    return re.search(rf"^static void {name}\(void \*\*", code, re.M) is not None and \
        re.search(rf"^\s+(?:cmocka_unit_test\w*|[A-Z]+)\({name}\b", code, re.M) is not None


def switches(path, name, number):
    """Whether the test of that name has the room with and without the quirk."""
    return path == SWITCHED and re.search(rf"^def {name}\(\):\n    with both\(.*\"Q{number}\"", read(path), re.M) is not None


def named_in(cell):
    path = None
    for word in re.findall(r"`([^`]+)`", cell):
        if PATH.match(word):
            path = word
        else:
            yield path, word


def faults_of(table, options):
    faults, numbers = [], []
    for number, rest in ROW.findall(table):
        cells = [cell.strip() for cell in rest.split(" | ")]
        numbers.append(int(number))
        if len(cells) != 4:
            faults.append(f"Q{number}: {len(cells)} cells, not 4")
            continue
        tests = list(named_in(cells[2]))
        faults += [f"Q{number}: {path} runs no test {name}" for path, name in tests if not path or not runs(path, name)]
        if not tests:
            faults.append(f"Q{number}: no test")
        named = re.findall(r"`--([a-z0-9-]+)(?: [^`]*)?`", cells[3])
        faults += [f"Q{number}: assay-sim has no --{name}" for name in named if f'{{ "{name}", ' not in options]
        faults += [f"Q{number}: assay-sim has no --without {other}" for other in re.findall(r"`--without ([^`]*)`", cells[3])
                   if other != f"Q{number}" or f"{{ {number}, OF(" not in options]
        if "`--without " in cells[3] and not any(switches(path, name, number) for path, name in tests):
            faults.append(f"Q{number}: no test of it sees both --without Q{number} and the quirk")
        if not named and not re.match(r"none: \w", cells[3]):
            faults.append(f"Q{number}: neither an option of assay-sim nor a reason why there is none")
    if numbers != list(range(1, QUIRKS + 1)):
        faults.append(f"not Q1 to Q{QUIRKS}, one after the other: {numbers}")
    return faults


def test_each_quirk_has_its_tests_and_its_simulator():
    assert faults_of(read("tests", "QUIRKS.md"), read("tests", "sim", "options_table.c")) == []


def test_a_table_that_is_not_true_is_found_out():
    table, options = read("tests", "QUIRKS.md"), read("tests", "sim", "options_table.c")
    wrong = [
        ("Q12", table.replace("`a_name_cut_inside_a_character_is_marked`", "`a_name_cut_inside_a_character_is_told`", 1)),
        ("Q1", table.replace("`tests/e2e/test_dump8.py`", "`tests/e2e/test_dump9.py`", 1)),
        ("Q6", table.replace("`--float2`", "`--float3`")),
        ("Q12", table.replace("`--without Q12`", "`--without Q13`")),
        ("Q17", table.replace("`test_q17_", "`test_q18_")),
        ("Q21", table.replace("none: it stands in a table of limits, not on a wire", "")),
        ("one after the other", re.sub(r"^\| Q9 .*\n", "", table, flags=re.M)),
    ]
    for what, text in wrong:
        assert text != table
        faults = faults_of(text, options)
        assert faults and all(what in fault for fault in faults), (what, faults)


def test_a_test_that_is_not_run_counts_for_nothing():
    assert runs("tests/unit/test_units.c", "each_spelling_has_its_ucum_code")
    assert not runs("tests/unit/test_units.c", "main")
    assert not runs("tests/unit/test_no_such_file.c", "main")

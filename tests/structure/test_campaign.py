"""The campaign of faults is whole: each row of the matrix has one program, and its README tells what that breaks."""
import importlib.machinery
import importlib.util
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAMPAIGN = os.path.join(ROOT, "tests/campaign")
GROUPS = ("S", "B", "I", "C")


def runner():
    path = os.path.join(CAMPAIGN, "run")
    spec = importlib.util.spec_from_loader("campaign", importlib.machinery.SourceFileLoader("campaign", path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def described():
    """Row -> (program, what is broken, what must hold, control), of the README's tables."""
    with open(os.path.join(CAMPAIGN, "README.md"), encoding="utf-8") as readme:
        rows = re.findall(r"^\| ([SBIC]\d+) \| `([^`]+)` \| (.+) \| (.+) \| (.+) \|$", readme.read(), re.MULTILINE)
    assert len(rows) == len({row[0] for row in rows})
    return {row[0]: row[1:] for row in rows}


def test_each_row_of_the_readme_names_its_program_and_each_program_is_there():
    programs = {row: os.path.basename(path) for row, path in runner().programs().items() if row.startswith(GROUPS)}
    assert {row: it[0] for row, it in described().items() if row.startswith(GROUPS)} == programs
    assert [row for row in runner().ROWS if row.startswith(GROUPS) and row not in programs] == []
    for name in programs.values():
        assert os.access(os.path.join(CAMPAIGN, name), os.X_OK), name


def test_each_program_says_what_it_breaks_and_ends_with_its_own_line():
    for row, path in runner().programs().items():
        with open(path, encoding="utf-8") as source:
            text = source.read()
        assert text.startswith(f'#!/usr/bin/python3\n"""{row}: '), path
        assert re.search(rf'row\.end\("{row}", ', text), path


def test_no_two_programs_are_of_one_row():
    names = [name[:3] for name in os.listdir(CAMPAIGN) if re.match(r"[sbic]\d\d_", name)]
    assert len(names) == len(set(names))

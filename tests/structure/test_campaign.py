"""The campaign of faults is whole: each row of the matrix has one program, and its README tells what that breaks."""
import glob
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys

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


def test_what_the_readme_lets_a_row_last_is_not_cut_off(monkeypatch):
    with open(os.path.join(CAMPAIGN, "README.md"), encoding="utf-8") as readme:
        commands = re.findall(r"`(\w+_SECONDS)=(\d+) make campaign ROWS=(\w+)`", readme.read())
    assert {row for _, _, row in commands} == {"C4", "I5"}
    run, parts = runner(), {"C4": 1, "I5": len(glob.glob(os.path.join(ROOT, "tests/fuzz/fuzz_*.c")))}
    for variable, seconds, row in commands:
        monkeypatch.delenv(variable, raising=False)
        assert run.limit(run.programs()[row], False) == run.FULL_SECONDS
        monkeypatch.setenv(variable, seconds)
        assert run.limit(run.programs()[row], False) >= parts[row] * int(seconds) + 3600


def a_row_of_two_seconds(tmp_path):
    program = tmp_path / "c04_row.py"
    program.write_text('#!/usr/bin/python3\n"""C4: sleeps."""\nimport time\nLASTS = "1 * SOAK_SECONDS"\ntime.sleep(2)\nprint("C4: slept PASS")\n')
    program.chmod(0o755)
    return str(program)


def test_a_row_that_hangs_is_ended_and_one_that_was_made_longer_is_not(tmp_path, monkeypatch):
    program, run = a_row_of_two_seconds(tmp_path), runner()
    monkeypatch.setattr(run, "FULL_SECONDS", 1)
    monkeypatch.delenv("SOAK_SECONDS", raising=False)
    assert run.run("C4", program, False, "build") == ("C4: no end after 1 s FAIL", "FAIL")
    monkeypatch.setenv("SOAK_SECONDS", "20")
    assert run.run("C4", program, False, "build")[1] == "PASS"


# Samples of a day's soak, in its lasting part (16 h): memory that grows by so many KiB a day, and the row's own control of that.
A_DAY = """
import c04_soak as soak
for kib_a_day in (0, 900, 1100):
    samples = [(when, 30000 + kib_a_day * when / 86400, 20) for when in range(0, 57600, 20)]
    print(soak.grows(samples), soak.grows(soak.leaky(samples)))
"""


def test_a_day_of_soak_finds_a_growth_of_one_megabyte():
    done = subprocess.run([sys.executable, "-c", A_DAY], cwd=CAMPAIGN, env={**os.environ, "SOAK_SECONDS": "86400"}, capture_output=True,
                          text=True, check=True)
    assert done.stdout.split() == ["False", "True"] * 2 + ["True", "True"]

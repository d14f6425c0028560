"""Broken configurations: each gets its places and remedies, nothing else is blamed, and nothing is started.

Each folder of tests/config-faults/ is a configuration with an `expect` file of lines `FILE:LINE: words` (`FILE: words` for
a fault of the file as a whole).
"""
import os
import re
import shutil
import subprocess
import tempfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
FOLDER = os.path.join(ROOT, "tests", "config-faults")
CASES = sorted(os.listdir(FOLDER))
FAULT = re.compile(r"(?P<file>[^:\s][^:]*)(?::(?P<line>\d+))?(?::(?P<column>\d+))?: (?P<text>\S.*)")
WARNING = "warning: "


def run(directory, scratch, *arguments, language="C.UTF-8"):
    """assayd with private places for everything it might create."""
    environment = {**os.environ, "LC_ALL": language, "LANGUAGE": "", "STATE_DIRECTORY": os.path.join(scratch, "state"),
                   "RUNTIME_DIRECTORY": os.path.join(scratch, "run"), "ASSAYD_DATADIR": os.path.join(ROOT, "config")}
    environment.pop("CREDENTIALS_DIRECTORY", None)
    return subprocess.run([os.path.join(BUILD, "assayd"), *arguments, "-c", directory], env=environment, timeout=30,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def faults_of(output, directory):
    """(file, line, text) of every error; excerpts and carets are indented."""
    found = []
    for line in output.decode("utf-8").splitlines():
        match = None if line.startswith(" ") else FAULT.fullmatch(line)
        if match and match["file"].startswith(directory + os.sep) and not match["text"].startswith(WARNING):
            found.append((os.path.relpath(match["file"], directory), int(match["line"] or 0), match["text"]))
    return found


def expected_of(directory):
    with open(os.path.join(directory, "expect"), encoding="utf-8") as lines:
        for line in lines:
            path, number, words = re.fullmatch(r"([^:]+):(?:(\d+):)? (.*)\n", line).groups()
            yield path, int(number or 0), words


@pytest.mark.parametrize("case", CASES)
def test_each_fault_has_its_place_and_its_remedy(case, tmp_path):
    directory = os.path.join(FOLDER, case)
    done = run(directory, str(tmp_path), "--check")
    assert done.returncode == 78, done.stdout.decode("utf-8", "replace")
    found, missing = faults_of(done.stdout, directory), []
    for path, line, words in expected_of(directory):
        hit = next((fault for fault in found if fault[:2] == (path, line) and words in fault[2]), None)
        if hit:
            found.remove(hit)
        else:
            missing.append(f"{path}:{line}: {words}")
    assert not missing, "not said: " + "; ".join(missing) + "\n" + done.stdout.decode("utf-8", "replace")
    assert not found, f"blamed without need: {found}"


@pytest.mark.parametrize("case", CASES)
def test_every_sentence_says_what_would_be_right(case, tmp_path):
    directory = os.path.join(FOLDER, case)
    for path, _, text in faults_of(run(directory, str(tmp_path), "--check").stdout, directory):
        what, _, remedy = text.partition("; ")
        assert (len(what) > 5 and len(remedy) >= 5) or path.startswith("profiles/"), text  # profiles: the driver's words


@pytest.mark.parametrize("case", CASES)
def test_a_broken_configuration_starts_nothing(case, tmp_path):
    done = run(os.path.join(FOLDER, case), str(tmp_path))
    assert done.returncode == 78
    assert os.listdir(tmp_path) == []


def test_there_are_a_hundred_of_them():
    assert len(CASES) >= 100


def test_faults_are_told_in_order_with_the_line_and_a_caret(tmp_path):
    directory = os.path.join(FOLDER, next(case for case in CASES if case.endswith("several-in-several-files")))
    output = run(directory, str(tmp_path), "--check").stdout.decode("utf-8")
    places = [fault[:2] for fault in faults_of(output.encode(), directory)]
    assert places == sorted(places)
    lines = output.splitlines()
    at = next(i for i, line in enumerate(lines) if "six digits" in line)
    assert lines[at + 1] == "    county = 33042"
    assert lines[at + 2] == "             ^"


NOBODY = 65534


def test_an_unreadable_file_is_named():
    """Root may read everything, so root runs this as nobody."""
    with tempfile.TemporaryDirectory() as etc:
        os.chmod(etc, 0o755)
        path, program = os.path.join(etc, "assayd.conf"), os.path.join(etc, "assayd")
        with open(path, "w", encoding="utf-8") as config:
            config.write("[station]\n")
        os.chmod(path, 0)
        shutil.copy(os.path.join(BUILD, "assayd"), program)  # nobody may not look into every checkout
        done = subprocess.run([program, "--check", "-c", etc], user=NOBODY if os.geteuid() == 0 else None, cwd=etc,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""}, timeout=30, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 78
    assert f"{path}: this file may not be read; give the user that runs assayd the right" in done.stdout.decode("utf-8")


def copy_of_the_example(tmp_path):
    etc = tmp_path / "etc"
    etc.mkdir()
    with open(os.path.join(ROOT, "config", "assayd.conf.example"), encoding="utf-8") as example:
        (etc / "assayd.conf").write_text(example.read(), encoding="utf-8")
    return str(etc)


def test_the_shipped_example_is_fine(tmp_path):
    done = run(copy_of_the_example(tmp_path), str(tmp_path), "--check")
    assert done.returncode == 0, done.stdout.decode("utf-8")


def test_a_socket_s_path_is_never_cut(tmp_path):
    etc = copy_of_the_example(tmp_path)
    done = run(etc, os.path.join(str(tmp_path), "x" * 100), "--check")
    assert done.returncode == 78
    assert "too long for a socket" in done.stdout.decode("utf-8")

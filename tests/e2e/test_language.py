"""Chinese for everything a person reads, on a box that has no Chinese locale, as a small Debian has not."""
import os
import re
import subprocess
import unicodedata

import harness
import pytest

FOLDER = os.path.join(harness.ROOT, "tests", "config-faults")
CHINESE = re.compile("[\u4e00-\u9fff]")
PLACE = re.compile(r"(\S+?)(?::\d+)*: ")
FROM_NOWHERE = ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LC_CTYPE")


def run(language, scratch, program, *arguments, check=None):
    environment = {name: value for name, value in os.environ.items() if name not in FROM_NOWHERE}
    environment.update(STATE_DIRECTORY=os.path.join(scratch, "state"), RUNTIME_DIRECTORY=os.path.join(scratch, "run"),
                       ASSAYD_DATADIR=os.path.join(harness.ROOT, "config"), **language)
    done = subprocess.run([os.path.join(harness.BUILD, program), *arguments], env=environment, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert check is None or done.returncode == check, done.stdout.decode("utf-8", "replace")
    return done.stdout.decode("utf-8", "replace")


def sentences(output):
    """The lines of --check that tell a fault; excerpts and carets are indented."""
    return [line for line in output.splitlines() if not line.startswith(" ")]


def cells(text):
    """Columns a terminal gives the text."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def column_starts(line):
    """Where the columns of a table line begin: after two blanks, or after one where the cell is full."""
    return {cells(line[:match.start()]) for match in re.finditer(r"(?<!\S)\S", line)}


@pytest.mark.parametrize("language", [{"LANG": "zh_CN.UTF-8"}, {"LC_ALL": "zh_CN.UTF-8"}, {"LC_MESSAGES": "zh_CN.utf8"},
                                      {"LANG": "zh_CN.GB18030"}, {"LANG": "zh_TW.UTF-8"}, {"LANGUAGE": "zh_CN:zh"},
                                      {"LANG": "C.UTF-8", "LANGUAGE": "zh_CN"}], ids=str)
def test_whoever_asks_for_chinese_gets_it_without_further_set_up(language, tmp_path):
    directory = os.path.join(FOLDER, "009-county-letter-o")
    said = sentences(run(language, str(tmp_path), "assayd", "--check", "-c", directory, check=78))
    assert said == [f"{directory}/assayd.conf:3:10: county“33O421”不是 GB/T 2260 的代码；请写六位数字，例如 330421"]


@pytest.mark.parametrize("language", [{}, {"LANG": "C.UTF-8"}, {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, {"LANG": "en_GB.UTF-8"},
                                      {"LANG": "zh_CN.UTF-8", "LANGUAGE": "en"}], ids=str)
def test_nobody_else_gets_chinese(language, tmp_path):
    directory = os.path.join(FOLDER, "009-county-letter-o")
    said = sentences(run(language, str(tmp_path), "assayd", "--check", "-c", directory, check=78))
    assert len(said) == 1 and "is no code of GB/T 2260" in said[0]


@pytest.mark.parametrize("case", sorted(os.listdir(FOLDER)))
def test_every_fault_stands_at_the_same_place_in_chinese(case, tmp_path):
    directory = os.path.join(FOLDER, case)
    chinese = sentences(run({"LANG": "zh_CN.UTF-8"}, str(tmp_path), "assayd", "--check", "-c", directory, check=78))
    english = sentences(run({"LANG": "C.UTF-8"}, str(tmp_path), "assayd", "--check", "-c", directory, check=78))
    assert [PLACE.match(line)[0] for line in chinese] == [PLACE.match(line)[0] for line in english]
    for line in chinese:
        text = line[PLACE.match(line).end():]
        assert CHINESE.search(text), line
        assert not re.search("[\u4e00-\u9fff][,;:?!]", text), f"ASCII punctuation in Chinese: {line}"


def test_the_help_of_every_setting_is_chinese(tmp_path):
    example = run({"LANG": "zh_CN.UTF-8"}, str(tmp_path), "assayctl", "settings", "--example", check=0)
    english = run({"LANG": "C.UTF-8"}, str(tmp_path), "assayctl", "settings", "--example", check=0)
    told = "\n".join(line for line in example.splitlines() if line.startswith("# "))
    assert CHINESE.search(told)
    for line in english.splitlines():
        if line.startswith("# "):
            assert line not in told, f"in English still: {line}"
        elif line:
            assert line in example.splitlines(), "what a person types is the same in every language"
    page = run({"LANG": "zh_CN.UTF-8"}, str(tmp_path), "assayctl", "settings", "--man", check=0)
    assert not "。." in page
    for title in re.findall(r"^\.Ss (?:seven-e-aa|modbus)\n(.*)$", page, re.MULTILINE):
        assert CHINESE.search(title), title


def test_the_example_in_chinese_is_a_configuration(tmp_path):
    languages = {"zh": {"LANG": "zh_CN.UTF-8"}, "en": {"LANG": "C.UTF-8"}}
    places = {}
    for name, language in languages.items():
        directory = tmp_path / name
        directory.mkdir()
        example = run(language, str(tmp_path), "assayctl", "settings", "--example", check=0)
        (directory / "assayd.conf").write_text(example, encoding="utf-8")
        said = sentences(run({"LANG": "C.UTF-8"}, str(tmp_path), "assayd", "--check", "-c", str(directory)))
        places[name] = [line.split(": ", 1)[-1] for line in said]
    assert [re.sub(r"/\S+", "", text) for text in places["zh"]] == [re.sub(r"/\S+", "", text) for text in places["en"]]


def test_tables_align_where_a_character_is_two_cells_wide():
    with harness.Room() as room:
        sim = room.sim("reader-1", "a2", ("--tcp", "127.0.0.1:0"), "--seed", "5", "--rate", "20", "--results", "8")
        instruments = (f"[instrument reader-1]\ndriver = seven-e-aa\nport = tcp:{sim.address}\npoll = 100ms\n"
                       f"[instrument away]\ndriver = seven-e-aa\nport = tcp:127.0.0.1:{harness.free_port()}\n")
        language = {"LANG": "zh_CN.UTF-8"}
        daemon = room.daemon(instruments, f"broker = mqtt://127.0.0.1:{harness.free_port()}\nreconnect-min = 1min",
                             env={"LC_ALL": "", "LANG": "zh_CN.UTF-8"})
        daemon.start()
        harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["stored"] >= 8, 30, "results stored")
        harness.wait_for(lambda: daemon.status()["instruments"]["away"]["health"] == "no_link", 30, "no link")
        harness.wait_for(lambda: daemon.status()["targets"]["county"]["state"] == "down", 30, "the target down")
        status = run(language, room.path(""), "assayctl", "-c", daemon.conf, "status", check=0).splitlines()
        log = daemon.log()
        listed = run(language, room.path(""), "assayctl", "-c", daemon.conf, "list", check=0).splitlines()
    assert "已就绪：站点 330421103-01，仪器 2 台，目标 1 个" in log
    for word in ("正常", "无连接", "断开"):
        assert any(word in line for line in status), (word, status)
    head = next(line for line in status if line.startswith("仪器"))
    rows = [line for line in status if line.startswith(("reader-1 ", "away "))]
    assert len(rows) == 2 and "最近通信" in head
    for row in rows:
        assert column_starts(head) - {0} <= column_starts(row), "\n".join(status)
    head = next(line for line in status if line.startswith("目标"))
    assert column_starts(head) <= column_starts(next(line for line in status if line.startswith("county "))), "\n".join(status)
    head = listed[0]
    assert "样品编号" in head and "检测结果" in head
    rows = [line for line in listed[1:] if "* " not in line]
    assert rows
    for row in rows:
        assert column_starts(head) <= column_starts(row), "\n".join(listed)


def test_the_catalogue_has_every_message():
    done = subprocess.run([os.path.join(harness.ROOT, "tests", "locale"), "--check"], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

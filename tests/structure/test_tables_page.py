"""assayd-tables(5) names every column of the tables, every word of a rule and every flag the judge can raise."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as text:
        return text.read()


def page_words(request):
    """What follows `.It Cm` or `.It Li`, without its punctuation."""
    words = set()
    for line in re.findall(rf"^\.It {request} (.*)$", read("config", "man", "assayd-tables.5"), re.M):
        words.update(re.findall(r"[a-z_]+(?:-[a-z]+)*", line))
    return words


def test_every_column_is_explained():
    named = page_words("Cm")
    for file in ("items.c", "items_limits.c", "operators.c", "lots.c"):
        columns = re.findall(r'^\t\[\w+\] = \{ "(\w+)", (?:true|false) \}', read("daemon", file), re.M)
        assert len(columns) >= 7, file
        assert [column for column in columns if column not in named] == [], file


def test_every_rule_is_explained():
    words = re.findall(r'^\t\{ "([a-z-]+)", RULE_\w+, SHAPE_\w+ \}', read("daemon", "rule.c"), re.M)
    assert len(words) >= 7
    assert [word for word in words if word not in page_words("Li")] == []


def test_every_flag_is_explained():
    code = "".join(read("daemon", file) for file in ("judge.c", "judge_station.c", "judge_quality.c", "record.c"))
    flags = set(re.findall(r'flag\(to, "(\w+)"\)|\(flags, js_new_text\("(\w+)"\)\)', code))
    flags = {name for pair in flags for name in pair if name}
    flags.update(re.findall(r'return "(\w+)";', re.search(r"reading_mark_name\(.*?^}", read("drivers", "reading.c"), re.S | re.M).group()))
    assert len(flags) >= 20
    assert sorted(flags - page_words("Li")) == []

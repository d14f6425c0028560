"""What assay-sim can do stands in its help and in its manual page: every archetype, every option."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as text:
        return text.read()


def test_help_and_page_name_all_there_is():
    code, page = read("tests", "sim", "options_table.c"), read("config", "man", "assay-sim.1")
    options = re.findall(r'\{ "([a-z0-9-]+)", (?:no|required)_argument,', code)
    archetypes = re.findall(r'\{ "([a-z0-9-]+)", ARCHETYPE_', code)
    assert len(options) > 50 and len(archetypes) > 20
    helped = code[code.index("const char options_help[]"):code.index("options_names[]")]
    for name in options:
        if name == "help":
            continue
        assert re.search(rf'^\t"  --{name}[ \\]', helped, re.M), name
        assert re.search(rf"^\.It Fl -{name}(?: Ar \S+)?$", page, re.M), name
    listed = " ".join(re.findall(r"^\.It Cm (.*)$", page, re.M)).split()
    assert [name for name in archetypes if name not in listed] == []


def test_the_page_names_nothing_else():
    code, page = read("tests", "sim", "options_table.c"), read("config", "man", "assay-sim.1")
    for name in re.findall(r"^\.It Fl -(\S+)", page, re.M):
        assert f'{{ "{name}", ' in code, name

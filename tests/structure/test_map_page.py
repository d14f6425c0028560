"""assayd-map(5) names every setting, source, step and ending of a map, and a map may name every member of a record."""
import glob
import json
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What is too long for a field, and what a platform has no use for without what stands beside it.
NOT_NAMED = {"v", "raw", "signals", "said"}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as text:
        return text.read()


PAGE = read("config", "man", "assayd-map.5")


def page_words(request):
    return set(re.findall(r"[a-z][a-z0-9-]*", " ".join(re.findall(rf"^\.It {request} (.*)$", PAGE, re.M))))


def test_every_setting_is_explained():
    settings = re.findall(r'^\t(?:TEXT|ROW)\("([a-z-]+)"', read("daemon", "map.c"), re.M)
    assert len(settings) >= 10
    assert [setting for setting in settings if setting not in page_words("Cm")] == []


def test_every_section_is_explained():
    sections = re.search(r'#define SECTIONS "(.*)"', read("daemon", "map.c")).group(1).split("|")
    assert [section for section in sections if f".Ss [{section}" not in PAGE] == []


def test_every_word_of_a_row_is_explained():
    words = re.findall(r'#define (?:STEPS|ENDINGS) +"(.*)"', read("daemon", "map_row.c"))
    assert len(words) == 2
    words = "|".join(words).split("|") + ["given", "original", "count", "or", "round"]
    assert [word for word in words if word not in page_words("Li") and f".Li {word}" not in PAGE] == []


def members_of(schema, before=""):
    for name, about in schema.get("properties", {}).items():
        if before + name in NOT_NAMED:
            continue
        if about.get("type") == "object":
            yield from members_of(about, before + name + ".")
        elif about.get("type") != "array" or name == "flags":
            yield before + name


def test_a_map_may_name_every_member_of_a_record():
    code = re.search(r"members\[\] =(.*?);", read("daemon", "map_paths.c"), re.S).group(1)
    named = set("".join(re.findall(r'"(.*?)"', code)).split("|"))
    contract = {member for member in members_of(json.loads(read("config", "contract", "record.schema.json")))
                if member.count(".") < 2}
    assert contract - named == set(), "add these words to the list in daemon/map_paths.c"
    assert named - contract == set(), "take these words from the list in daemon/map_paths.c"


def test_every_shipped_map_is_in_the_readme_and_has_a_golden_file():
    readme = read("config", "maps", "README.md")
    for path in glob.glob(os.path.join(ROOT, "config", "maps", "*.conf")):
        name = os.path.basename(path)[:-5]
        assert f"| `{name}` |" in readme
        assert os.path.exists(os.path.join(ROOT, "tests", "maps", name + ".golden"))

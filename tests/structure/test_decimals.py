"""No value passes through binary floating point: 0.1 has no binary form, and a limit of 0.02 must not become 0.0199999996.

drivers/ and daemon/ compute with decimal text (drivers/decimal.h). The only exceptions are the two functions that read the
IEEE 754 numbers instruments send; what they hand on is decimal text."""
import os
import re

from test_layers import ROOT, bare, sources

READERS = re.compile(r"^bool decimal_from_f(?:32|64)\(.*?^}\n", re.S | re.M)  # in drivers/decimal.c only
WORDS = re.compile(r"\b(float|double|_Float\w+|_Decimal\w+|strtof|strtod|strtold|atof|fabsf?|roundf?|lroundf?|powf?|floorf?|ceilf?|"
                   r"long double)\b")
NUMBERS = re.compile(r"(?<![\w.])(?:\d+\.\d*|\.\d+|\d+(?:\.\d*)?[eE][+-]?\d+)[fFlL]?(?!\w)")
FORMATS = re.compile(r'"(?:\\.|[^"\\])*%[-+#0]*(?:\*|\d+)?(?:\.(?:\*|\d+)?)?[lL]?[aAeEgGfF](?:\\.|[^"\\])*"')
CHARACTER = re.compile(r"'(?:\\.|[^'\\\n])'")  # '"' begins no text
TIME_FORMAT = re.compile(r"strf?time\s*\(")


def floats_of(root):
    faults = []
    for folder, name, text in sources(root):
        if (folder, name) == ("drivers", "decimal.c"):
            text = READERS.sub("", text)
        text = CHARACTER.sub("0", text)
        code = bare(text)
        found = [word.group(1) for word in WORDS.finditer(code)] + [number.group() for number in NUMBERS.finditer(code)]
        for line in re.sub(r"/\*.*?\*/", " ", text.replace("%%", ""), flags=re.S).splitlines():
            if FORMATS.search(line) and not TIME_FORMAT.search(line):
                found.append(line.strip())
        faults += [f"{folder}/{name}: binary floating point: {what}" for what in found]
    return faults


def test_no_value_passes_through_binary_floating_point():
    assert floats_of(ROOT) == []


def test_the_readers_of_binary_numbers_are_there():
    with open(os.path.join(ROOT, "drivers", "decimal.c"), encoding="utf-8") as text:
        assert len(READERS.findall(text.read())) == 2


def tree(tmp_path, where, text):
    folder, name = where.split("/")
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / name).write_text(text)
    return floats_of(str(tmp_path))


def test_each_way_into_binary_is_refused(tmp_path):
    for code in ("double x;", "static float f(void);", "x = strtod(text, NULL);", "y = atof(text);", "if (value > 50.0)", "z = 1e3;",
                 'snprintf(out, size, "%.2f", x);', 'sscanf(text, "%lg", &x);'):
        assert tree(tmp_path, "daemon/judge.c", code + "\n"), code


def test_texts_and_comments_may_speak_of_them(tmp_path):
    for code in ("/* a double-byte name, 0.5 points */", '_("close it with a double quote")', 'decimal_compare(x, "0.5")',
                 "dump8_float2 float2 = FLOAT2_AUTO;", 'text("100 % fine")', "a = b.c; x = 0x1E3;"):
        assert tree(tmp_path, "daemon/judge.c", code + "\n") == [], code


def test_only_the_two_readers_of_decimal_c_may(tmp_path):
    reader = "bool decimal_from_f32(char *out, uint32_t bits)\n{\n\tfloat value;\n\treturn value > 0.5f;\n}\n"
    assert tree(tmp_path, "drivers/decimal.c", reader) == []
    assert tree(tmp_path, "drivers/decimal.c", reader + "static double more(void);\n")
    assert tree(tmp_path, "drivers/other.c", reader)

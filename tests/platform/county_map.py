#!/usr/bin/python3
"""county_map.py: records in the shape of a platform's interface, by the map files of assayd-map(5), without assayd.

    county_map.py MAP [--given NAME=VALUE]... [--output FILE] < RECORDS     one record on each line

A second reader of the same files, written from the manual and not from the C: a county can run it over what county.py has
stored (`county.py --export STATION --map MAP`), and a test holds the two readers to the same bytes. Checks no more of a map than
it needs; `assayctl export --map MAP --check` tells every fault with its line. Nothing but the standard library.
"""
import argparse
import csv
import io
import json
import os
import re
import sys
from decimal import ROUND_HALF_UP, Context, Decimal

STEPS = ("table", "time", "decimals", "sign", "is", "without")
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?")
# Python's table of GB 18030 is the edition of 2000. In that of 2005 these got places of their own, and what stood there before
# for private use has none any more, but for U+E7C7.
MOVED = {0x1e3f: 0xe7c7, 0x9fb4: 0xe81e, 0x9fb5: 0xe826, 0x9fb6: 0xe82b, 0x9fb7: 0xe82c, 0x9fb8: 0xe832, 0x9fb9: 0xe843,
         0x9fba: 0xe854, 0x9fbb: 0xe864, 0xfe10: 0xe78d, 0xfe11: 0xe78f, 0xfe12: 0xe78e, 0xfe13: 0xe790, 0xfe14: 0xe791,
         0xfe15: 0xe792, 0xfe16: 0xe793, 0xfe17: 0xe794, 0xfe18: 0xe795, 0xfe19: 0xe796, 0x20087: 0xe816, 0x20089: 0xe817,
         0x200cc: 0xe818, 0x215d7: 0xe831, 0x2298f: 0xe83b, 0x241fe: 0xe855}
GONE = {chr(old) for old in MOVED.values()} - {"\ue7c7"}
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Refused(Exception):
    def __init__(self, field, reason):
        super().__init__(f"{field}: {reason}")
        self.field = field


def read_text(path):
    with open(path, "rb") as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030")


def read_ini(path):
    """{(word, name): {key: value}} in the order of the file."""
    sections, section = {}, None
    for number, line in enumerate(read_text(path).split("\n"), 1):
        line = line.strip(" \t\r")
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            word, _, name = line[1:line.index("]")].strip().partition(" ")
            section = sections.setdefault((word, name.strip()), {})
            continue
        key, equals, value = line.partition("=")
        if not equals or section is None:
            raise ValueError(f"{path}:{number}: neither [section] nor key = value")
        value = value.lstrip(" \t")
        if value.startswith('"'):
            value = value[1:value.index('"', 1)]
        else:  # a comment begins after a blank
            value = re.sub(r"(^|[ \t])[#;].*", "", value).rstrip(" \t")
        section[key.strip()] = value
    return sections


def read_table(path):
    rows = csv.reader(line for line in io.StringIO(read_text(path)) if line.strip() and not line.startswith("#"))
    heads = next(rows)
    return {row[heads.index("code")]: row[heads.index("to")] for row in rows}


class Row:
    """NAME = SOURCE {STEP} {or SOURCE {STEP}} {+ ...} [when MEMBER TEXT] [required | empty] [number]"""

    def __init__(self, name, value, nested):
        self.name, self.path = name, name.split(".") if nested else [name]
        self.words = [(word[1:-1], True) if word.startswith("'") else (word, False)
                      for word in re.findall(r"'[^']*'|[^ \t]+", value)]
        self.records = self.words == [("records", False)]
        self.groups, self.when, self.missing, self.number = [[]], None, None, False
        if not self.records:
            self.read_sources()
            self.read_endings()

    def take(self):
        return self.words.pop(0)

    def next_is(self, *words):
        return bool(self.words) and not self.words[0][1] and self.words[0][0] in words

    def read_sources(self):
        while True:
            text, quoted = self.take()
            source = ("text", text) if quoted else ("given", self.take()[0]) if text == "given" else (text, None)
            steps = []
            while self.next_is(*STEPS):
                step = self.take()[0]
                steps.append((step, None if step == "sign" else self.take()[0],
                              step == "decimals" and self.next_is("round") and bool(self.take())))
            self.groups[-1].append((source, steps))
            if not self.next_is("or", "+"):
                return
            if self.take()[0] == "+":
                self.groups.append([])

    def read_endings(self):
        while self.words:
            word = self.take()[0]
            if word == "when":
                self.when = (self.take()[0], self.take()[0])
            elif word == "number":
                self.number = True
            elif word in ("required", "empty"):
                self.missing = word
            else:
                raise ValueError(f"{self.name}: '{word}' means nothing here")


def member(record, path):
    """The member's text, or None."""
    outer, point, inner = path.partition(".")
    value = record.get(outer)
    if point:
        value = value.get(inner) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value) or None
    if isinstance(value, (int, str)):
        return str(value) or None
    return None


def in_time(text, pattern):
    parts = TIME.match(text)
    if not parts:
        raise ValueError(f"'{text}' is no time")
    year, month, day, hour, minute, second, fraction = parts.groups()
    said = {"yyyy": year, "yy": year[2:], "MM": month, "dd": day, "HH": hour, "mm": minute, "ss": second,
            "SSS": ((fraction or "") + "000")[:3]}
    return re.sub("yyyy|yy|MM|dd|HH|mm|ss|SSS", lambda found: said[found[0]], pattern)


def with_decimals(text, decimals, rounds):
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
        raise ValueError(f"'{text}' is no number")
    exact = Decimal(text)
    rounded = exact.quantize(Decimal(1).scaleb(-int(decimals)), ROUND_HALF_UP, Context(prec=60))
    if rounded != exact and not rounds:
        raise ValueError(f"{text} has more than {decimals} decimals")
    return f"{rounded:f}" if rounded else f"{abs(rounded):f}"


class Map:
    def __init__(self, path, given=None):
        sections = read_ini(path)
        settings = sections[("map", "")]
        self.format, self.encoding = settings["format"], settings.get("encoding", "utf-8")
        self.batch, self.superseded = int(settings.get("batch", "0")), settings.get("superseded", "last")
        self.only = {key: settings.get("only-" + key, "").split() for key in ("kinds", "items", "verdicts", "origins", "tags")}
        self.only["kinds"] = self.only["kinds"] or ["sample"]
        nested = self.format != "csv"
        self.fields = [Row(name, value, nested) for name, value in sections[("field", "")].items()]
        self.envelope = [Row(name, value, nested) for name, value in sections.get(("envelope", ""), {}).items()]
        self.tables = {name: table for (word, name), table in sections.items() if word == "table"}
        for name, file in sections.get(("tables", ""), {}).items():
            self.tables[name] = read_table(os.path.join(os.path.dirname(path), file))
        self.given = {**sections.get(("given", ""), {}), **(given or {})}
        lacking = [name for name, value in self.given.items() if not value]
        if lacking:
            raise ValueError(f"this map needs --given {lacking[0]}=VALUE")

    # ---- which records ----

    def passes(self, record):
        def listed(words, text, prefixes=False):
            return not words or any(text.startswith(word.rstrip("*")) if prefixes or word.endswith("*") else text == word
                                    for word in words)
        return (listed(self.only["kinds"], record["kind"]) and
                listed(self.only["items"], member(record, "item.code") or "") and
                listed(self.only["verdicts"], record.get("verdict", "")) and
                any(listed(self.only["origins"], sample.get("origin", ""), True) and
                    listed(self.only["tags"], sample.get("event", ""))  # or it was so before a correction
                    for sample in (record.get("sample", {}), record.get("correction", {}).get("was", {}))))

    # ---- texts ----

    def step(self, step, text):
        kind, argument, rounds = step
        if kind == "table":
            table = self.tables[argument]
            if text in table and text != "*":
                return table[text] or None
            if "*" not in table:
                raise ValueError(f"'{text}' has no line in table {argument}")
            return text if table["*"] == "*" else table["*"] or None
        if kind == "time":
            return in_time(text, argument)
        if kind == "decimals":
            return with_decimals(text, argument, rounds)
        if kind == "sign":
            return {"<=": "≤", ">=": "≥"}.get(text, text)
        return argument if kind == "is" else "".join(letter for letter in text if letter not in argument)

    def source(self, source, record, original, count):
        kind, argument = source
        if kind == "text":
            return argument
        if kind == "given":
            return self.given[argument]
        if kind == "count":
            return str(count)
        if kind == "original":
            return original
        return member(record, kind)

    def value(self, row, record, original=None, count=1):
        """The row's text; None when it is left out."""
        if row.when and member(record, row.when[0]) != row.when[1]:
            return None
        whole = ""
        try:
            for group in row.groups:
                text = None
                for source, steps in group:
                    text = self.source(source, record, original, count)
                    for step in steps:
                        text = None if text is None else self.step(step, text)
                    if text is not None:
                        break
                if text is None:
                    if row.missing == "required":
                        raise ValueError("the platform demands it")
                    return "" if row.missing == "empty" else None
                whole += text
        except ValueError as reason:
            raise Refused(row.name, reason) from None
        if self.format == "xml" and NOT_IN_XML.search(whole):
            raise Refused(row.name, "a control character")
        if self.encoding == "gb18030" and GONE.intersection(whole):
            raise Refused(row.name, "a character that has no place in GB 18030")
        if row.number and not re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", whole):
            raise Refused(row.name, f"'{whole}' is no number")
        return whole

    def values(self, rows, record, original=None, count=1):
        return [(row, None if row.records else self.value(row, record, original, count)) for row in rows]

    # ---- what is written ----

    def member_text(self, row, text):
        if self.format == "xml":
            return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
        return text if row.number and text else json.dumps(text, ensure_ascii=False)

    def nest(self, values, records=None):
        """[(name, text or nested list)] of rows whose names have points in them."""
        tree = []
        for row, text in values:
            if row.records:
                text = records
            elif text is None:
                continue
            else:
                text = self.member_text(row, text)
            inside = tree
            for name in row.path[:-1]:
                if not inside or inside[-1][0] != name:
                    inside.append((name, []))
                inside = inside[-1][1]
            inside.append((row.path[-1] if not (row.records and self.format == "xml") else None, text))
        return tree

    def written(self, tree):
        if self.format == "xml":
            return "".join(f"\n{inside}\n" if name is None else
                           f"<{name}>{inside if isinstance(inside, str) else self.written(inside)}</{name}>"
                           for name, inside in tree)
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:"
                              f"{inside if isinstance(inside, str) else self.written(inside)}" for name, inside in tree) + "}"

    def record_text(self, values):
        if self.format == "csv":
            return ",".join('"' + text.replace('"', '""') + '"' if re.search('[,"\r\n]', text) else text
                            for text in (text or "" for _, text in values)) + "\r\n"
        text = self.written(self.nest(values))
        if self.format == "xml":
            element = next(row for row in self.envelope if row.records).path[-1]
            return f"<{element}>{text}</{element}>"
        return text + ("\n" if self.format == "jsonl" else "")

    def document(self, texts, record, original):
        if self.format == "jsonl":
            return "".join(texts)
        if self.format == "csv":
            heads = ",".join('"' + row.name.replace('"', '""') + '"' if re.search('[,"\r\n]', row.name) else row.name
                             for row in self.fields)
            return ("\ufeff" if self.encoding == "utf-8" else "") + heads + "\r\n" + "".join(texts)
        records = "\n".join(texts) if self.format == "xml" else "[\n" + ",\n".join(texts) + "\n]"
        if not self.envelope:
            return records + "\n"
        around = self.written(self.nest(self.values(self.envelope, record, original, len(texts)), records))
        encoding = {"utf-8": "UTF-8", "gb18030": "GB18030"}[self.encoding]
        return (f'<?xml version="1.0" encoding="{encoding}"?>\n' if self.format == "xml" else "") + around + "\n"

    def encoded(self, text):
        return text.translate({**MOVED, 0xe7c7: 0x1e3f}).encode("gb18030") if self.encoding == "gb18030" else text.encode()

    def documents(self, records, refused=lambda record, reason: None):
        """The documents as bytes. `records` is a list; `refused` hears of each one that is in none of them."""
        corrections = {record["id"]: record["supersedes"] for record in records if "kind" in record and record.get("supersedes")}
        corrected, events = set(corrections.values()), {record["id"] for record in records if "event" in record}
        texts, alone = [], ({}, None)
        for record in records:
            if "kind" not in record or not self.passes(record) or self.superseded == "last" and record["id"] in corrected:
                continue
            original = record["id"]
            while corrections.get(original) and corrections[original] not in events:
                original = corrections[original]
            try:
                text = self.record_text(self.values(self.fields, record, original))
                if self.batch == 1 and self.envelope:
                    self.values(self.envelope, record, original)
            except Refused as reason:
                refused(record, reason)
                continue
            texts.append(text)
            alone = (record, original) if self.batch == 1 else alone
            if len(texts) == self.batch:
                yield self.encoded(self.document(texts, *alone))
                texts = []
        if texts:
            yield self.encoded(self.document(texts, *alone))


def write(documents, path):
    """day.xml, or day-0001.xml, day-0002.xml ... where the map makes batches. Without a path: standard output."""
    for number, document in enumerate(documents[0], 1):
        if not path:
            sys.stdout.buffer.write(document)
            continue
        stem, ending = os.path.splitext(path)
        with open(f"{stem}-{number:04}{ending}" if documents[1] else path, "wb") as file:
            file.write(document)


def convert(map_path, given, lines, output):
    """0, or 1 when any record was refused."""
    wanted, refusals = Map(map_path, given), []

    def tell(record, reason):
        refusals.append(record["id"])
        print(f"entry {record.get('seq')} ({record['id']}) is not exported: {reason}", file=sys.stderr)

    records = [json.loads(line) for line in lines if line.strip()]
    write((wanted.documents(records, tell), wanted.batch), output)
    return 1 if refusals else 0


def add_arguments(parser):
    parser.add_argument("--given", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--output", metavar="FILE")


def given_of(wanted):
    return dict(item.split("=", 1) for item in wanted.given)


def main():
    parser = argparse.ArgumentParser(description="Records in the shape of a platform's interface.")
    parser.add_argument("map")
    add_arguments(parser)
    wanted = parser.parse_args()
    return convert(wanted.map, given_of(wanted), sys.stdin.buffer, wanted.output)


if __name__ == "__main__":
    sys.exit(main())

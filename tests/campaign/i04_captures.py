#!/usr/bin/python3
"""I4: every capture of tests/captures, whole, byte by byte, in random pieces, read by read as recorded, and cut in two at every
byte, gives byte-identical lines.

Control: with one byte changed each gives other lines, so the comparison sees a single byte."""
import glob
import os
import random
import re
import subprocess

import row

FOLDER = os.path.join(row.ROOT, "tests/captures")


def decode(driver, profile, data):
    words = [os.path.join(row.ROOT, row.BUILD, "assayctl"), "decode", driver, *(["--profile", profile] if profile else [])]
    return subprocess.run(words, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False,
                          env={**os.environ, "ASSAYD_DATADIR": os.path.join(row.ROOT, "config")}).stdout


def capture(path):
    """(driver, profile, bytes, golden lines)"""
    with open(path, encoding="utf-8") as text, open(path[:-4] + ".golden", "rb") as golden:
        lines = text.read()
        named = re.match(r"# profile: (\S+)", lines)
        data = bytes.fromhex("".join(line.split("#")[0] for line in lines.splitlines()))
        return os.path.basename(os.path.dirname(path)), named and named[1], data, golden.read()


def notices_a_byte(driver, profile, data, golden):
    """Not every byte of a dialogue counts: the questions in it do not. One of them must."""
    for _ in range(60):
        at = random.randrange(len(data))
        if decode(driver, profile, data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1:]) != golden:
            return True
    return False


random.seed(4)
paths = [path for path in sorted(glob.glob(f"{FOLDER}/*/*.hex")) if os.path.exists(path[:-4] + ".golden")]
printed, passed, failed = row.unit("test_decode", CUT_EVERY=str(row.size(1, 97)))
places = re.search(r"cut in two at (\d+) places", printed)
noticed, whole = 0, 0
for path in paths[::row.size(1, 3)]:
    driver, profile, data, golden = capture(path)
    whole += decode(driver, profile, data) == golden
    noticed += notices_a_byte(driver, profile, data, golden)
changed = len(paths[::row.size(1, 3)])
row.end("I4", f"{len(paths)} captures of {len({os.path.dirname(path) for path in paths})} drivers, cut at {places[1] if places else 0} "
        f"places: {passed} tests passed, {failed} failed; by assayctl {whole} of {changed} as they should be; control: a changed byte "
        f"noticed in {noticed} of {changed}",
        not failed and places and whole == changed and noticed == changed)

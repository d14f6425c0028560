#!/usr/bin/python3
"""I5: every fuzz target (decoders, configuration, requests, captures, verifier) under libFuzzer with the address and undefined
behaviour sanitizers: no finding. FUZZ_SECONDS is for each target (60; the smoke form 1).

Control: a fault planted in a target of its own is found."""
import os
import re
import shutil
import subprocess

import row

MINUTES = 10
LASTS = "20 * FUZZ_SECONDS"  # as many targets, one after another, on a machine with one core
SECONDS = int(os.environ.get("FUZZ_SECONDS") or row.size(60, 1))


def fuzz(seconds, **environment):
    done = subprocess.run([os.path.join(row.ROOT, "tests/fuzz/run"), str(seconds)], env={**os.environ, **environment}, cwd=row.ROOT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


if not shutil.which("clang"):
    row.skip("I5", "clang is not here: tests/deps fuzz")
code, printed = fuzz(SECONDS)
targets = re.findall(r"^(\w+): \d+ s, (\d+) runs, \d+ edges: (clean|FINDING)", printed, re.MULTILINE)
findings = [name for name, _, end in targets if end != "clean"]
if code:
    row.explain(*printed.splitlines()[-20:])
_, control = fuzz(10, FUZZ_TARGETS="planted_overrun")
with open(os.path.join(row.ROOT, "build-fuzz/planted_overrun.log"), encoding="utf-8", errors="replace") as log:
    found = "FINDING" in control and re.search("AddressSanitizer|runtime error", log.read())
row.end("I5", f"{len(targets)} targets, {SECONDS} s each, {sum(int(runs) for _, runs, _ in targets)} runs, {len(findings)} findings; control: "
        f"a planted fault {'found' if found else 'not found'}",
        code == 0 and targets and not findings and found)

#!/usr/bin/python3
"""C6: the unit as it is shipped. systemd-analyze (offline; nothing is started) verifies it without a word and finds an exposure
of 2.0 at most.

Control: the same unit with a setting misspelt is complained about, and without its sandbox its exposure is over 2.0."""
import os
import re
import shutil
import subprocess
import tempfile

import row

UNIT = os.path.join(row.ROOT, "systemd/assayd.service")
SANDBOX = re.compile(r"^(Protect|Private|Restrict|SystemCall|Capability|NoNew|Memory(Deny)|Lock|ProcSubset|Device|UMask|User|Group).*\n",
                     re.MULTILINE)


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def verify(path):
    """(exit code, words) for the unit with its program where it was built."""
    done = analyze("verify", "--man=no", path)
    return done.returncode, done.stdout.strip()


def exposure(path):
    return float(re.search(r"exposure level for \S+: ([0-9.]+)", analyze("security", "--offline=true", path).stdout)[1])


if not shutil.which("systemd-analyze"):
    row.skip("C6", "systemd-analyze is not here (package systemd)")
with open(UNIT, encoding="utf-8") as source, tempfile.TemporaryDirectory(prefix="assayd-") as scratch:
    text = source.read().replace("/usr/sbin/assayd", os.path.join(row.ROOT, row.BUILD, "assayd"))
    paths = {}
    for name, words in (("shipped", text), ("misspelt", text.replace("RestartSec=", "RestartSecs=")), ("open", SANDBOX.sub("", text))):
        os.mkdir(os.path.join(scratch, name))
        paths[name] = os.path.join(scratch, name, "assayd.service")
        with open(paths[name], "w", encoding="utf-8") as out:
            out.write(words)
    code, words = verify(paths["shipped"])
    _, complaint = verify(paths["misspelt"])
    shipped, without = exposure(paths["shipped"]), exposure(paths["open"])

restarted = re.search(r"^Restart=always$", text, re.MULTILINE) and re.search(r"^WatchdogSec=", text, re.MULTILINE)
if words:
    row.explain(*words.splitlines())
row.end("C6", f"verify: {code}, {len(words.splitlines())} complaints; exposure {shipped}; watchdog and restart: "
        f"{'yes' if restarted else 'no'}; control: misspelt {len(complaint.splitlines())} complaint(s), without the sandbox {without}",
        code == 0 and not words and shipped <= 2.0 and restarted and complaint and without > 2.0)

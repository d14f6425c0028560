#!/usr/bin/python3
"""C5: every broken configuration of tests/config-faults. Each is refused with 78, its places (file:line) and what would be right
are told in English and in Chinese, nothing else is blamed, and nothing is started or written.

Control: the configuration that ships is refused by nobody, in either language."""
import os
import re
import shutil
import tempfile

import row
import harness
import test_config_faults as faults

CASES = faults.CASES[::row.size(1, 4)]
CHINESE = re.compile("[\u4e00-\u9fff]")


def places(directory, scratch, language):
    """(places of the faults, sentences without a remedy), None where --check did not end with 78"""
    done = faults.run(directory, scratch, "--check", language=language)
    if done.returncode != 78:
        return None
    # A semicolon of either language separates what is wrong from what would be right.
    told = [fault for fault in faults.faults_of(done.stdout.replace("；".encode(), b"; "), directory) if not fault[2].startswith("警告：")]
    silent = [text for path, _, text in told if not path.startswith("profiles/") and not re.search(r"; .{3}", text)]
    return sorted(fault[:2] for fault in told), silent, told


def judge(case):
    """What is amiss with one configuration: nothing, when all is well."""
    directory, amiss = os.path.join(faults.FOLDER, case), []
    due = sorted((path, line) for path, line, _ in faults.expected_of(directory))
    with tempfile.TemporaryDirectory(prefix="assayd-") as scratch:
        for language in ("C.UTF-8", "zh_CN.UTF-8"):
            found = places(directory, scratch, language)
            if found is None or found[0] != due:
                amiss.append(f"{language}: {found and found[0]}, due were {due}")
            elif found[1]:
                amiss.append(f"{language}: no remedy in {found[1]}")
            elif language.startswith("zh") and not all(CHINESE.search(text) for _, _, text in found[2]):
                amiss.append(f"{language}: not Chinese: {found[2]}")
        if faults.run(directory, scratch).returncode != 78 or os.listdir(scratch):
            amiss.append(f"started: {os.listdir(scratch)}")
    return amiss


def control():
    """How often the shipped example was refused."""
    with tempfile.TemporaryDirectory(prefix="assayd-") as etc:
        shutil.copy(os.path.join(row.ROOT, "config/assayd.conf.example"), os.path.join(etc, "assayd.conf"))
        return sum(faults.run(etc, etc, "--check", language=language).returncode != 0 for language in ("C.UTF-8", "zh_CN.UTF-8"))


wrong = {case: amiss for case, amiss in ((case, judge(case)) for case in CASES) if amiss}
for case, amiss in wrong.items():
    row.explain(*(f"{case}: {words}" for words in amiss))
refused = control()
row.end("C5", f"{len(CASES)} bad configurations, each in English and Chinese: {len(CASES) - len(wrong)} refused with 78, every place, a "
        f"remedy, nothing started; {len(wrong)} amiss; control: the shipped one refused {refused} times",
        not wrong and not refused and len(CASES) >= row.size(100, 25))

#!/usr/bin/python3
"""I2: answers that come 0.1 to 3 s late, by 0.05 s, while something else is being asked. Not one value is wrong, none is lost.

Twice: analyzers through the whole daemon; and the link alone, whose every question is of equal length, so that nothing but
the quarantine keeps a late answer out. Control: the link without the quarantine takes wrong values."""
import concurrent.futures
import re

import row
import late
import testroom

STEPS = late.STEPS[::row.size(1, 6)]

with concurrent.futures.ThreadPoolExecutor() as pool:
    through_daemon = pool.submit(late.measure, "3000ms", STEPS, row.size(10, 2), 9, row.size(300, 60))
    at_link = pool.submit(row.unit, "test_link_modbus")
verdict, missed, quarantines = through_daemon.result()
printed, _, failed = at_link.result()
right, wrong, control_right, control_wrong = map(int, re.search(
    r"by 0.1..3 s in steps of 0.05 s: (\d+) right, (\d+) wrong.*same without waiting: (\d+) right, (\d+) wrong", printed, re.S).groups())
row.end("I2", f"daemon, {len(STEPS)} latenesses from {STEPS[0] / 1000} to {STEPS[-1] / 1000} s: {testroom.count_of(verdict)}, {missed} "
        f"answers missed, {quarantines} quarantines; link, 59 latenesses: {right} values right, {wrong} wrong; control, no "
        f"quarantine: {control_wrong} of {control_right + control_wrong} wrong",
        not testroom.amiss(verdict) and missed > 0 and not failed and wrong == 0 and control_wrong > 0)

#!/usr/bin/python3
"""S1: kill -9 at random moments under load: of a room that is polled, and of a daemon to which analyzers push results that they
forget when they are acknowledged. Nothing lost, doubled or damaged, SQLite's integrity_check finds nothing after any kill; ready in
under 2 s after every start.

Control: the same daemon under a shim that acknowledges each frame as it arrives, before the commit, must lose. (That the judging
finds a loss, a double, a broken chain and a damaged file is proven in tests/e2e/test_harness.py.)"""
import row
import kill
import store_faults as store

passed, polled = kill.campaign(kills=row.size(500, 20), seed=1, rate=20, report=row.explain)
count, hasty_count = row.size(100, 5), row.size(20, 5)
pushed = store.kills(count, seed=2)
hasty = store.kills(hasty_count, seed=3, hasty=True)
row.explain(*pushed.faults[:3])
row.end("S1", f"{polled}; {count} kills under analyzers that push: {pushed.figures()}; control, acknowledged before the commit, "
        f"{hasty_count} kills: lost {hasty.lost} of {hasty.told}",
        passed and pushed.sound() and pushed.whole == count < pushed.told and hasty.lost > 0)

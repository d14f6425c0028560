#!/usr/bin/python3
"""S3: the control for S2: the same cuts must lose something where the disk is not waited for.

Under the daemon a shim answers every sync of the journal with "done" and does nothing: a disk that lies. Under the journal alone
it is opened with synchronous=NORMAL; that loses in about one cut of four, so the smoke form, with few cuts, leaves it out."""
import row
import store_faults as store

store.need_root("S3", "mkfs.ext4")
cuts = row.size(30, 2)
verdict, with_loss = store.power_cuts("ext4", cuts, seed=3, lying=True)
figures = f"a lying disk under the daemon: lost {verdict.lost} of {verdict.told} in {with_loss} of {cuts} cuts"
passed = with_loss > 0 < verdict.lost
if not row.SMOKE:
    alone = store.journal_cuts("ext4", 30, "--unsafe")
    figures += f"; synchronous=NORMAL: lost {alone['lost']} of {alone['acknowledged']} in {alone['cuts_with_loss']} of {alone['cuts']}"
    passed = passed and alone["cuts_with_loss"] > 0
row.end("S3", figures, passed)

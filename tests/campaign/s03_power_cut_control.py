#!/usr/bin/python3
"""S3: the control for S2: the same cuts, on ext4 and on xfs, must lose something where the disk is not waited for.

Under the daemon a shim answers every sync of the journal with "done" and does nothing: a disk that lies. Under the journal alone
it is opened with synchronous=NORMAL; that loses in about one cut of four, so the smoke form, with few cuts, leaves it out."""
import row
import store_faults as store

store.need_root("S3", "mkfs.ext4", "mkfs.xfs")
cuts = row.size(30, 2)
figures, passed = [], True
for seed, fs in enumerate(("ext4", "xfs"), 3):
    verdict, with_loss = store.power_cuts(fs, cuts, seed, lying=True)
    figures.append(f"{fs}, a lying disk under the daemon: lost {verdict.lost} of {verdict.told} in {with_loss} of {cuts} cuts")
    passed = passed and with_loss > 0 < verdict.lost
    if not row.SMOKE:
        alone = store.journal_cuts(fs, 30, "--unsafe")
        figures.append(f"{fs}, synchronous=NORMAL: lost {alone['lost']} of {alone['acknowledged']} in {alone['cuts_with_loss']} of "
                       f"{alone['cuts']}")
        passed = passed and alone["cuts_with_loss"] > 0
row.end("S3", "; ".join(figures), passed)

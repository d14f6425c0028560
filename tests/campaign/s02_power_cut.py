#!/usr/bin/python3
"""S2: the power fails, on ext4 and on xfs: under the whole daemon while four analyzers push results that they forget when they
are acknowledged, and under the journal alone while four threads append as fast as it can. Of what was acknowledged before the
cut nothing is lost, and the chain is whole; SQLite's integrity_check finds nothing after any cut.

The control is S3."""
import row
import store_faults as store

store.need_root("S2", "mkfs.ext4", "mkfs.xfs")
cuts = row.size(100, 2)
figures, passed = [], True
for seed, fs in enumerate(("ext4", "xfs"), 1):
    verdict, _ = store.power_cuts(fs, cuts, seed)
    alone = store.journal_cuts(fs, row.size(100, 1))
    figures.append(f"{fs} {cuts} cuts under the daemon: {verdict.figures()}; {alone['cuts']} under the journal: "
                   f"{alone['acknowledged']} acknowledged, lost {alone['lost']}, damaged {alone['damaged']}, integrity ok {alone['integrity_ok']}/{alone['cuts']}")
    row.explain(*verdict.faults[:5])
    passed = (passed and verdict.sound() and verdict.told > cuts and verdict.whole == cuts and alone["integrity_ok"] == alone["cuts"]
              and alone["lost"] == 0 == alone["damaged"] < alone["acknowledged"])
row.end("S2", "; ".join(figures), passed)

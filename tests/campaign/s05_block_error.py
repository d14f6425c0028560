#!/usr/bin/python3
"""S5: the block device under the journal fails every write with EIO, and heals: nbdkit's error filter behind nbdfuse and a loop.

While it fails nothing is acknowledged; the daemon says so, its process goes on, and once the disk is well it stores again without
a restart. By decision it buffers no result in memory meanwhile, which the matrix would allow: what a power cut could take away
is left with the instrument, which keeps it until it is acknowledged ("store, then acknowledge"). So the figure is: 0 buffered.

That the fault is there is proven each time by a write of the row's own, which must fail."""
import time

import row
import harness
import store_faults as store


def episode(disk, daemon, pusher, seconds):
    """One failure and its healing: (results acknowledged meanwhile, whether others' writes failed, ms to the first one after)."""
    enough = len(pusher.told()) + 20
    harness.wait_for(lambda: len(pusher.told()) >= enough, 60, "results that are acknowledged")
    began = disk.fail()
    bitten = False
    while time.monotonic_ns() - began < seconds * 1e9:
        bitten = disk.fails() or bitten
        time.sleep(0.2)
    healed = disk.heal()
    untrue = [one for one in pusher.told() if one.sent_ns > began and one.told_ns < healed]
    after = harness.wait_for(lambda: [one for one in pusher.told() if one.told_ns > healed], 60, "a result after the disk is well")
    assert daemon.alive()
    return len(untrue), bitten, (after[0].told_ns - healed) // 1000000


store.need_root("S5", "nbdkit", "nbdfuse", "mkfs.ext4", "fusermount3")
with harness.Room() as room:
    trigger = room.path("failing")
    with store.BrokenDisk(room, "error", "error-pwrite=EIO", "error-pwrite-rate=100%", f"error-file={trigger}") as disk:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        port = harness.free_port()
        daemon = room.daemon(store.analyzer(1, port), store.TARGET.format(port=broker.port)).start()
        pusher = store.Pusher(port)
        pusher.start()
        episodes = [episode(disk, daemon, pusher, seconds) for seconds in row.size((1, 2, 5, 10, 30), (2,))]
        told = harness.wait_for(lambda: store.events(subscriber, "store_failed"), 10, "the event store_failed")
        pusher.stop()
        store.wait_for_all(subscriber, [pusher])
        verdict = store.judge(pusher.told(), store.journal_lines(daemon), store.payloads(subscriber))
        row.explain(*verdict.faults[:5])
untrue, slowest = sum(one[0] for one in episodes), max(one[2] for one in episodes)
bitten = sum(one[1] for one in episodes)
row.end("S5", f"{len(episodes)} failures of the disk ({bitten} also met by the row's own writes), buffered in memory 0, acknowledged "
        f"meanwhile {untrue}, stored again {slowest} ms after it was well at the latest, {len(told)} events store_failed, "
        f"{verdict.figures()}, restarts 0", verdict.sound() and untrue == 0 and bitten == len(episodes) and slowest < 10000)

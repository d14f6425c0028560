#!/usr/bin/python3
"""S8: no inode left, a read-only file system, no permission: at the start, and while it runs.

At the start one line in the log names the path and the reason. Where a person has to set something right (permission) the exit
is 78, with which systemd waits for that person. Where the disk may mend itself (read-only after an error, no inode left) it is 1
by decision, with which systemd tries again every 2 s: the matrix says 78 there too, but giving up would stop the capture.

While it runs: nothing is acknowledged that is not stored, the log names path and reason, the process goes on. Lack of inodes does
not matter then. Permission taken from the journal's directory is met when it is opened anew after a failed sync; given back, the
daemon goes on without a restart. A file system that its own error made read-only cannot be mended under a daemon that has files
open: it goes on after a restart, with everything that was acknowledged."""
import contextlib
import glob
import os
import subprocess

import row
import harness
import store_faults as store

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


def line_at_start(daemon, reason):
    """The one line about it, and the exit code."""
    with contextlib.suppress(AssertionError):
        daemon.start()
        raise RuntimeError("it started")
    lines = [line for line in daemon.log().splitlines() if line.startswith("<3>")]
    good = len(lines) == 1 and reason in lines[0] and daemon.state in lines[0]
    if not good:
        row.explain(f"wanted one line with {daemon.state} and {reason!r}:", *lines)
    return good, daemon.child.wait(10)


def at_start():
    """name -> (one line with path and reason, exit code, wanted)"""
    found = {}
    with harness.Room() as room, store.Small(room, "size=8m,nr_inodes=2") as disk:
        with open(os.path.join(disk.where, "theirs"), "w", encoding="utf-8"):
            pass
        found["no inode"] = (*line_at_start(room.daemon(""), "No space left on device"), 1)
    with harness.Room() as room, store.Small(room, "size=8m") as disk:
        store.must("mount", "-o", "remount,ro", disk.where)
        found["read-only"] = (*line_at_start(room.daemon(""), "Read-only file system"), 1)
    with harness.Room() as room:
        os.chmod(room.directory, 0o755)
        os.mkdir(room.path("state"), 0o700)
        daemon = room.daemon("", wrapper=NOBODY)
        found["no permission"] = (*line_at_start(daemon, "Permission denied"), 78)
    return found


def begin(room, **options):
    port = harness.free_port()
    broker = room.broker()
    subscriber = room.subscriber(broker.port)
    daemon = room.daemon(store.analyzer(1, port), store.TARGET.format(port=broker.port), **options)
    pusher = store.Pusher(port)
    return subscriber, daemon, pusher


def more(pusher, count=20):
    enough = len(pusher.told()) + count
    harness.wait_for(lambda: len(pusher.told()) >= enough, 60, "results that are acknowledged")


def end(subscriber, daemon, pusher):
    more(pusher)
    pusher.stop()
    store.wait_for_all(subscriber, [pusher])
    return store.judge(pusher.told(), store.journal_lines(daemon), store.payloads(subscriber))


def no_inode_at_run_time():
    with harness.Room() as room, store.Small(room, "size=32m,nr_inodes=64") as disk:
        subscriber, daemon, pusher = begin(room)
        daemon.start()
        pusher.start()
        more(pusher)
        with contextlib.suppress(OSError):
            for number in range(100):
                with open(os.path.join(disk.where, f"theirs-{number}"), "w", encoding="utf-8"):
                    pass
        gone = os.statvfs(disk.where).f_ffree == 0
        more(pusher, 200)
        return end(subscriber, daemon, pusher), gone and daemon.alive()


def no_permission_at_run_time():
    """The daemon is nobody; its directory is closed to it, then a sync fails, and the journal cannot be opened anew."""
    with harness.Room() as room:
        os.umask(0)  # the daemon is not root: it must reach the socket of its manager
        os.chmod(room.directory, 0o777)
        os.mkdir(room.path("state"), 0o700)
        os.chown(room.path("state"), 65534, 65534)
        subscriber, daemon, pusher = begin(room, wrapper=NOBODY, env={
            "LD_PRELOAD": f"{store.EIO_SHIM}:{harness.SHIM}", "EIO_AT": "60", "EIO_TIMES": "1"})
        daemon.start()
        os.chmod(daemon.state, 0)
        pusher.start()
        harness.wait_for(lambda: "wait at the instrument" in daemon.log() and "Permission denied" in daemon.log(), 60, "the line")
        before = len(pusher.told())
        said = daemon.state in next(line for line in daemon.log().splitlines() if "Permission denied" in line)
        quiet = len(pusher.told()) == before
        os.chmod(daemon.state, 0o700)
        return end(subscriber, daemon, pusher), said and quiet and daemon.alive()


def read_only_at_run_time():
    """The kernel makes the file system read-only, as after an error in its own data."""
    with harness.Room() as room:
        disk = store.Disk(room, "ext4")
        disk.format()
        with disk.in_use(room):
            disk.mount("errors=remount-ro")
            subscriber, daemon, pusher = begin(room)
            daemon.start()
            pusher.start()
            more(pusher)
            device = os.path.basename(store.must("findmnt", "-n", "-o", "SOURCE", disk.where).strip())
            with open(f"/sys/fs/ext4/{device}/trigger_fs_error", "w", encoding="utf-8") as trigger:
                trigger.write("row S8")
            harness.wait_for(lambda: "wait at the instrument" in daemon.log(), 60, "the line about what waits")
            said = any(daemon.state in line for line in daemon.log().splitlines() if "wait at the instrument" in line)
            degraded = daemon.alive() and daemon.status()["instruments"]["host-1"]["health"] == "faulty"
            daemon.stop(seconds=30)
            disk.unmount()
            subprocess.run(["e2fsck", "-p", disk.image], stdin=subprocess.DEVNULL, capture_output=True, check=False)
            disk.mount()
            daemon.start()
            return end(subscriber, daemon, pusher), said and degraded


store.need_root("S8", "setpriv", "mkfs.ext4", "findmnt")
starts = at_start()
figures = [f"at the start {name}: {'one line' if good else 'NO line'} with path and reason, exit {code}" for name, (good, code, _) in
           starts.items()]
passed = all(good and code == wanted for good, code, wanted in starts.values())
runs = [("no inode", no_inode_at_run_time), ("no permission", no_permission_at_run_time)]
if glob.glob("/sys/fs/ext4"):
    runs.append(("read-only", read_only_at_run_time))
for name, run in runs:
    verdict, good = run()
    row.explain(*verdict.faults[:5])
    figures.append(f"at run time {name}: {'degraded and recovered' if good else 'NOT as promised'}, {verdict.figures()}")
    passed = passed and good and verdict.sound() and verdict.told > 20
if len(runs) < 3:
    figures.append("at run time read-only: NOT tried, this kernel has no /sys/fs/ext4 to make an error with")
row.end("S8", "; ".join(figures), passed)

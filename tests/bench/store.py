"""Sections about the journal and the way to the broker: pushing, draining, starting, wear, readers."""
import os
import shutil
import socket
import tempfile

from measure import figure, harness, median, proxy, run, sized

WINDOW = 20         # the default
RECORD_BYTES = 925  # as published by the room of `make demo`: A2 880, A2b 925, A6b 1,170 bytes on average
OTHER_BYTES = (880, 1170)
HEAD_BYTES = 209    # of them the journal's head, which is not stored with each record
TARGET = "broker = mqtt://127.0.0.1:{port}\nwindow = {window}\n"
READER = "[instrument pr-1]\ndriver = seven-e-aa\nport = tcp:127.0.0.1:9\n"


def push():
    with harness.Room() as room:
        broker = room.broker()
        daemon = room.daemon(READER, TARGET.format(port=broker.port, window=WINDOW))  # for its configuration only
        got = run("push", daemon.conf, sized(500, 3000))["push"]
        more = {key: got[key] for key in ("results", "bytes", "stored_p50_ms", "max_ms", "bare_max_ms")}
        figure("push latency p50", got["p50_ms"], "ms", "<= bare commit + 0.5 ms", got["p50_ms"] <= got["bare_p50_ms"] + 0.5,
               "bare SQLite commit p50", got["bare_p50_ms"], **more)
        figure("push latency p99", got["p99_ms"], "ms", "<= 10 ms", got["p99_ms"] <= 10,
               "bare SQLite commit p99", got["bare_p99_ms"])


DEAD = """
[target refusing]
broker = mqtt://127.0.0.1:{refusing}
reconnect-min = 100ms
reconnect-max = 1s
[target silent]
broker = mqtt://127.0.0.1:{silent}
reconnect-min = 100ms
reconnect-max = 1s
"""
SLOW = """
[target slow]
broker = mqtt://127.0.0.1:{slow}
window = 1
"""
LATENCY_S = 0.02  # each way: with a window of one, 25 records a second of some 100


def beside(room, others, what):
    """A live target's latency beside others, in turn with the same without them: some rounds a second apart, because the
    machine's own mood changes it by more."""
    broker = room.broker()
    daemon = room.daemon(READER, TARGET.format(port=broker.port, window=WINDOW) + others)
    got = run("push", daemon.conf, 40, sized(24, 200))["push"]
    for name, most in (("p50", 1.05), ("p99", None)):
        alone, among = got[f"{name}_ms"], got[f"beside_{name}_ms"]
        figure(f"push latency {name} beside {what}", among, "ms", "< 5 % more" if most else "told only",
               most is None or among < most * alone, "without", alone, results=got["results"])


def targets():
    with harness.Room() as room, socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # takes connections, says nothing
        beside(room, DEAD.format(refusing=harness.free_port(), silent=silent.getsockname()[1]), "two dead targets")
    with harness.Room() as room:
        link = proxy.Proxy(room.broker().port)
        link.delay_s = (LATENCY_S, LATENCY_S)
        beside(room, SLOW.format(slow=link.port), "a slow target")


def drop_from_cache(path):
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def start_times(room, state, cold):
    """Seconds to READY over the journal in `state`, with no broker to be had."""
    daemon = room.daemon(READER, TARGET.format(port=harness.free_port(), window=WINDOW),
                         station=f"[journal]\ndirectory = {state}\n", shim=False)
    conf = os.path.join(daemon.conf, "assayd.conf")
    with open(conf, encoding="utf-8") as file:  # the harness names a journal of its own
        text = file.read().replace(f"[journal]\ndirectory = {daemon.state}\n", "")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(text)
    for _ in range(5):
        if cold:
            drop_from_cache(os.path.join(state, "journal.db"))
        daemon.start()
        if daemon.stop() != 0:
            raise RuntimeError(f"assayd did not end in order: {daemon.log()[-500:]}")
    return daemon.ready_seconds


def bare_rate(broker, count):
    return run("bare_publisher", f"tcp://127.0.0.1:{broker.port}", count, WINDOW, RECORD_BYTES,
               "properties")["bare_publisher"]["per_second"]


def drain_and_start():
    count = sized(100000, 1000000)
    state = tempfile.mkdtemp(prefix="assayd-bench-")
    try:
        with harness.Room() as room:
            broker = room.broker()
            bare = [bare_rate(broker, count // 4)]
            ours = run("drain", f"mqtt://127.0.0.1:{broker.port}", state, count, WINDOW, RECORD_BYTES)["drain"]
            bare.append(bare_rate(broker, count // 4))
            value, peer = ours["per_second"], median(bare)
            figure(f"draining {count:,} records", value, "records/s", ">= 0.8 x bare Paho", value >= 0.8 * peer,
                   "bare Paho publisher", peer, window=WINDOW, bytes=RECORD_BYTES, bare_before_and_after=bare)
            growth = (ours["rss_end_kib"] - ours["rss_tenth_kib"]) / 1024
            figure("draining: resident growth over the last nine tenths", growth, "MiB", "flat (<= 1 MiB)", growth <= 1,
                   end_mib=round(ours["rss_end_kib"] / 1024, 1))
        with harness.Room() as room:
            for how, cold in (("", False), (", not in the page cache", True)):
                ready = 1e3 * median(start_times(room, state, cold))
                figure(f"READY with {count:,} records{how}", ready, "ms", "<= 500 ms", ready <= 500)
    finally:
        shutil.rmtree(state, ignore_errors=True)


def written(directory, size):
    """KiB written for each record of this size: alone, and in bursts of 24, each sealed; and the same unsealed."""
    with tempfile.TemporaryDirectory(dir=directory) as journals:
        got = run("journal_wear", journals, sized(2400, 24000), size - HEAD_BYTES)["journal_wear"]
    if got["alone_bytes_per_record"] <= 0:
        raise RuntimeError(f"{directory} is on no disk: nothing was written; set TMPDIR")
    return tuple(got[f"{how}{name}_bytes_per_record"] / 1024 for how in ("sealed_", "") for name in ("alone", "burst24"))


def wear():
    sizes = {size: written(tempfile.gettempdir(), size) for size in (RECORD_BYTES, *OTHER_BYTES)}
    for index, name, budget in ((0, "one record a commit", 12), (1, "bursts of 24", 2)):
        kib = sizes[RECORD_BYTES][index]
        figure(f"written per record, {name}", kib, "KiB", f"<= {budget} KiB", kib <= budget, "the record itself",
               RECORD_BYTES / 1024, bytes=RECORD_BYTES, unsealed=round(sizes[RECORD_BYTES][index + 2], 2), other_sizes={size: round(sizes[size][index], 2) for size in OTHER_BYTES})


def readers():
    for where, parent in (("disk", None), ("memory", "/dev/shm")):
        if parent and not os.access(parent, os.W_OK):
            continue
        directory = tempfile.mkdtemp(prefix="assayd-bench-", dir=parent)
        try:
            got = run("journal_commit", directory, sized(2000, 10000), sized(50000, 200000))
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        alone, beside = got["journal_alone"], got["journal_beside_a_reader"]
        delay = beside["p999_ms"] - alone["p999_ms"]
        figure(f"commit p99.9 beside a reader, {where}", beside["p999_ms"], "ms", "<= alone + 5 ms", delay <= 5, "alone",
               alone["p999_ms"], max=beside["max_ms"], alone_max=alone["max_ms"], commits=alone["commits"],
               p50=beside["p50_ms"], alone_p50=alone["p50_ms"])

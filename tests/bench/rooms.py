"""Sections that run the whole daemon: latency of polled instruments, processor time of a poll, resident size."""
import time

import measure
from measure import cpu_s, figure, harness, median, percentile, resident_mib, sized

TARGET = "broker = mqtt://127.0.0.1:{port}\n"
IDLE_REGISTERS = 27  # what the daemon reads of an idle analyzer: one request, as the peer's
POLL_MS = 100


def analyzer(name, address, poll="1s"):
    return f"[instrument {name}]\ndriver = modbus\nprofile = analyzer-a6b\nport = modbus-tcp:{address}\npoll = {poll}\n\n"


def latencies(sims, subscriber):
    """Milliseconds from the moment an instrument finished a result to its arrival at the subscriber."""
    arrived = {}
    for record, at_ns in subscriber.records():
        arrived.setdefault(harness.key_of_record(record), []).append(at_ns)
    spread = []
    for line in harness.truth_of(sims):
        times = arrived.get(harness.key_of_truth(line))
        if times:
            spread.append((times.pop(0) - line["at_ns"]) / 1e6)
    return spread


def polled_latency():
    seconds, rate = sized(10, 45), 2.3  # no multiple of the poll period: results finish anywhere within it
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        options = ("--rate", str(rate), "--results", str(int(seconds * rate)), "--start-delay", "2")
        sims = {"tcp": room.sim("tcp", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", "1", *options),
                "rtu": room.sim("rtu", "a6b", ("--serial", room.path("rtu")), "--seed", "2", *options),
                "serial": room.sim("serial", "a2", ("--serial", room.path("reader")), "--seed", "3", *options)}
        poll = f"poll = {POLL_MS}ms\n"
        room.daemon(analyzer("tcp", sims["tcp"].address, f"{POLL_MS}ms") +
                    f"[instrument rtu]\ndriver = modbus\nprofile = analyzer-a6b\nport = modbus-rtu:{room.path('rtu')}\n"
                    f"line = 115200/8n1\n{poll}\n[instrument serial]\ndriver = seven-e-aa\nport = {room.path('reader')}\n"
                    f"line = 115200/8n1\n{poll}", TARGET.format(port=broker.port)).start()
        time.sleep(seconds + 2)
        verdict = harness.settle(list(sims.values()), subscriber)
        if verdict.lost or not verdict.finished:
            raise RuntimeError(f"results did not arrive: {verdict}")
        for name, sim in sims.items():
            spread = latencies([sim], subscriber)
            p99 = percentile(spread, 0.99)
            figure(f"polled latency p99, {name}", p99, "ms", f"<= {POLL_MS} + 10 ms", p99 <= POLL_MS + 10,
                   results=len(spread), p50=round(percentile(spread, 0.5), 2), max=round(max(spread), 2))


def polls(daemon):
    return sum(one["polls"] for one in daemon.status()["instruments"].values())


def room_of(room, count, extra_ports=0):
    """`count` analyzers that finish nothing, polled once a second; the daemon up and settled. Broker, first port, daemon."""
    broker = room.broker()
    port = room.sim("many", "a6b", ("--tcp", f"127.0.0.1:{ports(count + extra_ports)}"),
                    "--ports", str(count + extra_ports), "--results", "0").address.rsplit(":", 1)[1]
    first = int(port)
    conf = "".join(analyzer(f"an-{i}", f"127.0.0.1:{first + i}") for i in range(count))
    daemon = room.daemon(conf, TARGET.format(port=broker.port), shim=False).start(60)
    harness.wait_for(lambda: all(one["health"] == "ok" for one in daemon.status()["instruments"].values()), 30, "all heard")
    time.sleep(2)
    return first, daemon


def ports(count):
    """The first of `count` neighbouring ports that are free, below those the kernel gives out."""
    first = 12000
    while first + count < 32000:
        taken = [port for port in range(first, first + count) if not is_free(port)]
        if not taken:
            return first
        first = taken[-1] + 1
    raise RuntimeError(f"no {count} neighbouring ports are free")


def is_free(port):
    with harness.socket.socket() as probe:
        probe.setsockopt(harness.socket.SOL_SOCKET, harness.socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def window(daemon, seconds):
    """Processor seconds, polls and wall seconds of the daemon over a while."""
    begun, before, spent = time.monotonic(), polls(daemon), cpu_s(daemon.child.pid)
    time.sleep(seconds)
    took, done, spent = time.monotonic() - begun, polls(daemon) - before, cpu_s(daemon.child.pid) - spent
    return spent, done, took


def thousand():
    rounds, seconds = sized(2, 5), sized(6, 10)
    with harness.Room() as room:
        first, daemon = room_of(room, 1000, 1)
        ours, bare, share, kept = [], [], [], []
        for _ in range(rounds):
            peer = measure.start("bare_modbus", "127.0.0.1", first + 1000, IDLE_REGISTERS, seconds, 1000)
            spent, done, took = window(daemon, seconds)
            bare.append(measure.finish(peer)["cpu_us_per_read"])
            ours.append(spent * 1e6 / done)
            share.append(100 * spent / took)
            kept.append(100 * done / (1000 * took))
        ratio = median([a / b for a, b in zip(ours, bare)])
        figure("processor time of a Modbus TCP poll", median(ours), "us", "about one bare read (ratio <= 1.25)", ratio <= 1.25,
               "bare libmodbus read", median(bare), rounds=rounds, median_ratio=round(ratio, 3))
        figure("1,000 instruments at 1 Hz: share of a core", median(share), "%", "<= 3 %", median(share) <= 3,
               "1,000 bare reads a second", median(bare) * 1000 / 1e6 * 100)
        figure("1,000 instruments at 1 Hz: polls kept", min(kept), "% of due", ">= 99 %", min(kept) >= 99)
        size = resident_mib(daemon.child.pid)
        figure("1,000 instruments: resident", size, "MiB", "<= 40 MiB", size <= 40)


def small_rooms():
    for count in (1, 16):
        with harness.Room() as room:
            first, daemon = room_of(room, count, 1)
            seconds = sized(5, 30)
            peer = measure.start("bare_modbus", "127.0.0.1", first + count, IDLE_REGISTERS, seconds, count)
            spent = cpu_s(daemon.child.pid)
            time.sleep(seconds)
            share = 100 * (cpu_s(daemon.child.pid) - spent) / seconds
            bare = 100 * measure.finish(peer)["cpu_us_per_read"] * count / 1e6
            size = resident_mib(daemon.child.pid)
            figure(f"{count} instrument{'s' if count > 1 else ''}: resident", size, "MiB", "<= 12 MiB", size <= 12)
            if count == 16:
                figure("16 instruments, idle: share of a core", share, "%", "<= 0.2 %", share <= 0.2,
                       "16 bare reads a second", bare)

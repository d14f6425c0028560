#!/usr/bin/python3
"""C4: everything at once, at random, for SOAK_SECONDS (an hour; the smoke form 10 s): brokers killed and frozen, partitions, instruments
that fall silent or are unplugged, noise on the lines, syncs of the journal that fail, good and bad configurations, kills of the daemon.
In the end 0 lost; in the last two thirds, in which the daemon is not restarted, its memory does not grow and its descriptors stay as
many as they were.

The county is the reference platform, with receipts: a broker that is killed takes with it what it acknowledged and had not passed
on, and what came before the subscriber was back.

For a day and longer the limit of growth is 1 MB a day.

A partition lasts until something waits in it, an absence until the daemon is told, a failing disk until a sync has failed.

Control: with memory that grows by four times what may come and go (in a day's form, by 2 MB a day) added to what was measured, growth
is found."""
import collections
import os
import random
import signal
import statistics
import time

import row
import harness
import kill
import proxy
import station
import store_faults
import testroom

MINUTES = 60
LASTS = "1 * SOAK_SECONDS"
SECONDS = float(os.environ.get("SOAK_SECONDS") or row.size(3600, 10))
BREATH_S = (2, 20) if SECONDS > 300 else (0.2, 0.8)
NOISE_KIB = 512 if SECONDS > 300 else 4096  # memory that comes and goes; at first, the caches that fill
DAY_S = 86400
LIMIT_KIB_A_DAY = 976  # 1 MB; told from what comes and goes by nothing shorter than a day


class Soak:
    def __init__(self, room):
        self.room, self.faults, self.failed_syncs = room, collections.Counter(), 0
        common = ("--results", "1000000", "--capacity", "60000", "--rate")
        # asked by date, it gives its whole day again for each new result: half a result a second is three busy days in an hour
        room.simulate("reader-1", "a2", room.path("line-1"), *common, "0.5", "--noise", "0.02", "--short", "0.02", "--seed", "1")
        room.simulate("analyzer-1", "a6b", room.path("line-2"), *common, "4", "--bad-crc", "0.02", "--busy", "0.02", "--silence", "0.01",
                      "--seed", "2")
        room.simulate("analyzer-2", "a6b", room.path("line-3"), *common, "4", "--late", "400", "--late-every", "97", "--torn", "0.02",
                      "--seed", "3")
        quick = {"timeout": "300ms", "lateness": "500ms"}
        self.sections = testroom.reader("reader-1", room.path("line-1"), reconcile="5s") + testroom.analyzer(
            "analyzer-1", room.path("line-2"), **quick) + testroom.analyzer("analyzer-2", room.path("line-3"), **quick)
        self.broker = room.broker()
        room.platform(self.broker.port)
        self.cable = proxy.Proxy(self.broker.port)
        self.target = testroom.target(self.cable) + "receipts = required\n"
        self.healed, self.trace = room.path("healed"), room.path("syncs")
        self.heal_disk()
        self.daemon = room.assayd = room.daemon(self.sections, self.target, env={
            "LD_PRELOAD": f"{store_faults.EIO_SHIM}:{harness.SHIM}", "EIO_AT": "1", "EIO_TIMES": "1000000000",
            "EIO_UNTIL": self.healed, "EIO_TRACE": self.trace}).start()
        self.bad = 0

    def station_dials_in_vain(self):
        """Links that break and are there again at once would be taken for another station with our name, and a minute's pause."""
        refused = self.cable.refused
        harness.wait_for(lambda: self.cable.refused > refused, 60, "a connection that is refused")

    def broker_is_killed(self):
        self.broker.stop(signal.SIGKILL)
        time.sleep(random.uniform(0, BREATH_S[1] / 4))
        self.station_dials_in_vain()
        self.broker.start()

    def network_is_parted(self):
        """Nothing passes either way; then all goes on, late, or the link is lost with what was on its way."""
        held, self.cable.stalled = self.cable.held, True
        time.sleep(random.uniform(0, BREATH_S[1] / 4))
        harness.wait_for(lambda: self.cable.held > held, 60, "something that a partition holds up")
        if random.random() < 0.5:
            self.cable.drop()
            self.station_dials_in_vain()
        self.cable.heal()

    def process_is_frozen(self, process):
        process.child.send_signal(signal.SIGSTOP)
        time.sleep(random.uniform(0, BREATH_S[1] / 4))
        process.child.send_signal(signal.SIGCONT)

    def broker_is_frozen(self):
        self.process_is_frozen(self.broker)

    def instrument_is_silent(self):
        self.process_is_frozen(random.choice(self.room.simulators))

    def instrument_is_unplugged(self):
        """It comes back under another number."""
        instrument = random.choice(self.room.simulators)
        instrument.child.send_signal(signal.SIGUSR1)
        linked = lambda: self.daemon.status()["instruments"][instrument.name]["health"] != "no_link"
        harness.wait_for(lambda: not linked(), 20, "a link that is lost")
        time.sleep(random.uniform(0, BREATH_S[1] / 4))
        instrument.child.send_signal(signal.SIGUSR2)
        harness.wait_for(linked, 60, "a link that is back")

    def heal_disk(self):
        with open(self.healed, "w", encoding="ascii"):
            pass

    def failed(self):
        """How many syncs of the journal failed since the trace was begun anew."""
        with open(self.trace, encoding="utf-8") as lines:
            return sum(" EIO " in line for line in lines)

    def disk_is_failing(self):
        os.truncate(self.trace, 0)
        os.unlink(self.healed)
        time.sleep(random.uniform(0, BREATH_S[1] / 4))
        harness.wait_for(self.failed, 60, "a sync that fails")
        self.heal_disk()
        self.failed_syncs += self.failed()

    def configuration_is_bad(self):
        self.bad += 1
        self.daemon.write_config(self.sections + "[instrument", self.target)
        self.daemon.child.send_signal(signal.SIGHUP)
        harness.wait_for(lambda: self.daemon.log().count("stays in force") >= self.bad, 20, "the refusal")
        self.configuration_is_good()

    def configuration_is_good(self):
        """With another pace of one instrument each time, so that its line is begun anew."""
        self.daemon.write_config(self.sections.replace("poll = 200ms", f"poll = {random.randrange(150, 250)}ms"), self.target)
        self.daemon.child.send_signal(signal.SIGHUP)

    def somebody_looks(self):
        for words in (("list", "--from", "1"), ("doctor",), ("status",)):
            self.daemon.ctl("--json", *words)

    def daemon_is_killed(self):
        self.daemon.kill()
        self.daemon.start()

    def daemon_is_ended(self):
        self.daemon.stop()
        self.daemon.start()

    LASTING = (broker_is_killed, broker_is_frozen, network_is_parted, instrument_is_silent, instrument_is_unplugged, disk_is_failing,
               configuration_is_bad, configuration_is_good, somebody_looks)

    def figures(self):
        kinds = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(self.faults.items()))
        return (f"{self.faults.total()} faults at random ({kinds}; {self.failed_syncs} syncs failed, {self.cable.held} pieces were held up "
                "in partitions)")

    def run(self, seconds, faults):
        """Samples of (when, resident KiB, descriptors) between the faults."""
        samples, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            fault = random.choice(faults)
            fault(self)
            self.faults[fault.__name__] += 1
            time.sleep(random.uniform(*BREATH_S))
            samples.append((time.monotonic(), testroom.resident_kib(self.daemon), testroom.descriptors(self.daemon)))
        return samples


def growth(samples):
    """(KiB, descriptors, days) between the second quarter, when caches are warm, and the last."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter:2 * quarter] or samples, samples[-quarter:]
    seconds, kib, descriptors = (statistics.median(sample[which] for sample in late) - statistics.median(sample[which] for sample in early)
                                 for which in (0, 1, 2))
    return kib, descriptors, seconds / DAY_S


def grows(samples):
    kib, descriptors, days = growth(samples)
    return kib > (LIMIT_KIB_A_DAY * days if SECONDS >= DAY_S else NOISE_KIB) or abs(descriptors) > 1


def leaky(samples):
    """The same with memory that grows by four times what may come and go; in a day's form by twice what may be in a day."""
    began, whole = samples[0][0], samples[-1][0] - samples[0][0]
    more = 2 * LIMIT_KIB_A_DAY * whole / DAY_S if SECONDS >= DAY_S else 4 * NOISE_KIB
    return [(when, kib + more * (when - began) / whole, descriptors) for when, kib, descriptors in samples]


def main():
    random.seed(int(os.environ.get("SOAK_SEED", "8")))
    with station.Station() as room:
        soak = Soak(room)
        soak.run(SECONDS / 3, (*Soak.LASTING, Soak.daemon_is_killed, Soak.daemon_is_ended))
        samples = soak.run(SECONDS * 2 / 3, Soak.LASTING)
        soak.configuration_is_good()
        assert all(instrument.alive() for instrument in room.simulators), "an instrument ended by itself"
        verdict = harness.settle(room.simulators, room, 60)
        against = [f"seq {seq} altered" for seq in room.altered(room.each_stored())] + room.alarms()
        faults = kill.chain_faults(soak.daemon.lines())
    kib, descriptors, days = growth(samples)
    pace = f" ({kib / days:+.0f} KiB a day)" if SECONDS >= DAY_S else ""
    row.explain(*faults[:3], *against[:3])
    row.end("C4", f"{SECONDS:.0f} s, {soak.figures()}, {testroom.count_of(verdict)}, {len(against)} against the contract, "
            f"{len(faults)} journal faults; memory "
            f"{samples[-1][1] / 1024:.1f} MiB, {kib:+.0f} KiB{pace}, descriptors {samples[-1][2]}, {descriptors:+.0f}, over the last half of it; "
            f"control: a leak is {'found' if grows(leaky(samples)) else 'not found'}",
            not (testroom.amiss(verdict) or against or faults) and not grows(samples) and grows(leaky(samples)))


if __name__ == "__main__":
    main()

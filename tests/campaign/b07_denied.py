#!/usr/bin/python3
"""B7: the broker's rules forbid the topic of results. With MQTT 5 it says so: results are set aside with the reason, everything
else flows, and `assayctl retry` sends them when the rules are mended. With MQTT 3.1.1 it acknowledges all the same: receipts
that do not come keep them, the whole form waits for the warning, and all arrive when the rules are mended.

The control, MQTT 3.1.1 without receipts, has lost them and does not know."""
import concurrent.futures
import signal

import row
import harness
import station

RESULTS = row.size(200, 40)
PATIENCE_S = 60  # of the daemon, before it warns and sends again
ALL = "topic readwrite #\n"
WARNED, REASON = "the platform gave no receipt for", "not authorised"


class Case:
    def __init__(self, room, protocol, receipts, asks=True):
        self.room, self.acl = room, room.path("acl")
        # to the station; the platform, by its user name, may do everything
        self.rules("".join(f"topic readwrite {harness.PREFIX}/{name}\n" for name in ("qc", "event", "status", "seal"))
                   + f"topic read {harness.PREFIX}/#\ntopic write {harness.PREFIX}/receipt\ntopic write {harness.PREFIX}/request/#\n"
                   "topic read assay/#\n")
        # with max_queued_messages 0 mosquitto 2.0.11 ends the link after each refusal
        self.broker = room.broker(extra=f"acl_file {self.acl}\nmax_queued_messages 100000")
        room.platform(self.broker.port, asks=asks)
        room.reader(RESULTS, rate=60)
        room.run(self.broker.port, protocol, receipts)
        self.samples = lambda: sum(truth["kind"] == "sample" for truth in room.truth())
        harness.wait_for(lambda: len(room.truth()) >= RESULTS, 60, "all results")

    def rules(self, text):
        with open(self.acl, "w", encoding="ascii") as rules:
            rules.write(text)

    def mend(self):
        self.rules(ALL)
        self.broker.child.send_signal(signal.SIGHUP)

    def acknowledged(self):
        status = self.room.assayd.status()
        return status["targets"]["county"]["acknowledged"] >= status["seq"]

    def others_flow(self):
        return len(self.room.lost()) == self.samples()


def version5():
    """(parked, whether all was as it should be, judgement)"""
    with station.Station() as room:
        case = Case(room, "5", "required")
        harness.wait_for(lambda: room.target()["refused"] == case.samples() and case.others_flow(), 60,
                         "results parked, others through")
        parked = room.assayd.ctl("--json", "parked").stdout.splitlines()
        named = all(REASON in line for line in parked)
        case.mend()
        # the broker may still be reading its rules when the first is tried again
        harness.wait_for(lambda: room.assayd.ctl("retry", "all").returncode == 1, 60, "nothing left to retry")
        whole = room.wait_for_all(RESULTS, 60)
        return len(parked), named and whole and len(parked) == case.samples(), room.judge()


def version3():
    with station.Station() as room:
        # a gap that a platform names is filled at most every half minute: in the smoke form it first asks when it can be
        case = Case(room, "3.1.1", "required", asks=not row.SMOKE)
        harness.wait_for(case.acknowledged, 60, "the broker to acknowledge what it throws away")
        kept = room.target()["backlog"] > 0
        warned = row.SMOKE or bool(harness.wait_for(lambda: WARNED in room.assayd.log(), 3 * PATIENCE_S, "the warning"))
        case.mend()
        if row.SMOKE:
            room.platform_leaves()
            room.platform(case.broker.port)
        whole = room.wait_for_all(RESULTS, 180)
        return kept and warned and whole, room.judge()


def control():
    with station.Station() as room:
        case = Case(room, "3.1.1", "none", asks=False)
        harness.wait_for(case.acknowledged, 60, "the broker to acknowledge what it throws away")
        harness.wait_for_calm(lambda: len(room.stored()), 1)
        return room.target()["backlog"], len(room.judge().lost)


def main():
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        five, three, without = (pool.submit(case) for case in (version5, version3, control))
        (parked, good5, judgement5), (good3, judgement3), (believed, lost) = five.result(), three.result(), without.result()
    for judgement in (judgement5, judgement3):
        station.explain(judgement)
    row.end("B7", f"MQTT 5: {parked} parked as {REASON}, {station.figures(judgement5)} after retry; MQTT 3.1.1: "
            f"{station.figures(judgement3)} by receipts; control 3.1.1 without receipts: backlog {believed}, lost {lost}",
            good5 and good3 and station.sound(judgement5) and station.sound(judgement3) and believed == 0 and lost > 0)


main()

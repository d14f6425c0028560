#!/usr/bin/python3
"""S4: the n-th sync of the journal fails with EIO, n = 1..200, each under a daemon of its own with an analyzer that pushes.

The judging knows each sync's end from the shim's trace: a result may be acknowledged only when a sync went well between its frame
and the acknowledgement, and after the last that failed. A sync that fails while the daemon starts ends it with the file and the
reason in the log; systemd starts it again, and so does this row. Every failure is an alarm, in the log and as an event, within
5 s; everything acknowledged arrives at the county under one id.

Control: the same failures under a shim that says "done" (EIO_LIE). What is acknowledged then was on no disk, and must be found."""
import contextlib
import os
import shutil
import time

import row
import harness
import store_faults as store

AFTER = 20
AT_START, IN_THE_LOG = ("reading or writing failed", "writing to the disk failed"), "the journal's disk failed"


class Failing:
    """A daemon whose n-th sync fails."""

    def __init__(self, room, broker, at, **more):
        self.directory = room.path(f"at-{at}{'-'.join(more)}")
        os.makedirs(self.directory)
        self.trace, self.port = os.path.join(self.directory, "trace"), harness.free_port()
        self.environment = {"LD_PRELOAD": f"{store.EIO_SHIM}:{harness.SHIM}", "EIO_TRACE": self.trace, "EIO_AT": str(at), **more}
        self.daemon = room.add(harness.Daemon(self.directory, store.analyzer(1, self.port), store.TARGET.format(port=broker.port),
                                              env=self.environment))
        self.pusher = store.Pusher(self.port)
        self.starts = self.alarm_ms = None

    def syncs(self):
        """(when it ended, whether it went well, of which file) of each, in order."""
        if not os.path.exists(self.trace):
            return []
        with open(self.trace, encoding="utf-8") as lines:
            return [(int(when), how == "ok", path.strip()) for when, how, path in (line.split(" ", 2) for line in lines)]

    def failures(self):
        return [when for when, well, _ in self.syncs() if not well]

    def of_a_copy(self):
        """It was the file beside the journal that repeats its epoch for a salvage: the next start writes it again."""
        return any(not well and "-identity" in path for _, well, path in self.syncs())

    def start(self):
        """Starts it as systemd would: again when it ended. The disk is well again by then."""
        try:
            self.daemon.start()
            self.starts = 1
        except AssertionError:
            self.daemon.env["EIO_AT"] = "0"
            self.daemon.start()
            self.starts = 2

    def run(self, subscriber):
        self.start()
        self.pusher.start()
        harness.wait_for(self.failures, 60, "a sync that fails")
        self.alarm_ms = self.wait_for_alarm(subscriber)
        enough = len(self.pusher.told()) + AFTER
        harness.wait_for(lambda: len(self.pusher.told()) >= enough, 60, "results that are acknowledged again")
        self.pusher.stop()
        self.lines = store.journal_lines(self.daemon)
        self.epoch = self.daemon.status()["epoch"]
        harness.wait_for(lambda: self.arrived(subscriber) >= {one.value for one in self.pusher.told()}, 60, "all at the county")
        if self.daemon.stop() != 0:
            raise RuntimeError("the daemon did not end in order")

    def wait_for_alarm(self, subscriber):
        """Milliseconds from the failure until the log and the county have it; None when they do not have it in time."""
        failed = self.failures()[0]
        if self.of_a_copy():
            return 0
        if self.starts == 2:  # there was no daemon yet that could tell the county
            return 0 if any(text in self.daemon.log() for text in AT_START) else None
        with contextlib.suppress(TimeoutError):
            harness.wait_for(lambda: IN_THE_LOG in self.daemon.log(), 6, "a line in the log")
            epoch = self.daemon.status()["epoch"]
            harness.wait_for(lambda: any(one["epoch"] == epoch for one in store.events(subscriber, "store_failed")), 6, "the event")
            return (time.monotonic_ns() - failed) // 1000000
        return None

    def arrived(self, subscriber):
        return {record["value"] for record, _ in subscriber.records() if record["epoch"] == self.epoch}

    def untrue(self):
        """Acknowledged without a sync that went well since the frame came, and since the last failure."""
        syncs = self.syncs()
        wrong = 0
        for one in self.pusher.told():
            within = [well for when, well, path in syncs if "-identity" not in path and one.sent_ns < when < one.told_ns]
            wrong += not within or not within[-1]
        return wrong


def main():
    numbers = range(1, 201) if not row.SMOKE else (1, 4, 9, 25, 60)
    total, untrue, restarts, unsaid, slowest, copies = store.Judgement(), 0, 0, 0, 0, 0
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        for at in numbers:
            one = Failing(room, broker, at)
            one.run(subscriber)
            texts = [text for text in store.payloads(subscriber) if f'"epoch":"{one.epoch}"' in text]
            verdict = store.judge(one.pusher.told(), one.lines, texts)
            wrong = one.untrue()
            if not verdict.sound() or wrong or one.alarm_ms is None:
                row.explain(f"n = {at}: {verdict.figures()}, untrue {wrong}, alarm after {one.alarm_ms} ms", *verdict.faults[:3],
                            *one.daemon.log().splitlines()[-5:])
            total += verdict
            untrue += wrong
            restarts += one.starts == 2
            unsaid += one.alarm_ms is None or one.alarm_ms > 5000
            slowest = max(slowest, one.alarm_ms or 0)
            copies += one.of_a_copy()
            room.processes.remove(one.daemon)
            shutil.rmtree(one.directory)
            with subscriber.lock:
                subscriber.messages.clear()
        control = Failing(room, broker, 30, EIO_LIE="1", EIO_TIMES="20")
        control.start()
        control.pusher.start()
        harness.wait_for(lambda: len(control.failures()) >= 20, 60, "20 lies")
        control.pusher.stop()
        early = control.untrue()
    row.end("S4", f"{len(numbers)} syncs failed, {restarts} of them at the start (started again), {copies} of the copy of its epoch (no alarm), {total.figures()}, acknowledged "
            f"without a sync {untrue}, unsaid {unsaid}, slowest alarm {slowest} ms; control: {early} untrue acknowledgements found",
            total.sound() and untrue == 0 == unsaid and early > 0 and total.told > len(numbers) * AFTER)


if __name__ == "__main__":
    main()

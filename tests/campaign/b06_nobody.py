#!/usr/bin/python3
"""B6: nobody is subscribed. The broker acknowledges (MQTT 5 with reason 0x10, which the library does not pass on) and forgets.
With receipts required the entries stay the station's backlog, the status says so, the whole form waits until the log does, and
when the platform comes it gets everything.

The control, without receipts, believes that all is delivered and has lost it."""
import concurrent.futures

import row
import harness
import station

RESULTS = row.size(300, 60)
PATIENCE_S = 60  # of the daemon, before it warns and sends again
WARNED = "the platform gave no receipt for"


def alone(room, receipts):
    """The station and a broker; the status once everything is acknowledged."""
    broker = room.broker()
    room.reader(RESULTS, rate=60)
    room.run(broker.port, receipts=receipts)
    acknowledged = lambda status: status["targets"]["county"]["acknowledged"] >= status["seq"] > RESULTS
    harness.wait_for(lambda: len(room.truth()) >= RESULTS and acknowledged(room.assayd.status()), 60, "all acknowledged")
    return broker, room.assayd.status()


def required():
    with station.Station() as room:
        broker, status = alone(room, "required")
        kept = status["backlog"] == status["seq"] and status["targets"]["county"]["through"] == 0
        warned = row.SMOKE or bool(harness.wait_for(lambda: WARNED in room.assayd.log(), 3 * PATIENCE_S, "the warning"))
        room.platform(broker.port)
        whole = room.wait_for_all(RESULTS, 90)
        return status["backlog"], kept and warned and whole, room.judge()


def control():
    with station.Station() as room:
        broker, status = alone(room, "none")
        room.platform(broker.port, asks=False)
        harness.wait_for_calm(lambda: len(room.stored()), 1)
        return status["backlog"], len(room.judge().lost)


def main():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        without = pool.submit(control)
        backlog, kept, judgement = required()
        believed, lost = without.result()
    station.explain(judgement)
    row.end("B6", f"{backlog} entries acknowledged and kept as backlog, {station.figures(judgement)} once the platform came; control "
            f"without receipts: backlog {believed}, lost {lost}", kept and station.sound(judgement) and believed == 0 and lost > 0)


main()

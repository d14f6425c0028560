#!/usr/bin/python3
"""B9: the broker acknowledges and then forgets. A stub broker that passes on nothing for a while, and RabbitMQ of three nodes
whose home node of the platform's queue is killed under load. With receipts required 0 lost; the control, the same without
receipts and with a platform that only listens, must lose.

The smoke form has the stub alone: three nodes take longer to start than the form has."""
import concurrent.futures

import row
import brokers
import harness
import station

RESULTS = row.size(300, 90)


def settle(room, results, receipts):
    """The judgement, when all is there, or, without receipts, when the station believes that it is."""
    if receipts == "required":
        room.wait_for_all(results, 180)
        return room.judge()
    harness.wait_for(lambda: room.all_acknowledged(results), 120, "all acknowledged")
    harness.wait_for_calm(lambda: len(room.stored()), 2)
    return room.judge()


def stub(receipts):
    with station.Station() as room:
        broker = room.add(brokers.Aedes(room.directory, "forgetful").start())
        room.platform(broker.port, "3.1.1", asks=receipts == "required")
        room.reader(RESULTS)
        room.run(broker.port, "3.1.1", receipts)
        return settle(room, RESULTS, receipts)


def home_node(three, receipts):
    """The platform is subscribed at node 2, which keeps its queue; the station publishes at node 1."""
    home = three.nodes[1]
    with station.Station() as room:
        room.platform(home.port, "3.1.1", asks=receipts == "required", client_id=f"platform-{receipts}")
        room.reader(RESULTS)
        room.run(three.nodes[0].port, "3.1.1", receipts)
        harness.wait_for(lambda: len(room.stored()) > 30, 60, "the first results")
        home.crash()
        acknowledged = room.target()["acknowledged"]
        harness.wait_for(lambda: room.target()["acknowledged"] > acknowledged + 60, 60, "the broker to take what it loses")
        home.start().wait()
        return settle(room, RESULTS, receipts)


def told(name, with_receipts, without):
    station.explain(with_receipts)
    passed = station.sound(with_receipts) and without.lost
    return f"{name} {station.figures(with_receipts)}, control without receipts lost {len(without.lost)}", passed


def main():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ends = [told("stub", *pool.map(stub, ("required", "none")))]
    if not row.SMOKE:
        with station.Station() as place, brokers.Rabbit(place.directory, 3) as three:
            ends.append(told("RabbitMQ home node killed", home_node(three, "required"), home_node(three, "none")))
    row.end("B9", "; ".join(figures for figures, _ in ends), all(passed for _, passed in ends))


try:
    main()
except brokers.Missing as missing:
    row.skip("B9", str(missing))

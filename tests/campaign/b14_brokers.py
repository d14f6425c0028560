#!/usr/bin/python3
"""B14: the same conformance test on every family of brokers: mosquitto (MQTT 5 and 3.1.1), aedes, RabbitMQ, and a RabbitMQ
cluster of three, whose node that all are connected to is killed in it. Then, on the same cluster, one node after the other is
killed under load: the one with the platform's queue, and the station's. 0 lost with receipts required.

The control is an aedes that breaks promises (tests/campaign/aedes_broker.mjs): each must be found.
The smoke form leaves RabbitMQ out: it takes longer to start than the form has."""
import concurrent.futures

import row
import brokers
import conformance
import harness
import station

RESULTS = row.size(300, 60)
LOAD, LOAD_RATE = 1500, 30  # results while the nodes of the cluster are killed, and how many a second
MUST_FIND = {"every result is with the platform", "the bytes are those of the journal, on the topic of their kind",
             "what was sent at QoS 1 is passed on at QoS 1", "the status is retained"}


def told(name, judgement, broken):
    """(figures, whether it passed)"""
    row.explain(*(f"{name}: not kept: {promise}" for promise in broken))
    station.explain(judgement)
    return f"{name} {station.figures(judgement)}", station.sound(judgement) and not broken


def mosquitto(protocol):
    with station.Station() as room:
        broker = room.add(brokers.Mosquitto(room.directory).start())
        return told(f"mosquitto {protocol}", *conformance.check(broker, room, protocol, RESULTS))


def aedes(_protocol):
    with station.Station() as room:
        broker = room.add(brokers.Aedes(room.directory).start())
        return told("aedes 3.1.1", *conformance.check(broker, room, "3.1.1", RESULTS))


def control(_protocol):
    with station.Station() as room:
        broker = room.add(brokers.Aedes(room.directory, "unfaithful").start())
        judgement, broken = conformance.check_unfaithful(broker, room, 60)
    row.explain(*(f"control: not found: {promise}" for promise in MUST_FIND - set(broken)))
    return f"control lost {len(judgement.lost)}, {len(broken)} promises broken", MUST_FIND <= set(broken) and judgement.lost


def rabbit():
    with station.Station() as room, brokers.Rabbit(room.directory) as broker:
        return told("RabbitMQ 3.1.1", *conformance.check(broker, room, "3.1.1", RESULTS))


def under_load(room, number):
    """Waits until that many results more are finished, so that what follows happens while they are on their way."""
    due = len(room.truth()) + number
    harness.wait_for(lambda: len(room.truth()) >= due, 60, "load")


def whole(three):
    harness.wait_for(lambda: three.running() == 3, 60, "a cluster of three")


def cluster():
    """What the other brokers are asked, and then the nodes."""
    with station.Station() as place, brokers.Rabbit(place.directory, 3) as three:
        whole(three)
        with station.Station() as room:
            conforms = told("RabbitMQ x3 3.1.1", *conformance.check(three, room, "3.1.1", RESULTS))
        return [conforms, nodes_are_killed(three)]


def nodes_are_killed(three):
    """The node that keeps the platform's queue is killed under load, then the one the station talks to, each once."""
    with station.Station() as room:
        whole(three)
        platforms, stations = three.nodes[1], three.nodes[0]
        room.platform(platforms.port, "3.1.1", client_id="platform-of-the-nodes")
        room.reader(LOAD, rate=LOAD_RATE)
        room.run([node.port for node in three.nodes], "3.1.1")
        for node in (platforms, stations):
            under_load(room, 100)
            node.crash()
            under_load(room, 100)
            node.start().wait()
        complete = room.wait_for_all(LOAD, 300)
        judgement, connects = room.judge(), room.target()["connects"]
    figures, passed = told("its nodes killed", judgement, [] if complete else ["all are receipted"])
    return f"{figures} with 2 of {len(three.nodes)} nodes killed", passed and connects > 1


def main():
    quick = ((mosquitto, "5"), (mosquitto, "3.1.1"), (aedes, "3.1.1"), (control, ""))
    with concurrent.futures.ThreadPoolExecutor(len(quick)) as pool:
        ends = list(pool.map(lambda one: one[0](one[1]), quick))
    if not row.SMOKE:
        ends += [rabbit(), *cluster()]
    row.end("B14", "; ".join(figures for figures, _ in ends), all(passed for _, passed in ends))


try:
    main()
except brokers.Missing as missing:
    row.skip("B14", str(missing))

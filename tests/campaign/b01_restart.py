#!/usr/bin/python3
"""B1: the broker is stopped and killed in turn under load, and comes back with nothing in its memory. 0 lost; on the wire the
same entry may come twice, with the same id and bytes.

The control is a platform that is away while the broker dies with the platform's queue, and no receipts: it must lose."""
import concurrent.futures
import random
import signal
import time

import row
import brokers
import harness
import station

TURNS = row.size(60, 4)
RESULTS = row.size(3600, 150)
CONTROL = 60


def restarts():
    random.seed(1)
    with station.Station() as room:
        broker = room.add(brokers.Mosquitto(room.directory).start())
        subscriber = room.subscriber(broker.port)
        room.platform(broker.port)
        room.pusher(RESULTS)
        room.run(broker.port)
        for turn in range(TURNS):
            time.sleep(random.uniform(0.2, 1.0))
            broker.stop(signal.SIGKILL if turn % 2 else signal.SIGTERM)
            time.sleep(random.uniform(0, 0.5))
            broker.start()
        whole = room.wait_for_all(RESULTS, 120)
        heard = [message.payload for message in subscriber.of("result", "qc", "event")]
        return room.judge(), whole, len(heard) - len(set(heard))


def control():
    with station.Station() as room:
        broker = room.add(brokers.Mosquitto(room.directory).start())
        room.platform(broker.port, asks=False)
        room.platform_leaves()
        room.reader(CONTROL)
        room.run(broker.port, receipts="none")
        harness.wait_for(lambda: room.all_acknowledged(CONTROL), 30, "all acknowledged")
        broker.crash()
        broker.start()
        room.platform(broker.port, asks=False)
        harness.wait_for_calm(lambda: len(room.stored()), 1)
        return room.judge()


def main():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        without = pool.submit(control)
        judgement, whole, again = restarts()
        lost = len(without.result().lost)
    station.explain(judgement)
    row.end("B1", f"{TURNS} stops and kills, {station.figures(judgement)}, {again} heard twice with the same bytes; control lost {lost} "
            f"of {CONTROL}", station.sound(judgement) and whole and lost > 0)


main()

#!/usr/bin/python3
"""B11: another client with the station's identifier, which comes back whenever it is put out, as a second station with the same
code would. It is noticed, announced on the target that still works, and not fought: the next attempt comes after a minute or
more. When the other has gone, everything arrives; the broker knows of no session (clean start), so what was in flight is sent
again. MQTT 5, where the broker says what happened, and 3.1.1, where it does not.

The control is a broker that breaks the link as often for no such reason: there it must not be announced."""
import concurrent.futures
import json
import threading
import time

import paho.mqtt.client as mqtt

import row
import harness
import station

RESULTS = row.size(300, 60)
PAUSE_S = 60
WATCH_S = row.size(PAUSE_S, 5)
LINKS_MAX = 3  # until the daemon believes it


class Rival:
    """Connects with the station's identifier, again and again, until it is told to stop."""

    def __init__(self, port, protocol):
        version5 = protocol == "5"
        self.client = mqtt.Client(harness.STATION, protocol=mqtt.MQTTv5 if version5 else mqtt.MQTTv311)
        self.client.reconnect_delay_set(0.2, 0.2)
        self.connects, self.up = 0, threading.Event()
        self.client.on_connect = self.connected
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def connected(self, *_):
        self.connects += 1
        self.up.set()

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


def announced(subscriber):
    events = (json.loads(message.payload) for message in subscriber.of("event"))
    return [event for event in events if event["event"] == "taken_over"]


def back(room):
    """The station is up again: after its pause, or, in the smoke form, because somebody restarted it."""
    if row.SMOKE:
        room.assayd.stop()
        room.assayd.start()
    room.wait_until_up(3 * PAUSE_S)


def taken_over(protocol):
    """(figures, whether all was as it should be)"""
    with station.Station() as room:
        broker, other = room.broker(), room.broker()
        told = room.subscriber(other.port)
        room.platform(broker.port)
        room.reader(RESULTS, rate=30)
        room.run(broker.port, protocol, more=f"\n[target depot]\nbroker = mqtt://127.0.0.1:{other.port}\n")
        harness.wait_for(lambda: len(room.stored()) > 10, 30, "the first results")
        rival = Rival(broker.port, protocol)
        harness.wait_for(lambda: announced(told), 60, "the announcement on the other target")
        links, fights, since = room.target()["connects"], rival.connects, time.monotonic()
        named = "another client" in room.target()["fault"]
        time.sleep(WATCH_S)
        quiet = room.target()["connects"] == links and rival.connects == fights
        rival.stop()
        back(room)
        pause = time.monotonic() - since
        whole = room.wait_for_all(RESULTS, 60)
        events, judgement = announced(told), room.judge()
    station.explain(judgement)
    good = named and quiet and whole and len(events) == 1 and links <= LINKS_MAX and station.sound(judgement)
    if not good:
        row.explain(f"{protocol}: named {named}, quiet {quiet}, whole {whole}, events {events}, links {links}")
    waited = f"quiet for {WATCH_S} s" if row.SMOKE else f"back after {pause:.0f} s"
    return (f"MQTT {protocol}: announced once after {links} links, {waited}, {station.figures(judgement)}",
            good and (row.SMOKE or pause >= PAUSE_S))


def control():
    """The broker stops as often as a rival would put us out; how often that was called a takeover."""
    with station.Station() as room:
        broker, other = room.broker(), room.broker()
        told = room.subscriber(other.port)
        room.platform(broker.port)
        room.reader(RESULTS, rate=30)
        room.run(broker.port, more=f"\n[target depot]\nbroker = mqtt://127.0.0.1:{other.port}\n")
        for _ in range(LINKS_MAX + 1):
            room.wait_until_up(90)
            broker.stop()
            harness.wait_for(lambda: "is the broker running" in room.target().get("fault", ""), 20, "an attempt that fails")
            broker.start()
        room.wait_until_up(90)
        return len(announced(told))


def main():
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        without = pool.submit(control)
        ends = list(pool.map(taken_over, ("5", "3.1.1")))
        false = without.result()
    row.end("B11", f"{'; '.join(figures for figures, _ in ends)}; control with a broker that stops {LINKS_MAX + 1} times: {false} "
            "announced", all(good for _, good in ends) and false == 0)


main()

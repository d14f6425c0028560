"""conformance: what assayd and a county need of a broker, asked of a real one with a real station on it.

check() returns figures and the promises that were not kept, by name. A broker that keeps all of them can carry this
contract; which brokers do is row B14."""
import contextlib
import json
import threading
import time

import harness
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import station

ENTRIES = ("result", "qc", "event")
CLOUD_EVENT = {"specversion", "id", "source", "type", "time"}


class Ear:
    """Hears everything of the station, as the broker passes it on; comes back after an outage."""

    def __init__(self, port, protocol, topic=f"{harness.PREFIX}/#"):
        self.version5, self.heard, self.changed, self.topic = protocol == "5", [], threading.Condition(), topic
        self.subscribed = threading.Event()
        self.client = mqtt.Client("", protocol=mqtt.MQTTv5 if self.version5 else mqtt.MQTTv311)
        self.client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self.hear
        self.client.reconnect_delay_set(0.1, 1)
        self.client.connect("127.0.0.1", port, keepalive=10)
        self.client.loop_start()
        if not self.subscribed.wait(20):
            raise TimeoutError("the broker did not let us subscribe within 20 s")

    def hear(self, _client, _userdata, message):
        with self.changed:
            self.heard.append(message)
            self.changed.notify_all()

    def of(self, *kinds):
        with self.changed:
            return [message for message in self.heard if message.topic.rsplit("/", 1)[1] in kinds]

    def wait(self, condition, seconds):
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    def answer_at(self, topic):
        """Properties of a request that is to be answered there; None with MQTT 3.1.1, which has no such thing."""
        if not self.version5:
            return None
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = topic
        return properties

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


def retained_status(port, protocol):
    """What a newcomer is told at once of the station: whether it is online; None when nothing was retained."""
    ear = Ear(port, protocol, topic=f"{harness.PREFIX}/status")
    ear.wait(lambda: any(message.retain for message in ear.heard), 3)
    ear.stop()
    words = [json.loads(message.payload)["online"] for message in ear.heard if message.retain]
    return words[0] if words else None


def eventually(condition, seconds):
    with contextlib.suppress(TimeoutError):
        return harness.wait_for(condition, seconds)
    return False


class Check:
    """One broker: the promises in the order in which a station meets them."""

    def __init__(self, room, broker, protocol, results):
        self.room, self.broker, self.protocol, self.results, self.broken = room, broker, protocol, results, []

    def promise(self, kept, words):
        if not kept:
            self.broken.append(words)

    def begin(self, receipts):
        self.ear = Ear(self.broker.port, self.protocol)
        self.room.platform(self.broker.port, self.protocol, asks=receipts == "required")
        self.room.reader(self.results)
        self.room.run(self.broker.port, self.protocol, receipts)

    def outage(self):
        harness.wait_for(lambda: len(self.room.truth()) > self.results // 4, 30, "load")
        self.broker.crash()
        time.sleep(1)
        self.broker.start()

    def delivery(self, seconds):
        arrived = eventually(lambda: self.room.all_there(self.results), seconds)
        self.promise(arrived, "every result is with the platform")
        self.promise(eventually(self.room.receipted, 15), "receipts reach the station")

    def wire(self):
        """Topic, quality, retained or not, properties and bytes of all that was passed on."""
        entries, journal, epoch_of = self.ear.of(*ENTRIES), self.room.journal(), {}
        altered = [message for message in entries if not self.is_of_the_journal(message, journal, epoch_of)]
        self.promise(entries and not altered, "the bytes are those of the journal, on the topic of their kind")
        self.promise(all(message.qos == 1 for message in entries), "what was sent at QoS 1 is passed on at QoS 1")
        self.promise(not any(message.retain for message in entries), "no entry is retained")
        if self.protocol == "5":
            self.promise(all(self.has_attributes(message) for message in entries), "the attributes of CloudEvents come through")

    @staticmethod
    def is_of_the_journal(message, journal, known):
        try:
            entry = known.setdefault(message.payload, json.loads(message.payload))
        except ValueError:
            return False
        kind = "event" if "event" in entry else "result" if entry.get("kind") == "sample" else "qc"
        return journal.get(entry["seq"]) == message.payload and message.topic == f"{harness.PREFIX}/{kind}"

    @staticmethod
    def has_attributes(message):
        pairs = dict(getattr(message.properties, "UserProperty", []))
        return (set(pairs) >= CLOUD_EVENT and pairs["id"] == json.loads(message.payload)["id"]
                and getattr(message.properties, "ContentType", "") == "application/json")

    def replay(self):
        """Asked again for five entries, the station answers, and they come again with the same bytes."""
        status = self.room.assayd.status()
        before, journal = len(self.ear.of(*ENTRIES)), self.room.journal()
        question = {"epoch": status["epoch"], "from": 3, "to": 7}
        self.ear.client.publish(f"{harness.PREFIX}/request/replay", json.dumps(question), qos=1,
                                properties=self.ear.answer_at(f"{harness.PREFIX}/response/replay"))
        again = lambda: [message.payload for message in self.ear.of(*ENTRIES)[before:]]
        came = eventually(lambda: again()[:5] == [journal[seq] for seq in range(3, 8)], 10)
        self.promise(came, "a replay that the platform asks for comes")
        answers = lambda: [json.loads(message.payload) for message in self.ear.of("replay")]
        self.promise(eventually(lambda: any(answer.get("accepted") for answer in answers()), 10), "a request is answered")

    def presence(self):
        """What a newcomer hears of the station while it is there, when it died, and when it left as planned."""
        online = lambda: retained_status(self.broker.port, self.protocol)
        self.promise(online() is True, "the status is retained")
        self.room.assayd.kill()
        self.promise(eventually(lambda: online() is False, 10), "the Will says that the station is gone, retained")
        self.room.assayd.start()
        self.promise(eventually(lambda: online() is True, 10), "a station that comes back is online again")
        self.room.assayd.stop()
        self.promise(eventually(lambda: online() is False, 10), "the last word of a station that stops is retained")


def check(broker, room, protocol, results, seconds=120):
    """Everything. Returns (judgement, broken promises)."""
    it = Check(room, broker, protocol, results)
    it.begin("required")
    it.outage()
    it.delivery(seconds)
    it.wire()
    it.replay()
    judgement = room.judge()
    it.promise(station.sound(judgement), "nothing is lost, doubled or altered")
    it.presence()
    it.ear.stop()
    return judgement, it.broken


def check_unfaithful(broker, room, results):
    """The negative control: a broker known not to keep some of the promises. Returns (judgement, broken promises)."""
    it = Check(room, broker, "3.1.1", results)
    it.begin("none")
    harness.wait_for(lambda: room.all_acknowledged(results), 30, "all acknowledged")
    it.delivery(1)
    it.wire()
    it.promise(retained_status(broker.port, "3.1.1") is True, "the status is retained")
    it.ear.stop()
    return room.judge(), it.broken

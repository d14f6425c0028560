#!/usr/bin/python3
"""A platform's ear, independent of the program's MQTT library: every message becomes one JSON line in a file.

subscriber.py PORT FILE [--persistent NAME]
"""
import json
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

port, path = int(sys.argv[1]), sys.argv[2]
name = sys.argv[4] if len(sys.argv) > 4 else ""
out = open(path, "a", buffering=1, encoding="utf-8")


def properties_of(message):
    found = getattr(message, "properties", None)
    if not found:
        return {}
    said = {key: value for key, value in getattr(found, "UserProperty", [])}
    said["content-type"] = getattr(found, "ContentType", "")
    said["correlation"] = getattr(found, "CorrelationData", b"").decode()
    return said


def on_connect(client, userdata, flags, reason, properties=None):
    client.subscribe("#", qos=1)


def on_subscribe(*_):
    out.write(json.dumps({"topic": "ready"}) + "\n")


def on_message(client, userdata, message):
    out.write(json.dumps({"topic": message.topic, "payload": message.payload.decode(), "retain": bool(message.retain),
                          "qos": message.qos, "properties": properties_of(message)}) + "\n")


ear = mqtt.Client(client_id=name, protocol=mqtt.MQTTv5)
ear.on_connect, ear.on_subscribe, ear.on_message = on_connect, on_subscribe, on_message
ear.reconnect_delay_set(min_delay=1, max_delay=1)
keep = Properties(PacketTypes.CONNECT)
if name:
    keep.SessionExpiryInterval = 3600
ear.connect("127.0.0.1", port, keepalive=30, clean_start=not name, properties=keep)
ear.loop_forever()

#!/usr/bin/python3
"""county_link.py: how county.py reaches its broker: in plain text, or with TLS, a user name, a certificate of its own.

With mqtts:// (or --ca, --cert) it speaks TLS 1.2 or later, and only to a broker whose certificate is of the name it was given and
signed by --ca, or by an authority of the system where there is no --ca. It never falls back to plain text.
"""
import argparse
import json
import os
import queue
import ssl
import urllib.parse

import paho.mqtt.client as mqtt

PORTS = {"mqtt": 1883, "mqtts": 8883}
PAHO_2 = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, "CallbackAPIVersion") else []  # Debian 12 has 1.6

TRY_LATER = (3, 0x88, 0x89)  # of a CONNACK: unavailable, and in MQTT 5 also busy; the other refusals are for good


class Client(mqtt.Client):
    """An alert of TLS, of a broker that does not like our certificate say, ends the thread of paho 1.6: here it ends the connection."""

    def loop_read(self, max_packets=1):
        return self.survived(super().loop_read, max_packets)

    def loop_write(self, max_packets=1):
        return self.survived(super().loop_write, max_packets)

    def survived(self, step, max_packets):
        try:
            return step(max_packets)
        except ssl.SSLError:
            if self.on_connect_fail:
                self.on_connect_fail(self, None)
            return mqtt.MQTT_ERR_CONN_LOST


def new_client(client_id, protocol, tls=None, login=None, durable=False):
    """`durable`: with MQTT 3.1.1; with 5 that is said when it connects."""
    version5 = protocol == "5"
    client = Client(*PAHO_2, client_id, protocol=mqtt.MQTTv5) if version5 else Client(
        *PAHO_2, client_id, clean_session=not durable, protocol=mqtt.MQTTv311)
    if tls:
        client.tls_set_context(tls)
    if login:
        client.username_pw_set(*login)
    return client


def said(code):
    """A CONNACK's code, for people: of MQTT 5, or the number of 3.1.1."""
    return mqtt.connack_string(code) if isinstance(code, int) else str(code)


def why(error):
    """(what is told of a connection that did not come about, whether trying again can change it)"""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}", False
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return f"it refuses us: {error.reason.replace('_', ' ').lower()}", False
    return str(error), True


def ask(link, root, name, request, seconds=15):
    """The station's answer to R/request/`name`, as bytes; TimeoutError where none came. As a client of its own beside the county's,
    which gets what is sent again."""
    answers, fault = queue.Queue(), []
    client = new_client(f"platform-asks-{os.getpid()}", link["protocol"], link["tls"], link["login"])
    client.on_connect = lambda _client, _userdata, _flags, code, *_: (
        client.subscribe(f"{root}/response/{name}", qos=1) if code == 0 else fault.append(f": it refuses us: {said(code)}"))
    client.on_subscribe = lambda *_: client.publish(f"{root}/request/{name}", json.dumps(request), qos=1)
    client.on_message = lambda _client, _userdata, message: answers.put(message.payload)
    try:
        client.connect(link["host"], link["port"])
        client.loop_start()
        return answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds} s{(fault or ['; is the station online?'])[0]}") from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectionError(why(error)[0]) from None
    finally:
        client.disconnect()
        client.loop_stop()


def readable(path):
    try:
        with open(path, encoding="utf-8") as file:
            file.read()
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None
    return path


def add_arguments(parser):
    parser.add_argument("--broker", default="127.0.0.1:1883", metavar="[mqtts://]HOST[:PORT]")
    parser.add_argument("--protocol", choices=("5", "3.1.1"), default="5")
    for option, what in (("ca", "the authority that signed the broker's certificate"), ("cert", "our own certificate"),
                         ("key", "its private key"), ("password-file", "its first line is the password")):
        parser.add_argument(f"--{option}", type=readable, metavar="FILE", help=what)
    parser.add_argument("--user", metavar="NAME")


def address_of(text, scheme):
    """(scheme, host, port); `scheme` where the text has none."""
    try:
        url = urllib.parse.urlsplit(text if "://" in text else f"{scheme}://{text}")
        port = url.port or PORTS[url.scheme]
        if url.hostname and "@" not in url.netloc and not (url.path or url.query or url.fragment):
            return url.scheme, url.hostname, port
    except (ValueError, KeyError):
        pass
    raise ValueError(f"--broker {text}: HOST:PORT, mqtt://HOST:PORT or mqtts://HOST:PORT is meant")


def link_of(wanted):
    """Members of Platform and new_client; ValueError says what does not go together."""
    secure = wanted.ca or wanted.cert
    scheme, host, port = address_of(wanted.broker, "mqtts" if secure else "mqtt")
    if secure and scheme == "mqtt":
        raise ValueError(f"--broker {wanted.broker}: --ca and --cert are for mqtts://")
    if (wanted.key and not wanted.cert) or (wanted.password_file and not wanted.user):
        raise ValueError("--key belongs to a --cert, --password-file to a --user")
    return {"host": host, "port": port, "protocol": wanted.protocol, "tls": context_of(wanted) if scheme == "mqtts" else None,
            "login": login_of(wanted) if wanted.user else None}


def context_of(wanted):
    try:
        context = ssl.create_default_context(cafile=wanted.ca)  # verifies the certificate and the host name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if wanted.cert:
            context.load_cert_chain(wanted.cert, wanted.key)
    except ssl.SSLError as error:
        raise ValueError(f"--ca, --cert and --key are PEM files, the key that of the certificate: {error}") from None
    return context


def login_of(wanted):
    if not wanted.password_file:
        return wanted.user, None
    with open(wanted.password_file, encoding="utf-8") as file:
        return wanted.user, file.readline().rstrip("\r\n")

#!/usr/bin/python3
"""B13: every way in which a broker's or the station's certificate can be wrong, each against a real listener. None is
connected, each is told in its own words, a key that others can read is warned of, and nothing falls back to plain text.

The control are the targets that are right: they must connect, or everything else would prove nothing."""
import os
import subprocess

import row
import harness

# target: listener, its authority, the station's certificate, what the message must say
CASES = {
    "expired": ("expired", "ca", "", "expired on 2020-02-01"),
    "future": ("future", "ca", "", "only from 2090-01-01"),
    "wrong-name": ("wrong-name", "ca", "", "for the name other.example"),
    "unknown-ca": ("good", "other-ca", "", 'is signed by "County CA"'),
    "self-signed": ("self-signed", "ca", "", "signed by nobody but itself"),
    "tls-1-1": ("tls1.1", "ca", "", "older than 1.2"),
    "plain": ("plain", "ca", "", "reached by mqtt:// only"),
    "client-missing": ("asking", "ca", "", "wants a certificate from this station"),
    "client-unknown": ("asking", "ca", "station-unknown", "does not know the authority"),
    "client-expired": ("asking", "ca", "station-expired", "client-cert has expired"),
    "client-revoked": ("asking", "ca", "station-revoked", "client-cert is revoked"),
    "good": ("good", "ca", "", ""),
    "client-good": ("asking", "ca", "station", ""),
    "loose-key": ("asking", "ca", "station-loose", ""),
}
WITH_LIST = {
    "revoked": ("revoked", "ca", "", "is revoked"),
    "old-list": ("good", "ca", "", "no valid revocation list"),
    "good-list": ("good", "ca", "", ""),
}
LISTS = {"revoked": "ca.crl", "old-list": "old.crl", "good-list": "ca.crl"}
WARNED = "can be read by others"


class Listeners:
    """One mosquitto that listens with each certificate, and a server that speaks nothing newer than TLS 1.1."""

    def __init__(self, room, pki):
        self.pki, self.ports = pki, {}
        for _ in range(5):  # another row may take one of so many ports between the choice and the start
            self.broker = room.broker(extra="\n".join(self.chosen()))
            ports = [port for name, port in self.ports.items() if name != "tls1.1"]
            harness.wait_for(lambda ports=ports: not self.broker.alive() or all(map(harness.listens, ports)), 20, "every listener")
            if self.broker.alive():
                break
            row.explain(f"the broker ended: {self.broker.log()[-200:]}")
        old = ["openssl", "s_server", "-quiet", "-accept", str(self.ports["tls1.1"]), "-cert", f"{pki}/good.crt", "-key", f"{pki}/good.key",
               "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
        room.add(harness.Process(old, room.path("s_server.log")).start())
        harness.wait_for(lambda: harness.listens(self.ports["tls1.1"]), 10, "TLS 1.1 listening")

    def chosen(self):
        """The broker's listeners, on ports that are free now."""
        named = ("good", "expired", "future", "wrong-name", "self-signed", "revoked")
        self.ports = {name: harness.free_port() for name in ("tls1.1", "plain", "asking", *named)}
        lines = [f"listener {self.ports['plain']} 127.0.0.1", *self.listener("asking", "good"), "require_certificate true",
                 f"cafile {self.pki}/ca.crt", f"crlfile {self.pki}/ca.crl"]
        return lines + [line for name in named for line in self.listener(name, name)]

    def listener(self, name, certificate):
        return [f"listener {self.ports[name]} 127.0.0.1", f"certfile {self.pki}/{certificate}.crt",
                f"keyfile {self.pki}/{certificate}.key"]

    def connected(self):
        """The clients that were let in, by their identifiers."""
        return {words.split(" as ")[1].split(" ")[0] for words in self.broker.log().splitlines() if "New client connected" in words}


def make_pki(room):
    pki = room.path("pki")
    os.mkdir(pki)
    subprocess.run([os.path.join(row.ROOT, "tests/unit/pki.sh"), pki], check=True, stdin=subprocess.DEVNULL)
    for ending in ("crt", "key"):
        subprocess.run(["cp", f"{pki}/station.{ending}", f"{pki}/station-loose.{ending}"], check=True)
    os.chmod(f"{pki}/station-loose.key", 0o644)
    return pki


def target(name, case, listeners):
    listener, authority, own, _ = case
    lines = [f"[target {name}]", f"broker = mqtts://127.0.0.1:{listeners.ports[listener]}", f"client-id = {name}",
             f"ca-file = {listeners.pki}/{authority}.crt", "reconnect-min = 100ms", "reconnect-max = 1s"]
    if own:
        lines += [f"client-cert = {listeners.pki}/{own}.crt", f"client-key = {listeners.pki}/{own}.key"]
    if name in LISTS:
        lines.append(f"crl-file = {listeners.pki}/{LISTS[name]}")
    return "\n".join(lines) + "\n"


def start(room, name, cases, listeners):
    directory = room.path(name)
    os.mkdir(directory)
    text = "".join(target(name, case, listeners) for name, case in cases.items())
    return room.add(harness.Daemon(directory, "", station=text)).start()


def settled(daemon):
    """Each target is up, or says why it is not."""
    targets = daemon.status()["targets"]
    return targets if all(each["state"] == "up" or each.get("fault") for each in targets.values()) else None


def judge(cases, targets):
    """The names of the targets that are not as they should be."""
    wrong = []
    for name, (_, _, _, says) in cases.items():
        fault, up = targets[name].get("fault", ""), targets[name]["connects"] > 0
        if up == bool(says) or says not in fault:
            row.explain(f"{name}: {'connected' if up else 'not connected'}: {fault}")
            wrong.append(name)
    return wrong


def main():
    with harness.Room() as room:
        listeners = Listeners(room, make_pki(room))
        runs = [(cases, start(room, name, cases, listeners)) for name, cases in (("plain", CASES), ("list", WITH_LIST))]
        wrong, said = [], []
        for cases, daemon in runs:
            targets = harness.wait_for(lambda daemon=daemon: settled(daemon), 30, "every target to know")
            wrong += judge(cases, targets)
            said += [targets[name]["fault"] for name, case in cases.items() if case[3] and targets[name].get("fault")]
        warned = sum(WARNED in line for line in runs[0][1].log().splitlines())
        let_in = listeners.connected()
    right = {name for name, case in {**CASES, **WITH_LIST}.items() if not case[3]}
    bad = len(CASES) + len(WITH_LIST) - len(right)
    row.explain(*(sorted(let_in - right)))
    row.end("B13", f"{bad - len(wrong)} of {bad} refused as they should be, in {len(set(said))} different messages; "
            f"{len(let_in & right)} of {len(right)} right ones connected, {len(let_in - right)} wrong ones; {warned} of 1 loose key warned of",
            not wrong and len(set(said)) == bad and let_in == right and warned == 1)


main()

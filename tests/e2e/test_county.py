"""county.py as a program of its own: with a broker as counties have them, against seals, and when it asks for what was."""
import base64
import hashlib
import json
import os
import re
import subprocess

import harness
import pytest
from test_platform import READER, TARGET, alarms, county, daemon_of, lost, reader, receipted, run_without_platform, stored, write_key
import county_store  # noqa: E402  beside county.py

PROGRAM = county.__file__
SECURE = ("allow_anonymous false\npassword_file {directory}/users\nacl_file {directory}/acl\n"
          "certfile {pki}/good.crt\nkeyfile {pki}/good.key\n")
ACL = (f"user station\ntopic write {harness.PREFIX}/#\ntopic read {harness.PREFIX}/receipt\ntopic read {harness.PREFIX}/request/+\n"
       f"user platform\ntopic read assay/v1/#\ntopic write assay/v1/+/+/receipt\ntopic write assay/v1/+/+/request/+\n")


def run(room, *options, seconds=30):
    """(exit code, output, complaints) of the program where it ends by itself."""
    done = subprocess.run(["/usr/bin/python3", PROGRAM, "--database", room.path("platform.db"), *options], capture_output=True, text=True,
                          timeout=seconds, check=False)
    return done.returncode, done.stdout, done.stderr


def write(room, name, text):
    with open(room.path(name), "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(room.path(name), 0o600)
    return room.path(name)


def secure_broker(room, extra=""):
    """A broker with TLS alone, users with passwords, and what each may: as a county runs it. (broker, folder of certificates)"""
    pki = room.path("pki")
    os.mkdir(pki)
    subprocess.run([os.path.join(harness.ROOT, "tests/unit/pki.sh"), pki], check=True, stdin=subprocess.DEVNULL)
    for user in ("station", "platform"):
        new = ["-c"] if user == "station" else []
        subprocess.run(["mosquitto_passwd", *new, "-b", room.path("users"), user, f"{user}-secret"], check=True)
        write(room, f"{user}.password", f"{user}-secret\n")
    write(room, "acl", ACL)
    return room.broker(extra=SECURE.format(directory=room.directory, pki=pki) + extra), pki


def running(room, *options):
    """The program, subscribed."""
    program = harness.Process(["/usr/bin/python3", PROGRAM, "--database", room.path("platform.db"), "--receipt-every", "0.2", *options],
                              room.path("county.log"))
    room.add(program).start()
    harness.wait_for(lambda: "ready" in program.log() or not program.alive(), 15, "county.py to be ready")
    assert program.alive(), program.log()
    return program


def stored_in(room):
    store = county.Store(room.path("platform.db"))
    try:
        return [json.loads(payload) for (payload,) in store.entries(harness.STATION)]
    finally:
        store.db.close()


@pytest.mark.parametrize("protocol", ("5", "3.1.1"))
def test_a_broker_with_tls_and_passwords_is_served_from_the_instrument_to_the_receipt(protocol):
    with harness.Room() as room:
        broker, pki = secure_broker(room)
        running(room, "--broker", f"mqtts://127.0.0.1:{broker.port}", "--ca", f"{pki}/ca.crt", "--user", "platform", "--password-file",
                room.path("platform.password"), "--protocol", protocol)
        sim = reader(room, "--results", "10")
        target = (TARGET.format(port=broker.port, receipts="required").replace("mqtt://", "mqtts://") + f"ca-file = {pki}/ca.crt\n"
                  f"username = station\npassword-file = {room.path('station.password')}\nprotocol = {protocol}\n")
        daemon = room.daemon(READER.format(serial=room.path("reader")), target).start()
        harness.wait_for(lambda: daemon.status()["instruments"]["reader-1"]["stored"] >= 10 and receipted(daemon), 30, "a receipt for all")
        assert harness.compare(sim.truth(), [entry for entry in stored_in(room) if "kind" in entry]).lost == []


def test_a_broker_that_is_not_to_be_trusted_or_refuses_is_told_and_ends_the_start():
    with harness.Room() as room:
        broker, pki = secure_broker(room)
        secret, wrong = room.path("platform.password"), write(room, "wrong.password", "other\n")
        login = ("--user", "platform", "--password-file", secret)
        by_name = f"mqtts://localhost:{broker.port}"  # the certificate is of 127.0.0.1
        for broker_url, options, says in (
                (f"mqtts://127.0.0.1:{broker.port}", ("--ca", f"{pki}/other-ca.crt", *login), "its certificate is refused"),
                (f"mqtts://127.0.0.1:{broker.port}", login, "its certificate is refused"),
                (by_name, ("--ca", f"{pki}/ca.crt", *login), "Hostname mismatch"),
                (f"127.0.0.1:{broker.port}", ("--ca", f"{pki}/ca.crt", "--user", "platform", "--password-file", wrong), "it refuses us"),
                (f"127.0.0.1:{broker.port}", ("--ca", f"{pki}/ca.crt"), "it refuses us")):
            code, output, complaint = run(room, "--broker", broker_url, *options)
            assert code == 1 and output == "" and says in complaint and "Traceback" not in complaint, (options, complaint)
            assert str(broker.port) in complaint
        assert not re.search("New client connected .* as platform", broker.log())


def test_a_broker_that_wants_a_certificate_of_the_county_gets_it():
    with harness.Room() as room:
        broker, pki = secure_broker(room, extra=f"require_certificate true\ncafile {room.path('pki')}/ca.crt\n")
        login = ("--broker", f"127.0.0.1:{broker.port}", "--ca", f"{pki}/ca.crt", "--user", "platform", "--password-file",
                 room.path("platform.password"))
        code, _, complaint = run(room, *login)
        assert code == 1 and f"broker 127.0.0.1:{broker.port}: it refuses us" in complaint and "certificate required" in complaint
        assert "Traceback" not in complaint
        running(room, *login, "--cert", f"{pki}/station.crt", "--key", f"{pki}/station.key")


def test_options_that_do_not_go_together_are_refused_before_anything_is_connected(tmp_path):
    other = tmp_path / "not.pem"
    other.write_text("no certificate\n")
    for options, says in ((("--broker", "http://a"), "mqtts://HOST:PORT"), (("--broker", "a:b"), "--broker a:b"),
                          (("--broker", "mqtt://a", "--ca", str(other)), "for mqtts://"), (("--key", str(other)), "--cert"),
                          (("--password-file", str(other)), "--user"), (("--broker", "mqtts://a", "--ca", str(other)), "PEM"),
                          (("--ca", str(tmp_path / "none")), "No such file"), (("--formerly", "a=a"), "the one it had before")):
        done = subprocess.run(["/usr/bin/python3", PROGRAM, "--database", str(tmp_path / "a.db"), *options], capture_output=True, text=True,
                              timeout=30, check=False)
        assert done.returncode == 2 and says in done.stderr.splitlines()[-1], done.stderr


class Altering:
    """Stands between the station's broker and the county's, and passes everything on; but of the `nth` result it alters the value,
    and makes the chain anew from there on, so that no `prev` tells of it. What is sent again it passes on as it is."""

    def __init__(self, station, county_broker, nth):
        self.nth, self.altered, self.seen = nth, {}, set()
        self.subscriptions = {station: f"{harness.PREFIX}/+", county_broker: "assay/v1/+/+/receipt"}
        self.there, self.back = self.client(station, self.from_station), self.client(county_broker, self.from_county)
        for client in (self.there, self.back):
            client.loop_start()

    def client(self, broker, on_message):
        client = county.county_link.new_client("between", "5")
        client.on_message = on_message
        client.connect("127.0.0.1", broker.port)
        client.subscribe(self.subscriptions[broker], qos=1)
        return client

    def from_county(self, _client, _userdata, message):
        self.there.publish(message.topic, message.payload, qos=1)

    def from_station(self, _client, _userdata, message):
        if message.topic.rsplit("/", 1)[1] != "receipt":
            self.back.publish(message.topic, self.passed(message), qos=1, retain=message.topic.endswith("/status"))

    def passed(self, message):
        head = county_store.HEAD.match(message.payload)
        seq = head and int(head[1])
        if not head or seq in self.seen:
            return message.payload
        self.seen.add(seq)
        payload = message.payload
        if seq - 1 in self.altered:
            payload = re.sub(rb'"prev":"sha256:[0-9a-f]+"', f'"prev":"sha256:{self.altered[seq - 1]}"'.encode(), payload, count=1)
        elif message.topic.endswith("/result") and not self.altered:
            self.nth -= 1
            payload = re.sub(rb'"value":"[^"]*"', b'"value":"0.00"', payload) if self.nth == 0 else payload
        if payload != message.payload:
            self.altered[seq] = hashlib.sha256(payload).hexdigest()
        return payload

    def stop(self):
        for client in (self.there, self.back):
            client.disconnect()
            client.loop_stop()


def given(room, daemon):
    """As --identity is read."""
    return county.identities_of([f"{harness.STATION}={write_key(room, daemon)}"])


def journal(daemon):
    return {json.loads(line)["seq"]: line.encode() for line in daemon.ctl("--json", "list", "--from", "1").stdout.splitlines()}


def as_recorded(platform, daemon):
    with platform.lock:
        payloads = [payload for (payload,) in platform.store.entries(harness.STATION)]
    return {json.loads(payload)["seq"]: payload for payload in payloads} == journal(daemon)


def test_what_was_altered_on_its_way_with_its_chain_contradicts_the_seal_and_is_fetched_again():
    with harness.Room() as room:
        at_station, at_county = room.broker(), room.broker()
        between = Altering(at_station, at_county, nth=11)
        platform = county.Platform("127.0.0.1", at_county.port, room.path("platform.db"), receipt_every=0.2).start()
        daemon = daemon_of(room, at_station)
        platform.store.identities = given(room, daemon)
        # Were it named as missing before, the station would fill no other gap for half a minute.
        harness.wait_for(lambda: stored(platform) and receipted(daemon), 15, "the first entry receipted")
        sim = reader(room, "--results", "11")
        harness.wait_for(lambda: len(sim.truth()) == 11 and between.altered, 30, "an altered entry on its way")
        harness.wait_for(lambda: alarms(platform), 15, "an alarm")
        harness.wait_for(lambda: as_recorded(platform, daemon) and receipted(daemon), 90, "what was recorded in its place")
        said = {what for (what,) in alarms(platform)}
        for seq in between.altered:
            assert f"entry {seq} is not what the station sealed" in said, said
        with platform.lock:
            aside = platform.store.db.execute("SELECT payload FROM alarm WHERE what LIKE '%not what the station sealed'").fetchall()
        assert {hashlib.sha256(payload).hexdigest() for (payload,) in aside} >= set(between.altered.values())
        daemon.stop()
        platform.stop()
        between.stop()


def platform_of(room, broker, daemon):
    """A county that has the station's key."""
    return county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=0.2, identities=given(room, daemon)).start()


def seal_by(room, private, seal, **changes):
    """The seal with other members, signed by the private key in this file."""
    seal = dict(seal, **changes)
    lines = ("assay/v1/seal", *(seal[name] for name in ("station", "epoch", "seq", "hash", "at", "alg", "key")))
    text = write(room, "text", "".join(f"{line}\n" for line in lines))
    done = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", private, "-rawin", "-in", text], capture_output=True, check=True)
    return dict(seal, sig=base64.b64encode(done.stdout).decode())


def test_a_forged_seal_is_an_alarm_and_an_honest_one_is_none():
    with harness.Room() as room:
        broker = room.broker()
        daemon = daemon_of(room, broker)
        platform = platform_of(room, broker, daemon)
        sim = reader(room, "--results", "5")
        harness.wait_for(lambda: len(sim.truth()) == 5 and not lost(sim, platform) and receipted(daemon), 30, "5 results receipted")
        with platform.lock:
            last = max(json.loads(payload)["seq"] for (payload,) in platform.store.entries(harness.STATION))
        proven = lambda: platform.store.db.execute("SELECT count(*) FROM sealed").fetchone()[0]
        harness.wait_for(lambda: proven() == last, 15, "every entry proven by the seals")
        assert alarms(platform) == []
        with platform.lock:
            kept = list(platform.store.proofs(harness.STATION))
        seal, own = json.loads(kept[-1][0]), os.path.join(daemon.state, "seal-ed25519.key")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", room.path("other.key")], check=True, capture_output=True)
        unsaid = "sha256:" + "1" * 64
        for forged, says, is_kept in (
                (dict(seal, at=seal["at"].replace("T", "t")), "not signed by the station", False),
                (seal_by(room, room.path("other.key"), seal, hash=unsaid), "not signed by the station", False),
                (dict(seal, station="330421103-99"), "it is of station", False),
                (dict(seal, day="2026-11-26", instruments={"a": 1}), "this seal is not taken", False),
                (seal_by(room, room.path("other.key"), seal, key=unsaid), "was not given", True),
                (seal_by(room, own, seal, hash=unsaid), f"entry {seal['seq']} was sealed otherwise too", True)):
            before = len(alarms(platform))
            platform.client.publish(f"{harness.PREFIX}/seal", json.dumps(forged), qos=1).wait_for_publish()
            harness.wait_for(lambda: len(alarms(platform)) > before, 10, f"an alarm: {says}")  # noqa: B023
            assert says in alarms(platform)[-1][0] and len(alarms(platform)) == before + 1, alarms(platform)
            with platform.lock:
                assert (json.dumps(forged).encode() in {payload for (payload,) in platform.store.proofs(harness.STATION)}) == is_kept
        assert as_recorded(platform, daemon)
        daemon.stop()
        platform.stop()


def test_what_is_no_document_of_the_contract_is_an_alarm_and_stops_nothing():
    with harness.Room() as room:
        broker = room.broker()
        daemon = daemon_of(room, broker)
        platform = platform_of(room, broker, daemon)
        harness.wait_for(lambda: stored(platform) and receipted(daemon), 15, "the first entry")
        first = stored(platform)[0]
        as_bytes = lambda **changes: json.dumps(dict(first, **changes), separators=(",", ":")).encode()
        junk = [b"", b"[]", b"7", b"\xff", b"[" * 60000, b'{"online":true}', b'{"online":true,"epoch":"\\ud800","seq":1}',
                b'{"online":true,"epoch":{},"seq":1}', b'{"online":true,"epoch":"x","seq":"9"}',
                b'{"online":true,"epoch":"x","seq":%d}' % 10**30, as_bytes(seq=10**30), as_bytes(seq="2"), as_bytes(seq=2, prev="x:y"),
                as_bytes(seq=2)[:-1] + b',"seq":3}', b'{"station":"\\ud800","key":[]}']
        for kind in ("result", "event", "seal", "manifest", "status"):
            for payload in junk:
                platform.client.publish(f"{harness.PREFIX}/{kind}", payload, qos=1).wait_for_publish()
        harness.wait_for(lambda: len(alarms(platform)) >= 5 * len(junk), 15, "an alarm for each")
        assert platform.worker.is_alive()
        sim = reader(room, "--results", "5")
        harness.wait_for(lambda: len(sim.truth()) == 5 and not lost(sim, platform) and receipted(daemon), 30, "5 results after it")
        daemon.stop()
        platform.stop()


def test_what_a_receipt_cannot_ask_for_is_replayed_when_it_is_asked_for_by_hand():
    """What was acknowledged before anybody subscribed, by a platform that gives no receipts."""
    with harness.Room() as room:
        broker, sim, daemon = run_without_platform(room, "none")
        platform = county.Platform("127.0.0.1", broker.port, room.path("platform.db"), receipt_every=1e9).start()
        status = daemon.status()
        asking = ("--broker", f"127.0.0.1:{broker.port}", "--county", harness.COUNTY, "--replay", harness.STATION)
        code, output, _ = run(room, *asking, "unheard-of", "1", "5")
        answer = json.loads(output)
        assert code == 1 and answer["reason"] == "unknown_epoch" and answer["epochs"][0] == status["epoch"]
        code, output, _ = run(room, *asking, status["epoch"], "1", str(status["seq"] + 1))
        assert code == 1 and json.loads(output)["reason"] == "not_yet"
        assert len(lost(sim, platform)) == 40
        code, output, _ = run(room, *asking, status["epoch"], "1", str(status["seq"]), "--protocol", "3.1.1")
        assert code == 0 and json.loads(output) == {"accepted": True, "epoch": status["epoch"], "from": 1, "to": status["seq"]}
        harness.wait_for(lambda: not lost(sim, platform), 30, "everything at the platform")
        assert alarms(platform) == []
        platform.stop()


def test_a_station_that_does_not_answer_is_told():
    with harness.Room() as room:
        broker = room.broker()
        link = {"host": "127.0.0.1", "port": broker.port, "protocol": "5", "tls": None, "login": None}
        with pytest.raises(TimeoutError, match="no answer within 1 s; is the station online?"):
            county.county_link.ask(link, harness.PREFIX, "replay", {}, seconds=1)
        broker.stop()
        code, output, complaint = run(room, "--broker", f"127.0.0.1:{broker.port}", "--county", harness.COUNTY, "--replay", harness.STATION,
                                      "e", "1", "2")
        assert (code, output) == (1, "") and "refused" in complaint and "Traceback" not in complaint

"""county.py as a program of its own: with a broker as counties have them, against seals, and when it asks for what was."""
import os
import subprocess

import harness
import pytest
from test_platform import TARGET, county, reader, READER, receipted

PROGRAM = county.__file__
SECURE = "allow_anonymous false\npassword_file {directory}/users\nacl_file {directory}/acl\ncertfile {pki}/good.crt\nkeyfile {pki}/good.key\n"
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
        subprocess.run(["mosquitto_passwd", *(["-c"] if user == "station" else []), "-b", room.path("users"), user, f"{user}-secret"], check=True)
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
        return [county.json.loads(payload) for (payload,) in store.entries(harness.STATION)]
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
        harness.wait_for(lambda: len(sim.truth()) == 10 and receipted(daemon), 30, "a receipt for all")
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
        assert "platform" not in {words.split(" as ")[1].split(" ")[0] for words in broker.log().splitlines() if "New client connected" in words}


def test_a_broker_that_wants_a_certificate_of_the_county_gets_it():
    with harness.Room() as room:
        broker, pki = secure_broker(room, extra=f"require_certificate true\ncafile {room.path('pki')}/ca.crt\n")
        login = ("--broker", f"127.0.0.1:{broker.port}", "--ca", f"{pki}/ca.crt", "--user", "platform", "--password-file",
                 room.path("platform.password"))
        code, _, complaint = run(room, *login)
        assert code == 1 and f"broker 127.0.0.1:{broker.port}: " in complaint
        running(room, *login, "--cert", f"{pki}/station.crt", "--key", f"{pki}/station.key")


def test_options_that_do_not_go_together_are_refused_before_anything_is_connected(tmp_path):
    other = tmp_path / "not.pem"
    other.write_text("no certificate\n")
    for options, says in ((("--broker", "http://a"), "mqtts://HOST:PORT"), (("--broker", "a:b"), "--broker a:b"),
                          (("--broker", "mqtt://a", "--ca", str(other)), "for mqtts://"), (("--key", str(other)), "--cert"),
                          (("--password-file", str(other)), "--user"), (("--broker", "mqtts://a", "--ca", str(other)), "PEM"),
                          (("--ca", str(tmp_path / "none")), "No such file")):
        done = subprocess.run(["/usr/bin/python3", PROGRAM, "--database", str(tmp_path / "a.db"), *options], capture_output=True, text=True,
                              timeout=30, check=False)
        assert done.returncode == 2 and says in done.stderr.splitlines()[-1], done.stderr

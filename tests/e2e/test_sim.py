"""The simulated instruments, asked by clients that share no code with them: pymodbus, and plain bytes."""
import os
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from harness import BUILD, Sim, wait_for

ANY_PORT = ("--tcp", "127.0.0.1:0")
KINDS = ["sample", "blank", "control", "control", "calibration"]
VERDICTS = ["none", "negative", "positive", "suspect", "invalid"]
UNITS = ["", "%", "mg/kg", "ug/kg"]


@pytest.fixture
def start(tmp_path):
    """Starts a simulator; all of them are ended cleanly, or the test fails."""
    sims = []

    def begin(archetype, where, *options):
        sim = Sim(str(tmp_path), f"sim-{len(sims)}", archetype, where, *options).start()
        sims.append(sim)
        return sim

    yield begin
    for sim in sims:
        assert sim.stop() == 0


def finished(sim, count):
    wait_for(lambda: len(sim.truth()) >= count, 10, f"{count} results")
    return sim.truth()


# --- A6b ---

def tcp_client(sim):
    host, port = sim.address.rsplit(":", 1)
    client = ModbusTcpClient(host, port=int(port), timeout=2)
    assert client.connect()
    return client


def serial_client(sim):
    client = ModbusSerialClient(port=sim.address, baudrate=115200, timeout=1)
    assert client.connect()
    return client


def registers(client, address, count, unit=1):
    answer = client.read_holding_registers(address, count, slave=unit)
    assert not answer.isError(), answer
    return answer.registers


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)


def single(words, low_first):
    high, low = reversed(words) if low_first else words
    value = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    return f"{value:.6g}"


def text(words):
    return struct.pack(f">{len(words)}H", *words).split(b"\0")[0].decode("gb18030")


def result_of(window, low_first=False):
    """One window as the truth spells it; None for a blank well or a dummy."""
    raw = struct.pack(">46H", *window)
    if window[0] == 0xFFFF:
        return None
    assert crc16(raw[:90]) == raw[90:]
    return {
        "instrument_seq": str(window[1] << 16 | window[2]), "channel": window[3], "item": str(window[4]),
        "tested_at": "%04d-%02d-%02dT%02d:%02d:%02d+08:00" % tuple(window[6:12]), "value": single(window[13:15], low_first),
        "unit_text": UNITS[window[15]], "verdict": VERDICTS[window[16]], "kind": KINDS[window[21]],
        "sample_no": text(window[22:30]), "sample_name": text(window[30:40]), "operator": text(window[40:44])}


def read_all(client, unit=1, low_first=False):
    """Select, latch and read everything the instrument holds."""
    oldest_high, oldest_low, newest_high, newest_low = registers(client, 0x16, 4, unit)
    results = []
    number, newest = oldest_high << 16 | oldest_low, newest_high << 16 | newest_low
    while number != (newest + 1) % 2**32:
        assert not client.write_registers(0x20, [number & 0xFFFF, number >> 16], slave=unit).isError()
        assert not client.write_register(0x22, 1, slave=unit).isError()
        results.append(result_of(registers(client, 0x100, 46, unit), low_first))
        number = (number + 1) % 2**32
    return [result for result in results if result]


def told(sim, unit=1):
    keys = ("instrument_seq", "channel", "item", "tested_at", "value", "unit_text", "verdict", "kind", "sample_no",
            "sample_name", "operator")
    return [{key: line[key] for key in keys} for line in sim.truth() if line["unit"] == unit]


@pytest.mark.parametrize("order", ["ABCD", "CDAB"])
def test_pymodbus_reads_over_tcp_what_the_truth_says(start, order):
    sim = start("a6b", ANY_PORT, "--rate", "400", "--results", "100", "--order", order)
    finished(sim, 100)
    client = tcp_client(sim)
    assert registers(client, 0, 2) == [0xA55D, 1]
    assert read_all(client, low_first=order == "CDAB") == told(sim)
    assert {line["kind"] for line in sim.truth()} == set(KINDS)
    client.close()


def test_pymodbus_reads_every_unit_of_an_rtu_line(start, tmp_path):
    sim = start("a6b", ("--serial", str(tmp_path / "line")), "--rate", "100", "--results", "10", "--units", "1,2,3,4",
                "--dead-unit", "3")
    finished(sim, 30)
    client = serial_client(sim)
    for unit in 1, 2, 4:
        assert read_all(client, unit) == told(sim, unit)
    assert told(sim, 3) == []
    assert client.read_holding_registers(0, 1, slave=3).isError()
    client.close()


def test_the_running_number_wraps(start):
    sim = start("a6b", ANY_PORT, "--rate", "200", "--results", "12", "--first-seq", "4294967290", "--memory-first-dummy")
    finished(sim, 12)
    client = tcp_client(sim)
    results = read_all(client)
    assert results == told(sim)
    assert {"4294967295", "0", "1"} <= {str(n % 2**32) for n in range(4294967290, 4294967310)}
    assert int(results[-1]["instrument_seq"]) < 20
    client.close()


def test_a_torn_window_never_has_a_matching_checksum(start):
    sim = start("a6b", ANY_PORT, "--rate", "100", "--results", "3", "--torn", "0.5", "--blank-wells", "0")
    finished(sim, 3)
    client = tcp_client(sim)
    client.write_register(0x20, 1, slave=1)
    client.write_register(0x22, 1, slave=1)
    good = 0
    for _ in range(100):
        raw = struct.pack(">46H", *registers(client, 0x100, 46))
        if crc16(raw[:90]) == raw[90:]:
            good += 1
            assert result_of(struct.unpack(">46H", raw)) == told(sim)[0]
    assert 20 < good < 80
    client.close()


def test_a_late_answer_comes_although_the_next_request_is_there(start, tmp_path):
    sim = start("a6b", ("--serial", str(tmp_path / "line")), "--results", "0", "--late", "300", "--late-every", "2")
    line = os.open(sim.address, os.O_RDWR | os.O_NOCTTY)
    first, second, third = (bytes([1, 3, 0, at, 0, 1]) for at in (0x00, 0x01, 0x13))
    os.write(line, first + crc16(first))
    assert receive(line, 7)[3:5] == b"\xA5\x5D"
    began = time.monotonic()
    os.write(line, second + crc16(second))
    time.sleep(0.1)
    os.write(line, third + crc16(third))
    assert receive(line, 7)[3:5] == b"\x00\x01"
    assert 0.28 < time.monotonic() - began < 0.6
    assert receive(line, 7)[3:5] == b"\x00\x0C"
    os.close(line)


def test_a_thousand_instruments_in_one_process(start):
    sim = start("a6b", ANY_PORT, "--ports", "1000", "--rate", "1", "--results", "1")
    base = int(sim.address.rsplit(":", 1)[1])
    connections = [socket.create_connection(("127.0.0.1", base + i)) for i in range(0, 1000)]
    for connection in connections:
        connection.sendall(bytes.fromhex("000100000006010300000002"))
    for connection in connections:
        assert connection.recv(64) == bytes.fromhex("000100000007010304A55D0001")
        connection.close()
    assert {line["port"] for line in finished(sim, 1000)} == set(range(base, base + 1000))
    assert len({line["serial"] for line in sim.truth()}) == 1000


# --- 7E-AA ---

def crc8(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31) & 0xFF if crc & 0x80 else crc << 1
    return crc


def frame(command, data):
    body = struct.pack("<BH", command, len(data)) + data
    return b"\x7E" + body + bytes([crc8(body)]) + b"\xAA"


def receive(line, length, seconds=5):
    """Exactly `length` bytes from a terminal or a socket's descriptor."""
    data = b""
    os.set_blocking(line, False)
    end = time.monotonic() + seconds
    while len(data) < length and time.monotonic() < end:
        try:
            data += os.read(line, length - len(data))
        except BlockingIOError:
            time.sleep(0.002)
    assert len(data) == length, data.hex(" ")
    return data


def days_of(truth):
    """The dates of the truth, with how many results each has; nearly always one, at midnight two."""
    days = {}
    for line in truth:
        days.setdefault(line["tested_at"][:10], []).append(line)
    return days


def as_bytes(day):
    year, month, day = (int(part) for part in day.split("-"))
    return bytes([year % 100, month, day])


def name_of(field):
    return field.split(b"\0")[0].decode("gb18030", errors="replace")


def test_a2_tells_a_day_as_often_as_it_is_asked(start):
    sim = start("a2", ANY_PORT, "--rate", "400", "--results", "200", "--burst", "8")
    truth = finished(sim, 200)
    host, port = sim.address.rsplit(":", 1)
    line = socket.create_connection((host, int(port)))
    line.sendall(frame(0x00, b"\0\0"))
    assert receive(line.fileno(), 8) == frame(0x01, b"\0\0")
    for day, lines in list(days_of(truth).items()) * 2:
        line.sendall(frame(0x12, as_bytes(day)))
        assert receive(line.fileno(), 11) == frame(0x13, as_bytes(day) + struct.pack("<H", len(lines)))
        line.sendall(frame(0x10, as_bytes(day)))
        answer = receive(line.fileno(), 26 * len(lines))
        for i, want in enumerate(lines):
            got = answer[26 * i:26 * i + 26]
            assert got == frame(0x11, got[4:-2])
            total, index, number = struct.unpack("<HHH", got[4:10])
            value, = struct.unpack("<h", got[22:24])
            assert (total, index, str(number), str(number)) == (len(lines), i + 1, want["instrument_seq"], want["sample_no"])
            assert "%04d-%02d-%02dT%02d:%02d:%02d+08:00" % (2000 + got[16], *got[17:22]) == want["tested_at"]
            assert (f"{value / 100:.2f}", name_of(got[10:16])) == (want["value"], want["sample_name"])
    assert any("\uFFFD" in line["sample_name"] for line in truth), "no name was cut inside a character"
    pairs = [(line["tested_at"], line["value"], line["sample_name"]) for line in truth]
    assert len(set(pairs)) < len(pairs), "no two wells were equal in the same second"
    line.close()


def test_a2b_tells_all_the_last_batch_and_a_day(start, tmp_path):
    sim = start("a2b", ("--serial", str(tmp_path / "line")), "--rate", "400", "--results", "96", "--burst", "24")
    truth = finished(sim, 96)
    line = os.open(str(tmp_path / "line"), os.O_RDWR | os.O_NOCTTY)
    os.write(line, frame(0x00, b"\0\0"))
    assert receive(line, 10) == bytes.fromhex("7E020400FF021010F8AA")
    (day, of_day), = list(days_of(truth).items())[:1]
    for what, wanted in (b"\xFF\xFF\xFF", truth), (b"\0\0\0", truth[-24:]), (as_bytes(day), of_day):
        os.write(line, frame(0x15, b"\xFF" + what))
        answer = receive(line, 27 * len(wanted))
        for i, want in enumerate(wanted):
            got = answer[27 * i:27 * i + 27]
            assert got == frame(0x16, got[4:-2])
            total, index, well, standard = struct.unpack("<HHBB", got[5:11])
            number, = struct.unpack(">H", got[17:19])
            value, verdict = struct.unpack("<hB", got[21:24])
            assert (total, index, well) == (len(wanted), i + 1, want["channel"])
            assert str(number) == want["instrument_seq"] and standard in (0, 1)
            if value in (0x7FFE, 0x7FFF):
                assert (want["value"], want["verdict"]) == ("", "invalid")
            else:
                assert f"{value / 10:.1f}" == want["value"]
                assert {1: "positive", 2: "negative"}[verdict] == want["verdict"]
    assert "" in {line["value"] for line in truth}
    os.close(line)


# --- the line ---

def test_a_serial_line_outlives_whoever_opens_it(start, tmp_path):
    sim = start("a2", ("--serial", str(tmp_path / "line")), "--results", "0")
    for _ in range(5):
        line = os.open(str(tmp_path / "line"), os.O_RDWR | os.O_NOCTTY)
        assert not termios.tcgetattr(line)[3] & (termios.ECHO | termios.ICANON)
        os.write(line, frame(0x00, b"\0\0"))
        receive(line, 8)
        os.close(line)
    assert sim.alive()


def test_the_link_is_replaced_when_stale_and_removed_at_the_end(start, tmp_path):
    link = tmp_path / "line"
    link.symlink_to("/dev/pts/does-not-exist")
    sim = start("a2", ("--serial", str(link)))
    assert os.readlink(link) == sim.address
    assert sim.stop() == 0
    assert not os.path.lexists(link)
    link.write_text("a file of somebody's")
    done = subprocess.run([os.path.join(BUILD, "assay-sim"), "a2", "--serial", str(link)], capture_output=True, timeout=5)
    assert done.returncode == 1 and b"is no symbolic link" in done.stderr
    assert link.read_text() == "a file of somebody's"


def test_an_unplugged_pty_comes_back_under_another_name(start, tmp_path):
    link = str(tmp_path / "line")
    sim = start("a2", ("--serial", link), "--rate", "20", "--unplug", "0.5:0.5")
    line = os.open(link, os.O_RDWR | os.O_NOCTTY)
    os.set_blocking(line, False)
    wait_for(lambda: not os.path.lexists(link), 5, "the unplug")
    with pytest.raises(OSError):
        os.write(line, b"x")
    wait_for(lambda: os.path.lexists(link), 5, "the replug")
    assert os.readlink(link) != sim.address
    os.close(line)
    line = os.open(link, os.O_RDWR | os.O_NOCTTY)
    os.write(line, frame(0x00, b"\0\0"))
    receive(line, 8)
    os.close(line)
    stamps = [entry["at_ns"] for entry in sim.truth()]
    assert max(b - a for a, b in zip(stamps, stamps[1:])) < 0.3e9, "it stopped working while unplugged"


def test_a_signal_pulls_the_plug_and_another_plugs_it_in(start, tmp_path):
    link = str(tmp_path / "line")
    sim = start("a2", ("--serial", link), "--rate", "20")
    names = [sim.address]
    for _ in range(2):
        sim.child.send_signal(signal.SIGUSR1)
        wait_for(lambda: not os.path.lexists(link), 5, "the unplug")
        sim.child.send_signal(signal.SIGUSR1)  # it is out, and is asked before the other
        sim.child.send_signal(signal.SIGUSR2)
        wait_for(lambda: os.path.lexists(link), 5, "the replug")
        assert os.readlink(link) != names[-1]
        names.append(os.readlink(link))
    line = os.open(link, os.O_RDWR | os.O_NOCTTY)
    os.write(line, frame(0x00, b"\0\0"))
    receive(line, 8)
    os.close(line)
    sim.child.send_signal(signal.SIGUSR1)
    wait_for(lambda: not os.path.lexists(link), 5, "the unplug")  # in which it is ended


def test_a_plug_may_be_pulled_while_somebody_speaks(start, tmp_path):
    link = str(tmp_path / "line")
    sim = start("a2", ("--serial", link), "--results", "0")
    for _ in range(5):
        line = os.open(link, os.O_RDWR | os.O_NOCTTY)
        sim.child.send_signal(signal.SIGSTOP)
        sim.child.send_signal(signal.SIGUSR1)
        os.write(line, frame(0x00, b"\0\0"))  # both are there when it looks
        sim.child.send_signal(signal.SIGCONT)
        wait_for(lambda: not os.path.lexists(link), 5, "the unplug")
        sim.child.send_signal(signal.SIGUSR2)
        wait_for(lambda: os.path.lexists(link), 5, "the replug")
        os.close(line)
    assert sim.child.poll() is None


def test_a_power_cycle_keeps_the_memory_and_restarts_the_numbers(start):
    sim = start("a6b", ANY_PORT, "--rate", "50", "--power-cycle", "0.5", "--blank-wells", "0")
    client = tcp_client(sim)
    before = len(finished(sim, 10))
    wait_for(lambda: client_fails(client), 5, "the power cut")
    with pytest.raises(OSError):
        socket.create_connection(tuple_of(sim.address), timeout=1)
    wait_for(lambda: not refuses(sim.address), 5, "the power's return")
    numbers = [int(line["instrument_seq"]) for line in finished(sim, 40)]
    assert numbers.count(1) == 2 and numbers.index(1, 1) > before
    client = tcp_client(sim)
    assert registers(client, 0x15, 1)[0] >= 40
    client.close()


def test_what_waits_when_the_power_goes_is_never_sent(start, tmp_path):
    sim = start("a2", ("--serial", str(tmp_path / "line")), "--late", "1500", "--power-cycle", "0.6", "--results", "0")
    line = os.open(sim.address, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    os.write(line, frame(0x00, b"\0\0"))
    time.sleep(1.2)
    os.write(line, frame(0x00, b"\0\0"))  # without power nobody hears this
    time.sleep(2)
    with pytest.raises(BlockingIOError):
        os.read(line, 100)
    os.write(line, frame(0x00, b"\0\0"))
    assert receive(line, 8) == frame(0x01, b"\0\0")
    os.close(line)


def tuple_of(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


def refuses(address):
    with socket.socket() as probe:
        return probe.connect_ex(tuple_of(address)) != 0


def client_fails(client):
    try:
        return client.read_holding_registers(0, 1, slave=1).isError()
    except Exception:  # pylint: disable=broad-except
        return True


def comm_tests(sim, count):
    """What comes back for each of `count` comm tests, until the line is quiet."""
    line = socket.create_connection(tuple_of(sim.address))
    line.settimeout(0.2)
    answers = []
    for _ in range(count):
        line.sendall(frame(0x00, b"\0\0"))
        answer = b""
        while True:
            try:
                answer += line.recv(100)
            except TimeoutError:
                break
        answers.append(answer)
    line.close()
    return answers


@pytest.mark.parametrize("fault, changed", [
    (("--noise", "1"), lambda good, got: len(good) < len(got) <= len(good) + 8 and got.endswith(good)),
    (("--bad-crc", "1"), lambda good, got: got[:6] == good[:6] and got[6] != good[6] and got[7:] == good[7:]),
    (("--silence", "1"), lambda good, got: got == b""),
    (("--short", "1"), lambda good, got: 0 < len(got) < len(good) and good.startswith(got)),
    (("--echo",), lambda good, got: got == frame(0x00, b"\0\0") + good),
    (("--split",), lambda good, got: got == good),
])
def test_faults_are_what_they_say(start, fault, changed):
    good = frame(0x01, b"\0\0")
    for answer in comm_tests(start("a2", ANY_PORT, *fault), 5):
        assert changed(good, answer), answer.hex(" ")


def test_a_fault_with_a_probability_comes_about_so_often_and_the_same_with_one_seed(start):
    runs = [[len(answer) for answer in comm_tests(start("a2", ANY_PORT, "--silence", "0.5", "--seed", seed), 20)]
            for seed in ("7", "7", "8")]
    assert runs[0] == runs[1] != runs[2]
    assert 3 < runs[0].count(0) < 17


def test_results_are_evenly_spaced_and_stop(start):
    sim = start("a2", ANY_PORT, "--rate", "50", "--results", "25")
    stamps = [line["at_ns"] for line in finished(sim, 25)]
    gaps = [b - a for a, b in zip(stamps, stamps[1:])]
    assert sum(gaps) == pytest.approx(24 * 20e6, rel=0.1)
    time.sleep(0.2)
    assert len(sim.truth()) == 25


# --- the command ---

def command(*arguments):
    return subprocess.run([os.path.join(BUILD, "assay-sim"), *arguments], capture_output=True, text=True, timeout=5, check=False)


def test_help_names_every_option_and_a_mistake_gets_one_sentence():
    told_by_help = command("--help")
    assert told_by_help.returncode == 0
    for option in ("serial tcp ports unit units dead-unit results rate burst start-delay seed truth first-seq capacity same "
                   "controls blank-wells sentinels memory-first-dummy order clock-offset timezone late late-every noise bad-crc "
                   "silence short echo split retests busy torn power-cycle power-cycle-clears unplug").split():
        assert f"  --{option} " in told_by_help.stdout, option
    for mistake in (["a2"], ["a99", "--serial", "x"], ["a2", "--serial", "x", "--rate", "fast"], ["a2", "--serial", "x", "--huh"],
                    ["a7", "--serial", "x", "--retests", "0.5"]):
        done = command(*mistake)
        assert done.returncode == 64 and done.stdout == "" and done.stderr.count("\n") == 1, mistake


def test_a_taken_port_is_said(start):
    sim = start("a2", ANY_PORT)
    done = command("a2", "--tcp", sim.address)
    assert done.returncode == 1 and sim.address in done.stderr


def test_sigint_ends_it_too(start):
    assert start("a2", ANY_PORT).stop(signal.SIGINT) == 0

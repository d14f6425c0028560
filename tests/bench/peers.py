"""Beside what rooms have today: collectd with its Modbus plugin, polling the same simulated instruments once a second."""
import os
import shutil
import time

from measure import cpu_s, figure, harness, median, sized
from rooms import room_of, window

INSTRUMENTS, REGISTERS = 20, 40
ANSWERED = [*range(0x00, 0x20), *range(0x00, 0x08)]  # of the A6b map; collectd asks for each by itself

DATA = """<Data "r{number}">
    RegisterBase {address}
    RegisterType Uint16
    RegisterCmd ReadHolding
    Type gauge
    Instance "r{number}"
  </Data>
"""
HOST = """<Host "an-{number}">
    Address "127.0.0.1"
    Port "{port}"
    Interval 1
    <Slave 1>
      Instance "an-{number}"
      {collect}
    </Slave>
  </Host>
"""


def collectd_conf(room, first):
    collect = "\n      ".join(f'Collect "r{number}"' for number in range(REGISTERS))
    conf = (f'Hostname "bench"\nFQDNLookup false\nInterval 1\nBaseDir "{room.directory}"\nPIDFile "{room.path("collectd.pid")}"\n'
            'TypesDB "/usr/share/collectd/types.db"\nLoadPlugin modbus\n<Plugin modbus>\n  ' +
            "  ".join(DATA.format(number=number, address=address) for number, address in enumerate(ANSWERED)) + "  " +
            "  ".join(HOST.format(number=number, port=first + number, collect=collect) for number in range(INSTRUMENTS)) +
            "</Plugin>\n")
    path = room.path("collectd.conf")
    with open(path, "w", encoding="ascii") as out:
        out.write(conf)
    return path


def collectd():
    """Processor time of one poll of 40 registers: ours beside collectd's, which asks for each register by itself."""
    program = shutil.which("collectd", path=os.environ["PATH"] + ":/usr/sbin")
    if not program or not os.path.exists("/usr/lib/collectd/modbus.so"):
        raise RuntimeError("collectd with its Modbus plugin is not installed: apt-get install collectd-core")
    rounds, seconds = sized(2, 5), sized(5, 10)
    with harness.Room() as room:
        # one set of instruments each: collectd keeps its connections
        first, daemon = room_of(room, INSTRUMENTS, INSTRUMENTS)
        peer = room.add(harness.Process([program, "-f", "-C", collectd_conf(room, first + INSTRUMENTS)],
                                        room.path("collectd.log")).start())
        time.sleep(4)
        if not peer.alive():
            raise RuntimeError(f"collectd ended: {peer.log()[-500:]}")
        ours, theirs = [], []
        for _ in range(rounds):
            before = cpu_s(peer.child.pid)
            spent, done, took = window(daemon, seconds)
            theirs.append((cpu_s(peer.child.pid) - before) * 1e6 / (INSTRUMENTS * took))
            ours.append(spent * 1e6 / done)
        ratio = median([b / a for a, b in zip(ours, theirs)])
        figure("processor time of a poll, beside collectd's", median(ours), "us", "<= 1/40 of collectd's", ratio >= 40,
               "collectd, 40 registers", median(theirs), rounds=rounds, times_less=round(ratio, 1))

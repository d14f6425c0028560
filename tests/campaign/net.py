"""net: two hosts on a cable that only this row has: the county (where the row runs) and the box (where the daemon runs).

enter() runs the row anew in a network and mount namespace of its own; what it makes vanishes with it, whatever ends it. Faults
are laid on the packets as they arrive, on both ends, so that neither host is told."""
import contextlib
import os
import re
import shutil
import subprocess
import sys

import row
import harness
import station

COUNTY, BOX = "10.87.1.1", "10.87.1.2"
TOOLS = ("ip", "tc", "iptables", "nsenter", "unshare", "setpriv")
INSIDE = "CAMPAIGN_NET"


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def enter():
    """Returns inside the new namespaces, with the cable laid; the row is skipped where there can be none."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        row.skip(row.name(), f"needs {', '.join(missing)}: tests/deps faults")
    if not os.environ.get(INSIDE):
        command = ["unshare", "--net", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
        tried = subprocess.run([*command, "iptables", "-S"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            row.skip(row.name(), f"no network namespace with packet rules here: {tried.stderr.strip().splitlines()[-1]}")
        os.execvpe(command[0], [*command, "--", sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})
    return Net()


class Net:
    """The cable. `inside` goes before a command that is to run on the box."""

    def __init__(self):
        # ends with this process, however that ends
        self.holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        harness.wait_for(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own, 10, "a namespace for the box")
        self.inside = ("nsenter", "-t", str(self.holder.pid), "-n", "--")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "county", "type", "veth", "peer", "name", "box", "netns", str(self.holder.pid))
        for host, name, address in (((), "county", COUNTY), (self.inside, "box", BOX)):
            run(*host, "ip", "address", "add", f"{address}/24", "dev", name)
            run(*host, "ip", "link", "set", name, "up")
            run(*host, "ip", "link", "set", "lo", "up")

    def broker(self, room):
        """One in the county, which the box reaches at COUNTY and the platform as ever."""
        port = harness.free_port()
        return room.broker(port=port, extra=f"listener {port} {COUNTY}")

    @contextlib.contextmanager
    def station(self, results, rate, **options):
        """A room whose daemon runs on the box and whose platform is in the county, once the first result has come there."""
        with station.Station() as room:
            broker = self.broker(room)
            room.platform(broker.port)
            room.pusher(results, rate=rate)
            room.run(broker.port, host=COUNTY, wrapper=self.inside, **options)
            harness.wait_for(room.stored, 20, "the first result")
            yield room

    def lay(self, *rule):
        """One rule on what arrives over the cable, at both ends."""
        run("iptables", "-A", "INPUT", "-i", "county", *rule)
        run(*self.inside, "iptables", "-A", "INPUT", "-i", "box", *rule)

    def swallow(self, port):
        """Whoever connects to this port of the county hears nothing, for as long as the row lasts."""
        run("iptables", "-A", "INPUT", "-i", "county", "-p", "tcp", "--dport", str(port), "-j", "DROP")

    def no_names(self, path):
        """The only server that could resolve a name is the county, and it says nothing."""
        with open(path, "w", encoding="ascii") as out:
            out.write(f"nameserver {COUNTY}\n")
        run("mount", "--bind", path, "/etc/resolv.conf")
        run("iptables", "-A", "INPUT", "-i", "county", "-p", "udp", "--dport", "53", "-j", "DROP")

    def dropped(self):
        """Of the packets that arrived over the cable at the county, within loss(): (how many were dropped, all)."""
        said = subprocess.run(["iptables", "-nvxL", "INPUT"], check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        counted, *dropped = (int(count) for count in re.findall(r"^\s*(\d+)\s+\d+\s", said.stdout, re.M))
        return sum(dropped), counted

    def heal(self):
        run("iptables", "-F", "INPUT")
        run(*self.inside, "iptables", "-F", "INPUT")

    @contextlib.contextmanager
    def partition(self):
        self.lay("-j", "DROP")
        yield
        self.heal()

    @contextlib.contextmanager
    def loss(self, share):
        run("iptables", "-A", "INPUT", "-i", "county")  # only counts
        self.lay("-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP")
        yield
        self.heal()

    @contextlib.contextmanager
    def slow(self, rate):
        """So many bits a second each way, as tc writes them."""
        for host, name in (((), "county"), (self.inside, "box")):
            run(*host, "tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", rate, "burst", "3000", "latency", "2s")
        yield
        for host, name in (((), "county"), (self.inside, "box")):
            run(*host, "tc", "qdisc", "del", "dev", name, "root")

"""brokers: the brokers that a county may run, each on loopback, private, and ended by process id.

mosquitto comes from the harness; aedes from npm (tests/package.json); RabbitMQ from Debian (`tests/deps brokers`). Each has
`name`, `port`, start(), stop() and crash(), and keeps nothing over a crash but what its kind keeps by itself."""
import os
import shutil
import signal
import subprocess
import sys

import row
import harness

sys.path.insert(0, os.path.join(row.ROOT, "tests"))
import node_tools  # noqa: E402

# the direct scripts: those in /usr/sbin change the user
RABBIT, RABBIT_CTL = "/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmqctl"
RABBIT_SECONDS = 300  # two cores may have other work


class Missing(Exception):
    """This broker cannot be run on this machine; the text says why."""


class Mosquitto(harness.Broker):
    """In memory: a crash forgets sessions, queues and what was retained."""

    def crash(self):
        self.stop(signal.SIGKILL)


class Aedes(harness.Process):
    """MQTT 3.1.1 only; in memory."""

    def __init__(self, directory, *how):
        self.port = harness.free_port()
        if not node_tools.fetch():
            raise Missing("aedes cannot be fetched: npm ci --prefix tests fails")
        super().__init__(["node", os.path.join(row.ROOT, "tests/campaign/aedes_broker.mjs"), str(self.port), *how],
                         os.path.join(directory, f"aedes-{self.port}.log"))

    def start(self):
        super().start()
        harness.wait_for(lambda: harness.listens(self.port) or not self.alive(), 20, "aedes listening")
        if not self.alive():
            raise Missing(f"aedes does not run here: {self.log().strip().splitlines()[-1]}")
        return self

    def crash(self):
        self.stop(signal.SIGKILL)


class RabbitNode(harness.Process):
    """One node; its queues and messages lie on the disk, and outlive a crash of it."""

    def __init__(self, cluster, number):
        self.name, self.port = f"r{number}@localhost", harness.free_port()
        self.place = os.path.join(cluster.directory, f"rabbit{number}")
        self.first = number == 1
        os.makedirs(os.path.join(self.place, "home"))
        self.write("home/.erlang.cookie", "ACOOKIEOFTHISCAMPAIGN", 0o400)
        self.write("plugins", "[rabbitmq_mqtt].\n")
        self.write("rabbitmq.conf", self.configuration(cluster.size))
        super().__init__([RABBIT], os.path.join(self.place, "log"), env={
            "HOME": self.path("home"), "ERL_EPMD_PORT": str(cluster.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.name, "RABBITMQ_DIST_PORT": str(harness.free_port()),
            "RABBITMQ_CONFIG_FILE": self.path("rabbitmq"), "RABBITMQ_ENABLED_PLUGINS_FILE": self.path("plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_MNESIA_BASE": self.path("mnesia"),
            "RABBITMQ_LOG_BASE": self.path("logs"), "RABBITMQ_PID_FILE": self.path("pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"})

    def path(self, name):
        return os.path.join(self.place, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="ascii") as out:
            out.write(text)
        os.chmod(self.path(name), mode)

    def configuration(self, size):
        lines = ["listeners.tcp = none", f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}",
                 "distribution.listener.interface = 127.0.0.1", "mqtt.allow_anonymous = true", "mqtt.default_user = guest", "mqtt.default_pass = guest", "mqtt.vhost = /",
                 "mqtt.exchange = amq.topic", "mqtt.subscription_ttl = 86400000", "vm_memory_high_watermark.absolute = 512MB",
                 "disk_free_limit.absolute = 50MB", "cluster_partition_handling = pause_minority", "log.console = false",
                 "log.file.level = warning"]
        if size > 1:
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            lines += [f"cluster_formation.classic_config.nodes.{number} = r{number}@localhost" for number in range(1, size + 1)]
        return "\n".join(lines) + "\n"

    def listening(self):
        if not self.alive():
            raise Missing(f"RabbitMQ ended with {self.child.returncode}: {self.log()[-500:]}")
        return harness.listens(self.port)

    def wait(self):
        harness.wait_for(self.listening, RABBIT_SECONDS, f"{self.name} listening")
        return self

    def crash(self):
        """The Erlang machine, not the script that started it: that ends with it."""
        with open(self.path("pid"), encoding="ascii") as pid:
            os.kill(int(pid.read()), signal.SIGKILL)
        self.child.wait(20)


class Rabbit:
    """RabbitMQ of one node or more. Used with `with`: nothing of it is left behind, the port mapper neither."""

    def __init__(self, directory, size=1):
        self.directory, self.size, self.epmd_port = directory, size, harness.free_port()
        if not os.path.exists(RABBIT) or not shutil.which("epmd"):
            raise Missing("RabbitMQ is not installed: tests/deps brokers")
        # ours, in the foreground: a node would start one that stays when it goes
        self.mapper = harness.Process(["epmd", "-address", "127.0.0.1", "-port", str(self.epmd_port)],
                                      os.path.join(directory, "epmd.log"), env={"ERL_EPMD_RELAXED_COMMAND_CHECK": "1"})
        self.nodes = [RabbitNode(self, number) for number in range(1, size + 1)]

    def __enter__(self):
        self.mapper.start()
        harness.wait_for(lambda: harness.listens(self.epmd_port), 10, "epmd listening")
        try:
            self.nodes[0].start().wait()  # the others find it and join
            for node in self.nodes[1:]:
                node.start()
            for node in self.nodes[1:]:
                node.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            if node.alive():
                node.crash()
        self.mapper.stop()

    @property
    def port(self):
        return self.nodes[0].port

    def start(self):
        self.nodes[0].start().wait()
        return self

    def crash(self):
        self.nodes[0].crash()

    def running(self):
        """How many nodes node 1 counts in its cluster."""
        node = self.nodes[0]
        asked = subprocess.run([RABBIT_CTL, "-q", "-n", node.name, "eval",
                                "length(rabbit_nodes:all_running())."], env={**os.environ, **node.env}, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=60, check=False)
        return int(asked.stdout) if asked.returncode == 0 else 0

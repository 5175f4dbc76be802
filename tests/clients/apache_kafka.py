"""One Apache Kafka broker on free loopback ports, from the jars that `scripts/setup` fetched."""

import contextlib
import os
import signal
import socket
import subprocess
import time

SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""
START_LIMIT_S = 60
STOP_LIMIT_S = 60


def free_ports(count):
    """So many ports of 127.0.0.1 that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


class ApacheKafka:
    """One broker that keeps its port and data, both under `directory`, over restarts."""

    def __init__(self, jars, directory, properties=None):
        """`properties` are added to those of the server."""
        self.port, controller = free_ports(2)
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._classpath = os.path.join(jars, "*")
        self._log = os.path.join(directory, "broker.log")
        self._properties = os.path.join(directory, "server.properties")
        with open(self._properties, "w", encoding="ascii") as file:
            file.write(SERVER_PROPERTIES.format(port=self.port, controller=controller, data=f"{directory}/data"))
            file.writelines(f"{name}={value}\n" for name, value in (properties or {}).items())
        self._java("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", self._properties)
        self._process = None

    def _java(self, *args):
        subprocess.run(["java", "-cp", self._classpath, *args], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)

    def start(self):
        log = open(self._log, "ab")
        self._process = subprocess.Popen(
            ["java", "-Xmx512m", "-cp", self._classpath, "kafka.Kafka", self._properties],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + START_LIMIT_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"Apache Kafka did not start: see {self._log}")

    def stop(self, how=signal.SIGTERM):
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(timeout=STOP_LIMIT_S)

    def create_topic(self, name, partitions):
        self._java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap, "--create",
                   "--topic", name, "--partitions", str(partitions))

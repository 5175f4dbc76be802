"""Kafka Connect, distributed: two workers move the lines of a file through a topic into another file.

One worker ends half-way; the other takes over what it ran. Lines may come twice after that, but none is missing and the first
appearances are in order.
"""

import json
import urllib.error
import urllib.request

from matrix.tools import TOPICS, Tools, equal
from matrix.entry import Entry
from matrix.processes import Failure, wait_until
from matrix.targets.kafka import free_ports

LINES = 1_000
TOPIC = "connect-lines"
WORKER = """\
bootstrap.servers={bootstrap}
group.id=connect
listeners=http://127.0.0.1:{port}
rest.advertised.host.name=127.0.0.1
rest.advertised.port={port}
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.storage.partitions=5
status.storage.partitions=3
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.flush.interval.ms=2000
# What a worker ran that left is given to others at once.
scheduled.rebalance.max.delay.ms=0
plugin.discovery=only_scan
"""
START_LIMIT_S = 240
MOVE_LIMIT_S = 180


class Workers:
    """Connect workers by their REST ports."""

    def __init__(self, run, ports):
        self._run = run
        self._ports = ports
        self._processes = {}

    def start(self):
        for port in self._ports:
            path = self._run.path(f"worker-{port}.properties")
            with open(path, "w", encoding="ascii") as file:
                file.write(WORKER.format(bootstrap=self._run.bootstrap, port=port))
            argv = self._run.java_argv("org.apache.kafka.connect.cli.ConnectDistributed", path,
                                       classpath=self._run.parts.ecosystem_classpath())
            self._processes[port] = self._run.processes.background(argv, self._run.path(f"worker-{port}.log"))
        for port, process in self._processes.items():
            def answers(port=port, process=process):
                if process.poll() is not None:
                    raise Failure(f"a worker ended with {process.returncode}: see {self._run.path(f'worker-{port}.log')}")
                return self.ask("GET", "/connectors", port=port) is not None
            wait_until("a worker answers", answers, START_LIMIT_S, every_s=1)

    def end(self, port):
        self._run.processes.end(self._processes.pop(port), grace_s=60)
        self._ports.remove(port)

    def ask(self, method, path, body=None, port=None):
        """The answer as JSON; None where there is none yet, such as during a rebalance."""
        request = urllib.request.Request(f"http://127.0.0.1:{port or self._ports[0]}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def create(self, name, config):
        wait_until(f"connector {name} is taken", lambda: self.ask("PUT", f"/connectors/{name}/config", config), MOVE_LIMIT_S, every_s=1)

    def running(self, name):
        """The workers that run the connector's tasks; empty until one does."""
        status = self.ask("GET", f"/connectors/{name}/status")
        failed = [task for task in (status or {}).get("tasks", []) if task["state"] == "FAILED"]
        if failed:
            raise Failure(f"a task of {name} failed: {failed[0].get('trace', '')[:500]}")
        return [task["worker_id"] for task in (status or {}).get("tasks", []) if task["state"] == "RUNNING"]


def body(run):
    source, sink = run.path("source.txt"), run.path("sink.txt")
    workers = Workers(run, free_ports(2))
    written = []

    def write():
        lines = [f"line {n}" for n in range(len(written), len(written) + LINES)]
        with open(source, "a", encoding="ascii") as file:
            file.writelines(f"{line}\n" for line in lines)
        written.extend(lines)

    def arrived():
        try:
            with open(sink, encoding="ascii") as file:
                found = file.read().splitlines()
        except FileNotFoundError:
            return []
        return list(dict.fromkeys(found))

    def create():
        write()
        workers.create("file-source", {"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
                                       "tasks.max": "1", "file": source, "topic": TOPIC})
        workers.create("file-sink", {"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
                                     "tasks.max": "1", "file": sink, "topics": TOPIC})
        for name in ("file-source", "file-sink"):
            wait_until(f"{name} runs", lambda name=name: workers.running(name), MOVE_LIMIT_S, every_s=1)

    def moved():
        wait_until("all lines in the other file", lambda: len(arrived()) >= len(written), MOVE_LIMIT_S, every_s=1)
        equal(arrived() == written, True, "the lines are those written, in order")
        return f"{len(written)} lines"

    def more():
        write()
        return moved()

    def one_leaves():
        address = wait_until("file-sink runs", lambda: workers.running("file-sink"), MOVE_LIMIT_S, every_s=1)[0]
        workers.end(int(address.rsplit(":", 1)[-1]))
        write()
        return moved()

    def topics():
        said = Tools(run).tool(TOPICS, "--describe", "--topic", "connect-.*")
        equal(said.count("cleanup.policy=compact"), 3, "compacted topics of Connect")

    run.must("two workers start", workers.start)
    run.must("file source and file sink start", create)
    run.must("lines arrive", moved)
    run.step("further lines arrive", more)
    run.step("a worker leaves, the other takes over", one_leaves)
    run.step("topics of Connect", topics)


ENTRY = Entry(
    name="kafka-connect",
    client="Kafka Connect",
    version="4.2.0",
    ran="two distributed workers, file source and file sink; one worker leaves; every line is checked",
    deadline_s=1_200,
    prepare=lambda parts: parts.ecosystem_classpath(),
    body=body,
)

"""Ten members of one group that come, go and die under load, each a process of its own."""

import os
import signal
import time

from matrix.entries.java_groups.check import Member, read_events
from matrix.processes import Failure, wait_until

PARTITIONS = 20
RECORDS_PER_S = 2_000
# Of a classic member. Longer than what a busy machine may take for a heartbeat, short enough to wait for.
SESSION_MS = 10_000
HEARTBEAT_MS = 1_000
# The newer protocol leaves both to the broker, whose defaults these are (group.consumer.session.timeout.ms, .heartbeat.…).
CONSUMER_SESSION_MS = 45_000
CONSUMER_HEARTBEAT_MS = 5_000
POLL_INTERVAL_MS = 120_000
STABLE_LIMIT_S = 240
DRAIN_LIMIT_S = 240
LEAVE_LIMIT_S = 60


class Process:
    """One member's process and its file of events."""

    def __init__(self, name, instance, process, events):
        self.name = name
        self.instance = instance
        self.process = process
        self.events = events
        self.killed_us = 0

    def owned(self):
        """The partitions that it owns by what it wrote so far."""
        found = set()
        for event in self.seen():
            if event["what"] == "assigned":
                found |= set(event["partitions"])
            elif event["what"] in ("revoked", "lost"):
                found -= set(event["partitions"])
        return found

    def seen(self):
        return read_events(self.events) if os.path.exists(self.events) else []


class Scenario:
    """The group while it runs."""

    def __init__(self, run, protocol, assignor, static):
        self._run = run
        self._protocol = protocol
        self._assignor = assignor
        self._static = static
        self._classpath = run.parts.classes("groups", run.parts.kafka_classpath())
        self._topic = self._group = f"members-{run.entry.name}"
        self._load = None
        self.all = []
        self.live = []
        self.newer = protocol == "consumer"
        self.session_us = 1_000 * (CONSUMER_SESSION_MS if self.newer else SESSION_MS)
        self.heartbeat_us = 1_000 * (CONSUMER_HEARTBEAT_MS if self.newer else HEARTBEAT_MS)

    def begin(self):
        run = self._run
        run.java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", run.bootstrap, "--create", "--topic", self._topic,
                 "--partitions", PARTITIONS)
        argv = run.java_argv("GroupLoad", "--bootstrap", run.bootstrap, "--topic", self._topic, "--group", self._group,
                             "--partitions", PARTITIONS, "--records-per-s", RECORDS_PER_S, "--events", run.path("load.events"),
                             classpath=self._classpath)
        self._load = run.processes.background(argv, run.path("load.log"))

    def start(self, count=1, instances=()):
        """Further members; static ones under the given names, else under new ones."""
        for at in range(count):
            name = f"member-{len(self.all):02}"
            instance = instances[at] if instances else name if self._static else ""
            self._start(name, instance)

    def _start(self, name, instance):
        run, events = self._run, self._run.path(f"{name}.events")
        options = ["--instance", instance] if instance else []
        argv = run.java_argv(
            "GroupMember", "--bootstrap", run.bootstrap, "--topic", self._topic, "--group", self._group, "--name", name,
            "--protocol", self._protocol, "--assignor", self._assignor, "--session-ms", SESSION_MS, "--heartbeat-ms",
            HEARTBEAT_MS, "--poll-interval-ms", POLL_INTERVAL_MS, "--events", events, *options, classpath=self._classpath)
        member = Process(name, instance, run.processes.background(argv, run.path(f"{name}.log")), events)
        self.all.append(member)
        self.live.append(member)

    def stable(self):
        """Wait until the live members own all partitions between them, each of them some."""
        started = time.monotonic()

        def shared():
            for member in self.live:
                if member.process.poll() is not None:
                    raise Failure(f"{member.name} ended by itself: {member.seen()[-1:]}, see {self._run.path(member.name)}.log")
            owned = [member.owned() for member in self.live]
            return all(owned) and sorted(p for one in owned for p in one) == list(range(PARTITIONS))

        try:
            wait_until("every partition with one live member, every member with some", shared, STABLE_LIMIT_S, every_s=0.5)
        except Failure as e:
            owned = {member.name: sorted(member.owned()) for member in self.live}
            raise Failure(f"{e}; they own {owned}") from None
        return f"{len(self.live)} members, {time.monotonic() - started:.1f} s"

    def leave(self, count):
        """SIGTERM for the first ones, all at once."""
        leaving, self.live = self.live[:count], self.live[count:]
        for member in leaving:
            member.process.send_signal(signal.SIGTERM)
        for member in leaving:
            wait_until(f"{member.name} leaves", lambda m=member: m.process.poll() is not None, LEAVE_LIMIT_S)
            if member.seen()[-1]["what"] != "left":
                raise Failure(f"{member.name} did not leave: {member.seen()[-1]}")
        return [member.instance for member in leaving]

    def kill(self, count):
        """kill -9 for the first ones; returns their static names."""
        dying, self.live = self.live[:count], self.live[count:]
        for member in dying:
            self._run.processes.kill(member.process)
            member.killed_us = time.monotonic_ns() // 1_000
        return [member.instance for member in dying]

    def drain(self):
        """End the load, wait until all of it is read and committed, let all members leave."""
        self._load.send_signal(signal.SIGTERM)
        wait_until("the group commits all that was written", lambda: self._load.poll() is not None, DRAIN_LIMIT_S)
        self.leave(len(self.live))
        return f"{self.load_event('ends')['records']} records"

    def load_event(self, what):
        found = [event for event in self.observer() if event["what"] == what]
        if not found:
            raise Failure(f"the load did not say {what}: see {self._run.path('load.log')}")
        return found[-1]

    def observer(self):
        return read_events(self._run.path("load.events"))

    def members(self):
        return [Member(one.name, one.seen(), one.instance, one.killed_us) for one in self.all]

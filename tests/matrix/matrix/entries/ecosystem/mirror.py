"""MirrorMaker 2 from an Apache Kafka into the target: records, partitions and the offsets of a group."""

import os
import signal

from matrix.tools import CONSUMER, GROUPS, PRODUCER, TOPICS, KEYED, KEYED_OF, contains, equal, rows
from matrix.entry import Entry
from matrix.processes import Failure, wait_until
from matrix.targets.kafka import Kafka

PROPERTIES = """\
clusters=origin,target
origin.bootstrap.servers={origin}
target.bootstrap.servers={target}
origin->target.enabled=true
origin->target.topics=orders.*
origin->target.groups=readers
target->origin.enabled=false
target->origin.emit.heartbeats.enabled=false
replication.factor=1
checkpoints.topic.replication.factor=1
heartbeats.topic.replication.factor=1
offset-syncs.topic.replication.factor=1
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
refresh.topics.interval.seconds=5
refresh.groups.interval.seconds=5
emit.checkpoints.interval.seconds=2
sync.group.offsets.enabled=true
sync.group.offsets.interval.seconds=2
offset.lag.max=0
offset.flush.interval.ms=2000
# The tasks of the one process need no other to be told of.
dedicated.mode.enable.internal.rest=false
"""
MIRROR_LIMIT_S = 240
MIRRORED = "origin.orders"


def body(run):
    os.makedirs(run.path("origin", ""), exist_ok=True)
    origin = Kafka(run.parts, run.path("origin"))
    try:
        origin.start()
        mirror(run, origin.bootstrap)
    finally:
        origin.stop()


def mirror(run, origin):
    def at(bootstrap, class_name, *args, **kwargs):
        return run.java(class_name, "--bootstrap-server", bootstrap, *args, limit_s=90, **kwargs).stdout

    def write(bootstrap):
        at(bootstrap, PRODUCER, "--topic", "orders", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
           stdin="".join(f"k{n}:v{n}\n" for n in range(1, KEYED + 1)))

    def prepare():
        at(origin, TOPICS, "--create", "--topic", "orders", "--partitions", 3, "--config", "retention.ms=123456789")
        write(origin)

    def start():
        path = run.path("mirror.properties")
        with open(path, "w", encoding="ascii") as file:
            file.write(PROPERTIES.format(origin=origin, target=run.bootstrap))
        log = run.path("mirror.log")
        process = run.processes.background(
            run.java_argv("org.apache.kafka.connect.mirror.MirrorMaker", path, classpath=run.parts.ecosystem_classpath()), log)
        mirrors.append(process)

        def mirrored():
            if process.poll() is not None:
                raise Failure(f"it ended with {process.returncode}: see {log}")
            return MIRRORED in at(run.bootstrap, TOPICS, "--list").split()

        wait_until("the topic at the target", mirrored, MIRROR_LIMIT_S, every_s=2)

    def records(times):
        """In their partitions, in their order."""
        for partition, count in KEYED_OF.items():
            options = ("--partition", partition, "--offset", "earliest", "--max-messages", times * count, "--timeout-ms", 90_000)
            here = at(run.bootstrap, CONSUMER, "--topic", MIRRORED, *options).splitlines()
            equal(len(here), times * count, f"records of partition {partition}")
            equal(here, at(origin, CONSUMER, "--topic", "orders", *options).splitlines(), f"partition {partition}")
        return f"{times * KEYED} records"

    def config():
        wait_until("the topic's configs at the target", lambda: "retention.ms=123456789" in at(
            run.bootstrap, TOPICS, "--describe", "--topic", MIRRORED), MIRROR_LIMIT_S, every_s=2)

    def further():
        write(origin)
        return records(2)

    def group_offsets():
        at(origin, CONSUMER, "--topic", "orders", "--group", "readers", "--from-beginning", "--max-messages", 2 * KEYED,
           "--timeout-ms", 60_000)
        ends = {partition: 2 * count for partition, count in KEYED_OF.items()}

        def translated():
            done = run.java(GROUPS, "--bootstrap-server", run.bootstrap, "--describe", "--group", "readers", expect=None)
            found = {int(row["PARTITION"]): int(row["CURRENT-OFFSET"]) for row in rows(done.stdout)
                     if row["TOPIC"] == MIRRORED and row["CURRENT-OFFSET"] != "-"}
            return found == ends

        wait_until("the group's offsets at the target", translated, MIRROR_LIMIT_S, every_s=2)

    def end():
        run.processes.end(mirrors[0], how=signal.SIGTERM, grace_s=60)
        contains(at(run.bootstrap, TOPICS, "--list"), "origin.checkpoints.internal")

    mirrors = []
    run.must("a topic at the origin", prepare)
    run.must("MirrorMaker starts and creates the topic", start)
    run.step("records arrive in their partitions and order", records, 1)
    run.step("the topic's configs arrive", config)
    run.step("further records arrive", further)
    run.step("a group's offsets arrive", group_offsets)
    run.step("MirrorMaker ends", end)


ENTRY = Entry(
    name="mirrormaker",
    client="MirrorMaker 2",
    version="4.2.0",
    ran="from an Apache Kafka into the target: records, partitions, configs and a group's offsets are checked",
    deadline_s=1_200,
    prepare=lambda parts: parts.ecosystem_classpath(),
    body=body,
)

"""topics, configs, get-offsets, delete-records."""

import json

from matrix.tools import CONFIGS, DELETE_RECORDS, PRODUCER, TOPICS, contains, equal


def topics(run, t):
    """Create, list, describe, alter and delete topics."""

    def create():
        contains(t.create("made", 3, "--config", "retention.ms=3600000"), "Created topic made")

    def create_again():
        contains(t.create("made", 3, "--if-not-exists"), "")
        contains(t.tool(TOPICS, "--create", "--topic", "made", expect=1), "already exists")

    def listed():
        contains(t.tool(TOPICS, "--list"), "made")

    def describe():
        said = t.tool(TOPICS, "--describe", "--topic", "made")
        contains(said, "PartitionCount: 3")
        contains(said, "retention.ms=3600000")
        equal(said.count("Leader: "), 3, "lines of partitions")
        equal(said.count("Leader: none"), 0, "partitions without a leader")

    def alter():
        t.tool(TOPICS, "--alter", "--topic", "made", "--partitions", 5)
        contains(t.tool(TOPICS, "--describe", "--topic", "made"), "PartitionCount: 5")
        contains(t.tool(TOPICS, "--alter", "--topic", "made", "--partitions", 2, expect=1), "partition")

    def delete():
        t.tool(TOPICS, "--delete", "--topic", "made")
        equal("made" in t.tool(TOPICS, "--list").split(), False, "a deleted topic in the list")
        contains(t.tool(TOPICS, "--delete", "--topic", "made", expect=1), "does not exist")

    run.step("topics --create", create)
    run.step("topics --create, once more", create_again)
    run.step("topics --list", listed)
    run.step("topics --describe", describe)
    run.step("topics --alter", alter)
    run.step("topics --delete", delete)


def configs(run, t):
    """Change configs of a topic and of a group, and read them back."""
    about = ("--entity-type", "topics", "--entity-name", "configured")

    def add():
        t.create("configured")
        t.tool(CONFIGS, "--alter", *about, "--add-config", "retention.ms=86400000,max.message.bytes=200000")
        said = t.tool(CONFIGS, "--describe", *about)
        contains(said, "retention.ms=86400000")
        contains(said, "max.message.bytes=200000")

    def delete():
        t.tool(CONFIGS, "--alter", *about, "--delete-config", "retention.ms")
        equal("retention.ms=86400000" in t.tool(CONFIGS, "--describe", *about), False, "a config that was deleted")

    def describe_all():
        contains(t.tool(CONFIGS, "--describe", "--all", *about), "cleanup.policy=delete")

    def refused():
        contains(t.tool(CONFIGS, "--alter", *about, "--add-config", "retention.ms=soon", expect=1), "retention.ms")

    def broker():
        contains(t.tool(CONFIGS, "--describe", "--all", "--entity-type", "brokers", "--entity-name", broker_id(t)), "=")

    def group():
        about = ("--entity-type", "groups", "--entity-name", "configured")
        t.tool(CONFIGS, "--alter", *about, "--add-config", "consumer.session.timeout.ms=50000")
        contains(t.tool(CONFIGS, "--describe", *about), "consumer.session.timeout.ms=50000")
        t.tool(CONFIGS, "--alter", *about, "--delete-config", "consumer.session.timeout.ms")
        equal("=50000" in t.tool(CONFIGS, "--describe", *about), False, "a group's config that was deleted")

    run.step("configs --alter --add-config", add)
    run.step("configs --alter --delete-config", delete)
    run.step("configs --describe --all", describe_all)
    run.step("configs refuses a wrong value", refused)
    run.step("configs of a broker", broker)
    run.step("configs of a group", group)


def broker_id(t):
    said = t.tool(TOPICS, "--describe", "--topic", "configured")
    return said.split("Leader: ")[1].split()[0]


def offsets(run, t):
    """get-offsets with each kind of time, delete-records."""

    def prepare():
        t.create("numbers", 2)
        t.tool(PRODUCER, "--topic", "numbers", "--command-property", "partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner",
               stdin="".join(f"{n}\n" for n in range(100)))
        equal(sum(t.ends("numbers").values()), 100, "records in both partitions")

    def earliest_and_latest():
        latest = t.ends("numbers", "--time", "latest")
        equal(t.ends("numbers", "--time", "earliest"), {0: 0, 1: 0}, "earliest")
        equal(t.ends("numbers", "--time", "-1"), latest, "-1")
        equal(t.ends("numbers", "--partitions", "1"), {1: latest[1]}, "--partitions 1")

    def max_timestamp():
        found = t.ends("numbers", "--time", "max-timestamp")
        equal(sorted(found), [0, 1], "partitions")

    def by_time():
        equal(t.ends("numbers", "--time", "1"), {0: 0, 1: 0}, "the first record after 1 ms")

    def delete_records():
        end = t.ends("numbers")
        path = t.path("delete-records.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump({"version": 1, "partitions": [{"topic": "numbers", "partition": 0, "offset": 10},
                                                    {"topic": "numbers", "partition": 1, "offset": -1}]}, file)
        said = t.tool(DELETE_RECORDS, "--offset-json-file", path)
        contains(said, "partition: numbers-0\tlow_watermark: 10")
        equal(t.ends("numbers", "--time", "earliest"), {0: 10, 1: end[1]}, "earliest")
        equal(t.ends("numbers"), end, "latest")
        left = t.consume("numbers", end[0] - 10, "--partition", "0", "--offset", "earliest")
        equal(len(left), end[0] - 10, "records that are left")

    run.must("get-offsets", prepare)
    run.step("get-offsets --time earliest, latest, --partitions", earliest_and_latest)
    run.step("get-offsets --time max-timestamp", max_timestamp)
    run.step("get-offsets --time TIMESTAMP", by_time)
    run.step("delete-records", delete_records)

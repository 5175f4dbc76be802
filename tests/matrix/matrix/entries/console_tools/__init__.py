"""Apache Kafka's own console tools, each with its usual options, and what they print."""

from matrix.entries.console_tools import groups, records, topics
from matrix.tools import Tools
from matrix.entry import Entry


def body(run):
    t = Tools(run)
    topics.topics(run, t)
    topics.configs(run, t)
    topics.offsets(run, t)
    records.console(run, t)
    records.perf(run, t)
    records.verifiable(run, t)
    groups.live(run, t)
    groups.resets(run, t)
    groups.deletions(run, t)


ENTRY = Entry(
    name="console-tools",
    client="Apache Kafka's console tools",
    version="4.2.0",
    ran="topics, configs, get-offsets, delete-records, console-producer and -consumer, consumer-groups (every option of "
        "reset-offsets), perf tests, verifiable producer and consumer; groups in both protocols",
    deadline_s=3_600,
    body=body,
)

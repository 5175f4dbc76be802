"""The entries, in the order in which they run."""

from matrix.entries import console_tools, ecosystem, examples, java_groups, kafka_python, librdkafka

ENTRIES = {entry.name: entry for entry in (
    console_tools.ENTRY,
    *java_groups.ENTRIES,
    *examples.ENTRIES,
    *ecosystem.ENTRIES,
    librdkafka.ENTRY,
    kafka_python.ENTRY,
)}

"""Kafka Streams: a word count with a repartition topic and a changelog, at least once.

It is stopped half-way and started again with an empty state directory: its counts then come back from the changelog.
"""

import base64
import collections
import json
import os
import random
import re
import shutil

from matrix.tools import GROUPS, PRODUCER, TOPICS, Tools, contains, equal, rows
from matrix.entry import Entry
from matrix.parts import ROOT
from matrix.processes import Failure, wait_until

PARTITIONS = 3
LINES = 2_000
WORDS = ("bucket", "segment", "offset", "group", "member", "epoch", "topic", "record", "batch", "lease")
COUNT_LIMIT_S = 240


def classes(parts):
    return parts.classes("streams", parts.ecosystem_classpath())


def body(run):
    tools = Tools(run)
    rng = random.Random(11)
    halves = [[" ".join(rng.choices(WORDS, k=5)) for _ in range(LINES)] for _ in range(2)]
    expected = collections.Counter()

    def create():
        tools.create("lines", PARTITIONS)
        tools.create("counts", PARTITIONS)

    def count(lines):
        """Write the lines, and let the program run until it has read all and answered for all."""
        tools.tool(PRODUCER, "--topic", "lines", stdin="".join(f"{line}\n" for line in lines))
        for line in lines:
            expected.update(line.split())
        shutil.rmtree(run.path("state"), ignore_errors=True)
        process = run.processes.background(
            run.java_argv("WordCount", run.bootstrap, "lines", "counts", run.path("state"), classpath=classes(run.parts)),
            run.path("word-count.log"))

        def all_read():
            if process.poll() is not None:
                raise Failure(f"it ended with {process.returncode}: see {run.path('word-count.log')}")
            behind = lag(tools)
            return bool(behind) and not any(behind.values())

        wait_until("all lines and words are read", all_read, COUNT_LIMIT_S, every_s=2)
        code = run.processes.end(process, grace_s=60)
        equal(code in (0, 143), True, f"exit code {code} after SIGTERM is 0 or 143")
        equal(last_counts(run), dict(expected), "counts")

    def internal_topics():
        said = tools.tool(TOPICS, "--describe", "--topic", "word-count-.*changelog")
        contains(said, "cleanup.policy=compact")
        contains(tools.tool(TOPICS, "--list"), "repartition")

    run.must("topics", create)
    run.must("counts words", count, halves[0])
    run.step("its changelog and repartition topics", internal_topics)
    run.step("goes on from the changelog and its committed offsets", count, halves[1])


def lag(tools):
    """{partition of the input or the repartition topic: lag} of the program's group; empty until all are committed."""
    found = rows(tools.tool(GROUPS, "--describe", "--group", "word-count", expect=None))
    # Nothing is committed for a partition that nothing was written to.
    lags = {(row["TOPIC"], row["PARTITION"]): "0" if row["LOG-END-OFFSET"] == "0" else row["LAG"] for row in found}
    topics = {topic for topic, _ in lags}
    complete = "lines" in topics and any(re.search("repartition$", topic) for topic in topics)
    if not complete or "-" in lags.values():
        return {}
    return {partition: int(behind) for partition, behind in lags.items()}


def last_counts(run):
    """{word: the last count in the output topic}"""
    consume = os.path.join(ROOT, "tests", "clients", "python", "consume.py")
    out = run.path("counts", "")
    run.processes.run([run.parts.python(), consume, "--bootstrap", run.bootstrap, "--topic", "counts", "--partitions",
                       f"0-{PARTITIONS - 1}", "--format", "jsonl", "--output-dir", out], 120)
    found = {}
    for partition in range(PARTITIONS):
        with open(os.path.join(out, str(partition)), encoding="utf-8") as file:
            for record in map(json.loads, file):
                found[base64.b64decode(record["key"]).decode()] = int(base64.b64decode(record["value"]))
    return found


ENTRY = Entry(
    name="kafka-streams",
    client="Kafka Streams",
    version="4.2.0",
    ran="word count at least once, with repartition topic and changelog, stopped and started again with empty state; every count "
        "is checked",
    deadline_s=1_200,
    prepare=classes,
    body=body,
)

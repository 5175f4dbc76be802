"""console-producer and console-consumer, the perf tests, the verifiable clients."""

import json
import re
import time

from matrix.tools import (CONSUMER_PERF, PRODUCER, PRODUCER_PERF, VERIFIABLE_CONSUMER,
                                                VERIFIABLE_PRODUCER, KEYED, KEYED_OF, contains, equal)
from matrix.processes import wait_until

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PERF_RECORDS = 20_000
VERIFIED = 2_000
PROTOCOLS = ("classic", "consumer")


def console(run, t):
    """Write and read lines, with and without a group."""

    def codecs():
        t.create("codecs")
        for codec in CODECS:
            t.tool(PRODUCER, "--topic", "codecs", "--compression-codec", codec, stdin=f"written with {codec}\n")
        equal(t.consume("codecs", len(CODECS), "--from-beginning"), [f"written with {codec}" for codec in CODECS], "lines")

    def headers():
        t.create("headers")
        t.tool(PRODUCER, "--topic", "headers", "--reader-property", "parse.headers=true", "--reader-property",
               "parse.key=true", stdin="a:1,b:2\tkey\tvalue\n")
        shown = [("print.headers", "true"), ("print.key", "true"), ("print.offset", "true"), ("print.partition", "true")]
        options = [word for name, value in shown for word in ("--formatter-property", f"{name}={value}")]
        line, = t.consume("headers", 1, "--from-beginning", *options)
        equal(line.split("\t"), ["Partition:0", "Offset:0", "a:1,b:2", "key", "value"], "what is printed")

    def one_partition():
        t.create("keyed", 3)
        t.produce_keyed("keyed")
        for partition, count in KEYED_OF.items():
            lines = t.consume("keyed", count - 2, "--partition", partition, "--offset", 2)
            equal(len(lines), count - 2, f"records of partition {partition} from offset 2")

    def regular_expression():
        said = t.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "--include", "keye.", "--from-beginning",
                      "--max-messages", KEYED, "--timeout-ms", 60_000)
        equal(len(re.findall(r"^v\d+$", said, re.M)), KEYED, "records of topics that match")

    run.step("console-producer with each codec", codecs)
    run.step("console-producer and console-consumer, keys and headers", headers)
    run.step("console-consumer --partition --offset", one_partition)
    run.step("console-consumer --include", regular_expression)
    for protocol in PROTOCOLS:
        run.step(f"console-consumer --group, {protocol}: goes on where it stopped", in_group, t, protocol)


def in_group(t, protocol):
    """Twelve records, then the rest under the same group: each once."""
    topic, group = f"lines-{protocol}", f"lines-{protocol}"
    with_protocol = ("--group", group, "--command-property", f"group.protocol={protocol}", "--command-property",
                     "auto.offset.reset=earliest")
    t.create(topic, 3)
    t.produce_keyed(topic)
    first = t.consume(topic, 12, *with_protocol)
    rest = t.consume(topic, KEYED - 12, *with_protocol)
    equal(sorted(first + rest), sorted(f"v{n}" for n in range(1, KEYED + 1)), "records of both")


def perf(run, t):
    """producer-perf-test and consumer-perf-test."""

    def produce():
        t.create("perf", 4)
        # This tool has its address among the producer's own settings.
        said = run.java(PRODUCER_PERF, "--bootstrap-server", t.bootstrap, "--topic", "perf", "--num-records", PERF_RECORDS,
                        "--record-size", 500, "--throughput", -1, "--command-property", "acks=all", "--command-property",
                        "compression.type=lz4", limit_s=120).stdout
        contains(said, f"{PERF_RECORDS} records sent")
        equal(sum(t.ends("perf").values()), PERF_RECORDS, "records in the topic")

    def consume(protocol):
        said = t.tool(CONSUMER_PERF, "--topic", "perf", "--num-records", PERF_RECORDS, "--group", f"perf-{protocol}", "--timeout",
                      60_000, "--hide-header", "--command-property", f"group.protocol={protocol}", limit_s=120)
        count = int(said.strip().splitlines()[-1].split(",")[4])
        equal(count, PERF_RECORDS, "records read")

    if run.step("producer-perf-test", produce):
        for protocol in PROTOCOLS:
            run.step(f"consumer-perf-test, {protocol}", consume, protocol)


def verifiable(run, t):
    """verifiable-producer and verifiable-consumer: what was acknowledged is what arrives."""
    acked = set()

    def produce():
        t.create("verified", 3)
        said = t.tool(VERIFIABLE_PRODUCER, "--topic", "verified", "--max-messages", VERIFIED, "--repeating-keys", 100,
                      limit_s=120)
        for event in events(said):
            if event["name"] == "producer_send_success":
                acked.add((event["partition"], event["offset"], event["value"]))
        equal(len(acked), VERIFIED, "acknowledged records")

    def consume(protocol):
        log = t.path(f"verifiable-{protocol}.log")
        process = t.background(VERIFIABLE_CONSUMER, "--topic", "verified", "--group-id", f"verified-{protocol}", "--group-protocol",
                               protocol, "--verbose", "--max-messages", VERIFIED, log=log)
        wait_until("verifiable-consumer", lambda: process.poll() is not None, 120)
        equal(process.returncode, 0, "exit code")
        with open(log, encoding="utf-8") as file:
            found = list(events(file.read()))
        read = {(e["partition"], e["offset"], e["value"]) for e in found if e["name"] == "record_data"}
        equal(read == acked, True, "the records read are those acknowledged")
        committed = {(o["partition"]): o["offset"] for e in found if e["name"] == "offsets_committed" for o in e["offsets"]}
        equal(committed, t.ends("verified"), "committed offsets")

    if run.step("verifiable-producer", produce):
        for protocol in PROTOCOLS:
            run.step(f"verifiable-consumer, {protocol}", consume, protocol)


def events(text):
    for line in text.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def pause():
    """Long enough that records before and after have different times."""
    time.sleep(1.5)

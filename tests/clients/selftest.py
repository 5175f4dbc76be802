#!/usr/bin/env python3
"""Prove the drivers against Apache Kafka itself: what they report about Esker must hold for the original.

Starts one Apache Kafka broker from the jars in $ESKER_TEST_KAFKA_JARS on free loopback ports, with its data
in a temporary directory, runs every driver against it, kills it (-9) a few times under the crash producer,
and plants a fault that the checker must find. Needs $ESKER_TEST_PYTHON too: `make drivers` sets both.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from apache_kafka import ApacheKafka

DRIVERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python")
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def driver(name, *args):
    return [os.environ["ESKER_TEST_PYTHON"], os.path.join(DRIVERS, name), *map(str, args)]


def run(name, *args, expect=0):
    """Run a driver to its end; its stderr shows only when it did not end as expected."""
    done = subprocess.run(driver(name, *args), stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    if done.returncode != expect:
        raise AssertionError(f"{name}: exit {done.returncode}, expected {expect}: {done.stdout.decode()}{done.stderr.decode()}")
    return json.loads(done.stdout) if done.stdout else None


def same_bytes(left, right):
    with open(left, "rb") as a, open(right, "rb") as b:
        return a.read() == b.read()


def check_lines_and_blocks(kafka, directory):
    rng = random.Random(7)
    lines = os.path.join(directory, "lines")
    with open(lines, "wb") as file:
        for n in range(20_000):
            file.write(b"%d %s\n" % (n, rng.randbytes(rng.randrange(40)).hex().encode()))
    blob = os.path.join(directory, "blob")
    with open(blob, "wb") as file:
        file.write(rng.randbytes(3_000_001))
    for codec in CODECS:
        for shape, source in (("lines", lines), ("blocks", blob)):
            topic = f"{shape}-{codec}"
            kafka.create_topic(topic, 3)
            put = run("produce.py", "--bootstrap", kafka.bootstrap, "--topic", topic, "--partitions", 1, "--input", source,
                      "--format", shape, "--codec", codec, "--idempotence")
            back = os.path.join(directory, "back")
            got = run("consume.py", "--bootstrap", kafka.bootstrap, "--topic", topic, "--partitions", "0-2",
                      "--format", shape, "--output-dir", back)
            assert same_bytes(source, os.path.join(back, "1")), f"{topic}: came back changed"
            assert put["partitions"]["1"] == got["partitions"]["1"], f"{topic}: the two hashes differ"
            assert got["partitions"]["0"]["records"] == 0, topic
            assert got["fetched_from"].keys() <= {"1"}, got["fetched_from"]


def check_jsonl(kafka, directory):
    source = os.path.join(directory, "source.jsonl")
    with open(source, "w", encoding="ascii") as file:
        for record in (
            {"key": "a2V5", "value": "dmFsdWU=", "headers": [["h", "AAE="], ["h", None], ["", ""]], "timestamp_ms": 1, "partition": 0},
            {"key": None, "value": None, "timestamp_ms": 1700000000000, "partition": 1},
            {"key": "", "value": "", "timestamp_ms": 1700000000001, "partition": 1},
        ):
            file.write(json.dumps(record) + "\n")
    kafka.create_topic("jsonl", 2)
    run("produce.py", "--bootstrap", kafka.bootstrap, "--topic", "jsonl", "--input", source, "--format", "jsonl")
    back = os.path.join(directory, "jsonl-back")
    run("consume.py", "--bootstrap", kafka.bootstrap, "--topic", "jsonl", "--partitions", "0-1", "--format", "jsonl",
        "--output-dir", back)
    found = []
    for partition in ("0", "1"):
        with open(os.path.join(back, partition), encoding="ascii") as file:
            found += [json.loads(line) for line in file]
    assert [(r["key"], r["value"], r["timestamp_ms"]) for r in found] == [
        ("a2V5", "dmFsdWU=", 1), (None, None, 1700000000000), ("", "", 1700000000001)], found
    assert found[0]["headers"] == [["h", "AAE="], ["h", None], ["", ""]], found[0]["headers"]


def check_part_of_a_partition(kafka, directory):
    part = os.path.join(directory, "part")
    got = run("consume.py", "--bootstrap", kafka.bootstrap, "--topic", "lines-none", "--partitions", 1, "--from", 100,
              "--records", 50, "--output", part)
    assert (got["partitions"]["1"]["first_offset"], got["partitions"]["1"]["last_offset"]) == (100, 149), got


def check_crash_loop(kafka, directory):
    kafka.create_topic("crash", 4)
    acks = {name: os.path.join(directory, f"{name}.acks") for name in ("p1", "p2")}
    producers = [
        subprocess.Popen(driver("crash_producer.py", "--bootstrap", kafka.bootstrap, "--topic", "crash", "--partitions", "0-3",
                                "--seconds", 3600, "--producer", name, "--acks-file", path),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for name, path in acks.items()
    ]
    for _ in range(3):
        time.sleep(2)
        kafka.stop(signal.SIGKILL)
        kafka.start()
    time.sleep(2)
    for producer in producers:
        producer.send_signal(signal.SIGTERM)
    summaries = [json.loads(producer.communicate(timeout=180)[0]) for producer in producers]
    for producer, summary in zip(producers, summaries):
        assert producer.returncode == 0, summary
        assert summary["acknowledged"] == summary["records"] > 1_000, summary

    check = ["--topic", "crash", "--partitions", "0-3", "--reader", kafka.bootstrap, "--reader", f"{kafka.bootstrap}@zone-b"]
    for name, path in acks.items():
        check += ["--acks", f"{name}={path}"]
    verdict = run("check_log.py", *check)
    assert verdict["readers_agree"] and verdict["acknowledged"] == sum(s["records"] for s in summaries), verdict

    # One more promise than the log can hold: the checker has to notice.
    with open(acks["p1"], "a", encoding="ascii") as file:
        file.write(f"0 {10**9} {10**6}\n")
    broken = run("check_log.py", *check, expect=1)
    assert broken["readers"][0]["problems"] == {"lost": 1}, broken
    return summaries


def check_refusals(kafka):
    run("produce.py", "--bootstrap", kafka.bootstrap, "--topic", "t", "--input", "/no/such/file", expect=2)
    run("produce.py", "--bootstrap", kafka.bootstrap, "--topic", "t", "--input", __file__, "--idempotence", "--acks", "1",
        expect=2)
    run("consume.py", "--bootstrap", kafka.bootstrap, "--topic", "t", "--config", "no.such.setting=1", expect=2)
    gone = run("consume.py", "--bootstrap", kafka.bootstrap, "--topic", "never-created", "--idle-timeout-s", 5, expect=1)
    assert "UNKNOWN" in gone["stopped_by"].upper(), gone


def main():
    jars = os.environ.get("ESKER_TEST_KAFKA_JARS")
    if not jars or not os.environ.get("ESKER_TEST_PYTHON"):
        print("selftest: ESKER_TEST_KAFKA_JARS and ESKER_TEST_PYTHON are not set; run it as `make drivers`", file=sys.stderr)
        return 2
    directory = tempfile.mkdtemp(prefix="esker-drivers-")
    kafka = ApacheKafka(jars, directory)
    try:
        kafka.start()
        for check in (check_lines_and_blocks, check_jsonl, check_part_of_a_partition):
            start = time.monotonic()
            check(kafka, directory)
            print(f"ok  {check.__name__}  {time.monotonic() - start:.1f} s", flush=True)
        check_refusals(kafka)
        print("ok  check_refusals", flush=True)
        summaries = check_crash_loop(kafka, directory)
        print(f"ok  check_crash_loop  {sum(s['acknowledged'] for s in summaries)} records acknowledged", flush=True)
    finally:
        kafka.stop(signal.SIGKILL)
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())

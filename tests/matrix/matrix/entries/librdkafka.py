"""librdkafka's own tests, each number in a process of its own, as far as they need a broker.

What is not run, and why, stands in tests/matrix/librdkafka.excluded: whole tests, or parts of one (TEST/FUNCTION), whose other
parts are then run one by one. A test that fails is run once more, since many of them measure time and the machine may be busy:
the second outcome counts, and the first is told.

Where a test calls kafka-topics.sh of a Kafka checkout, it finds one that calls the same class of Apache Kafka's jars.
"""

import os
import re
import shlex

from matrix.entry import Entry
from matrix.parts import MATRIX
from matrix.processes import Failure

EXCLUDED = os.path.join(MATRIX, "librdkafka.excluded")
# librdkafka's own limits are for a quiet machine.
TIMEOUT_MULTIPLIER = 3
TEST_LIMIT_S = 600
# Its tests are told which Kafka they meet.
KAFKA_VERSION = "4.2.0"
# This one leaves out its parts with access control lists where the broker is so old that they could not be changed.
KAFKA_VERSION_OF = {"0109": "2.0.0"}
SUMMARY = re.compile(r"^\|\s*(\d{4}_\w+)\s*\|\s*(PASSED|SKIPPED|FAILED)\s*\|[^|]*\|?\s*(.*)$", re.M)
COLOUR = re.compile(r"\x1b\[\d*m")
FUNCTION = re.compile(r"^(?:static )?\w+ (do_test_\w+)\(", re.M)
FAILED = re.compile(r"^### (Test .* failed at .*)$", re.M)


def excluded(target):
    """{test or test/part: why} on this target."""
    with open(EXCLUDED, encoding="utf-8") as file:
        lines = [line.split(None, 1) for line in map(str.strip, file) if line and not line.startswith("#")]
    return {name.split("@")[0]: why for name, why in lines if name.partition("@")[2] in ("", target.name)}


def tests(source):
    """The tests that need a broker, in order, from tests/test.c: [(name, flags)]."""
    with open(os.path.join(source, "tests", "test.c"), encoding="utf-8") as file:
        found = re.findall(r"_TEST\((\d{4}_\w+),\s*([^,()]+)", file.read())
    return [name for name, flags in found if "TEST_F_LOCAL" not in flags and "TEST_F_MANUAL" not in flags]


def parts(source, name):
    """The functions of a test that it calls its sub-tests, in order."""
    with open(os.path.join(source, "tests", f"{name.replace('_', '-', 1)}.c"), encoding="utf-8") as file:
        text = file.read()
    found = list(FUNCTION.finditer(text))
    ends = [function.start() for function in found[1:]] + [len(text)]
    return [function.group(1) for function, end in zip(found, ends) if "SUB_TEST" in text[function.start():end]]


def kafka_checkout(run):
    """A directory with the one script of a Kafka checkout that tests call."""
    script = run.path("kafka", "bin", "kafka-topics.sh")
    with open(script, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {shlex.join(run.java_argv("org.apache.kafka.tools.TopicCommand"))} "$@"\n')
    os.chmod(script, 0o755)
    return run.path("kafka")


def body(run):
    built = run.parts.librdkafka()
    left_out = excluded(run.target)
    of = {}
    for name in tests(built):
        of.setdefault(name[:4], []).append(name)
    run.counts = {"pass": 0, "skip": 0, "fail": 0, "excluded": 0}
    with open(run.path("test.conf"), "w", encoding="ascii") as file:
        file.write(f"bootstrap.servers={run.bootstrap}\ntest.topic.random=true\ntest.timeout.multiplier={TIMEOUT_MULTIPLIER}\n")
    kafka_checkout(run)
    only = os.environ.get("LIBRDKAFKA_TESTS", "").split()
    for number, names in of.items():
        wanted = [name for name in names if name not in left_out]
        run.counts["excluded"] += len(names) - len(wanted)
        if not wanted or (only and number not in only):
            continue
        if any(line.startswith(f"{wanted[0]}/") for line in left_out):
            in_parts(run, built, wanted[0], left_out)
            continue
        # Where one of a number is left out, the others are named in full.
        for pattern in [number] if wanted == names else wanted:
            run.step(f"{pattern} ({', '.join(name[5:] for name in wanted)})", one, run, built, pattern, wanted)


def in_parts(run, built, name, left_out):
    """Run the parts of a test that are not left out, each by itself; together they count as one test."""

    def part(function):
        # A function's name is followed by the line where it says so.
        ran = f"[ {function}:"
        outcomes, said = attempt(run, built, name, 1, f"{function}:")
        first = said
        if outcomes.get(name) != "PASSED":
            outcomes, said = attempt(run, built, name, 2, f"{function}:")
        if outcomes.get(name) != "PASSED":
            raise Failure(said or f"outcome {outcomes}")
        with open(run.path("logs", f"{name}-{function}-{1 if first is said else 2}.log"), encoding="utf-8") as file:
            if ran not in file.read():
                raise Failure("no such part ran")
        return "" if first is said else f"at the second attempt; at the first: {first}"

    passed = [run.step(f"{name[:4]} ({name[5:]}: {function})", part, function)
              for function in parts(built, name) if f"{name}/{function}" not in left_out]
    run.counts["pass" if all(passed) else "fail"] += 1


def one(run, built, pattern, names):
    """Run what matches the pattern; every test that ran is counted by itself."""
    outcomes, said = attempt(run, built, pattern, 1)
    first = said
    if "FAILED" in outcomes.values() or not outcomes:
        outcomes, said = attempt(run, built, pattern, 2)
    failed = sorted(name for name in names if outcomes.get(name) == "FAILED")
    run.counts["pass"] += sum(outcome == "PASSED" for outcome in outcomes.values())
    run.counts["skip"] += sum(outcome == "SKIPPED" for outcome in outcomes.values())
    if failed or not outcomes:
        run.counts["fail"] += max(1, len(failed))
        raise Failure(f"{', '.join(failed) or 'no outcome'}: {said}")
    skipped = sorted(name for name, outcome in outcomes.items() if outcome == "SKIPPED")
    told = [f"skipped by itself: {', '.join(skipped)}"] if skipped else []
    if first is not said:
        told.append(f"at the second attempt; at the first: {first}")
    return "; ".join(told)


def attempt(run, built, pattern, number, part=""):
    """{test: outcome} and what a failed one said. `part` is in the names of the sub-tests that are wanted."""
    libraries = f"{built}/src:{built}/src-cpp"
    env = {**os.environ, "TESTS": pattern, "RDKAFKA_TEST_CONF": run.path("test.conf"), "LD_LIBRARY_PATH": libraries,
           "TEST_KAFKA_VERSION": KAFKA_VERSION_OF.get(pattern[:4], KAFKA_VERSION),
           "KAFKA_PATH": run.path("kafka"), "BROKERS": run.bootstrap}
    if part:
        env["SUBTESTS"] = part
    log = run.path("logs", "-".join(filter(None, (pattern, part.rstrip(":"), str(number)))) + ".log")
    try:
        done = run.processes.run([f"{built}/tests/test-runner", "-Q", "-L"], TEST_LIMIT_S, cwd=run.directory, env=env, expect=None)
    except Failure as e:
        return {pattern: "FAILED"}, str(e)[-600:]
    text = COLOUR.sub("", done.stdout + done.stderr)
    with open(log, "w", encoding="utf-8") as file:
        file.write(text)
    outcomes = {name: outcome for name, outcome, _ in SUMMARY.findall(text)}
    failure = FAILED.search(text)
    if failure is None:
        return outcomes, ""
    said = text[failure.start():].splitlines()
    # A failed test may end the process before the summary.
    name = re.search(r'Test "(\d{4}_\w+)"', failure.group(1))
    if name is not None:
        outcomes.setdefault(name.group(1), "FAILED")
    return outcomes, " ".join(said[:2])


ENTRY = Entry(
    name="librdkafka",
    client="librdkafka",
    version="2.12.1",
    ran="its own tests that need a broker, in quick mode (not: `tests/matrix/librdkafka.excluded`)",
    deadline_s=7_200,
    prepare=lambda parts: parts.librdkafka(),
    body=body,
    # What its tests are written for.
    settings=(("num.partitions", "4"), ("group.initial.rebalance.delay.ms", "100")),
)

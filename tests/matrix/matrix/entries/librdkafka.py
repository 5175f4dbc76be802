"""librdkafka's own tests, each number in a process of its own, as far as they need a broker.

What is not run, and why, stands in tests/matrix/librdkafka.excluded. A test that fails is run once more, since many of them
measure time and the machine may be busy: the second outcome counts, and the first is told.
"""

import os
import re

from matrix.entry import Entry
from matrix.parts import MATRIX
from matrix.processes import Failure

EXCLUDED = os.path.join(MATRIX, "librdkafka.excluded")
# librdkafka's own limits are for a quiet machine.
TIMEOUT_MULTIPLIER = 3
TEST_LIMIT_S = 600
SUMMARY = re.compile(r"^\|\s*(\d{4}_\w+)\s*\|\s*(PASSED|SKIPPED|FAILED)\s*\|[^|]*\|?\s*(.*)$", re.M)
COLOUR = re.compile(r"\x1b\[\d*m")
FAILED = re.compile(r"^### (Test .* failed at .*)$", re.M)


def excluded():
    """{test: why}"""
    with open(EXCLUDED, encoding="utf-8") as file:
        return dict(line.split(None, 1) for line in map(str.strip, file) if line and not line.startswith("#"))


def tests(source):
    """The tests that need a broker, in order, from tests/test.c: [(name, flags)]."""
    with open(os.path.join(source, "tests", "test.c"), encoding="utf-8") as file:
        found = re.findall(r"_TEST\((\d{4}_\w+),\s*([^,()]+)", file.read())
    return [name for name, flags in found if "TEST_F_LOCAL" not in flags and "TEST_F_MANUAL" not in flags]


def body(run):
    built = run.parts.librdkafka()
    left_out = excluded()
    of = {}
    for name in tests(built):
        of.setdefault(name[:4], []).append(name)
    run.counts = {"pass": 0, "skip": 0, "fail": 0, "excluded": 0}
    with open(run.path("test.conf"), "w", encoding="ascii") as file:
        file.write(f"bootstrap.servers={run.bootstrap}\ntest.topic.random=true\ntest.timeout.multiplier={TIMEOUT_MULTIPLIER}\n")
    only = os.environ.get("LIBRDKAFKA_TESTS", "").split()
    for number, names in of.items():
        wanted = [name for name in names if name not in left_out]
        run.counts["excluded"] += len(names) - len(wanted)
        if not wanted or (only and number not in only):
            continue
        # Where one of a number is left out, the others are named in full.
        for pattern in [number] if wanted == names else wanted:
            run.step(f"{pattern} ({', '.join(name[5:] for name in wanted)})", one, run, built, pattern, wanted)


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


def attempt(run, built, pattern, number):
    """{test: outcome} and what a failed one said."""
    libraries = f"{built}/src:{built}/src-cpp"
    env = {**os.environ, "TESTS": pattern, "RDKAFKA_TEST_CONF": run.path("test.conf"), "LD_LIBRARY_PATH": libraries,
           "TEST_KAFKA_VERSION": "4.2.0"}
    log = run.path("logs", f"{pattern}-{number}.log")
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
    kafka_properties=(("num.partitions", "4"), ("group.initial.rebalance.delay.ms", "100")),
)

#!/usr/bin/env python3
"""How long each query of the dashboards takes on a day of data.

    day.py [AGENTS [TOPICS]]      default: 6 agents, 200 topics

Makes a day of every series of series.yaml, one sample in 15 seconds, has promtool make blocks of it, and the recording rules as
Prometheus would have recorded them; then asks each query five times for the whole day, in steps of 90 seconds as a
panel of a thousand pixels does. The blocks stay in $CARGO_TARGET_DIR/telemetry/day for the next run.
Prints a table with the median and the highest time, and the processor's time, and leaves it as day.md beside the blocks.

Exit code 1: a query failed, returned nothing, or took more than 200 ms of a processor. The clock is not judged: on a machine that
does other things besides, it says little of the query. On an idle one both are the same.
"""

import hashlib
import itertools
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import yaml

import cases
import queries
import series
from servers import Stack

HERE = Path(__file__).resolve().parent
DAYS = Path(os.environ["CARGO_TARGET_DIR"]) / "telemetry" / "day"
BIN = Path(os.environ["ESKER_TEST_PROMETHEUS_BIN"])
STEP_S, BLOCK_S, DAY_S = 15, 2 * 3600, 24 * 3600
RULES_STEP_S = 30
PANEL_STEP_S, RATE_INTERVAL = 90, "105s"
LIMIT_MS = 200
REPEATS = 5
BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]
# Long ago, so that blocks can be kept, and at the begin of a block.
BEGIN = 1_767_225_600


def series_of(agents, topics):
    """Each series: (name with labels, what it is, how fast it grows or how large it is)."""
    for name, family in series.families().items():
        labels = {label: topic_names(values, topics) for label, values in family.get("labels", {}).items()}
        shown_by = 1 if family.get("one_agent") else agents
        for agent in range(shown_by):
            for values in itertools.product(*labels.values()):
                own = dict(zip(labels, values)) | {"job": "esker", "instance": f"10.0.0.{agent}:9644"}
                size = random.Random(f"{name}{sorted(own.items())}").randrange(1, 200)
                if family["type"] == "histogram":
                    for index, bound in enumerate([*BUCKETS, "+Inf"]):
                        yield text(name + "_bucket", {**own, "le": str(bound)}), "counter", size * (index + 1)
                    yield text(name + "_count", own), "counter", size * (len(BUCKETS) + 1)
                    yield text(name + "_sum", own), "counter", size
                else:
                    ending = series.ENDINGS[family["type"]][0]
                    yield text(name + ending, own), "one" if ending == "_info" else family["type"], size
    for agent in range(agents):
        yield text("up", {"job": "esker", "instance": f"10.0.0.{agent}:9644"}), "one", 1


def topic_names(values, topics):
    return [f"topic-{number:03}" for number in range(topics)] if values == ["TOPIC"] else values


def text(name, labels):
    named = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{named}}}"


def write_block(path, all_series, first):
    """Two hours of all series in OpenMetrics' text form."""
    times = range(BEGIN + first, BEGIN + first + BLOCK_S, STEP_S)
    ends = [f" {at}\n" for at in times]
    start = first // STEP_S
    with open(path, "w") as out:
        for name, kind, size in all_series:
            rng = random.Random(f"{name}{first}")
            noise = [rng.randrange(0, size + 1) for _ in range(60)] * (len(ends) // 60)
            if kind == "counter":
                # Grows by between one and two times its size a step.
                values = [2 * size * (start + index) + noise[index] for index in range(len(ends))]
            elif kind == "gauge":
                values = [size + noise[index] for index in range(len(ends))]
            else:
                values = [1] * len(ends)
            out.write("".join(f"{name} {value}{end}" for value, end in zip(values, ends)))
        out.write("# EOF\n")


def promtool(*arguments):
    subprocess.run([BIN / "promtool", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def make(directory, agents, topics):
    """Makes the blocks; nothing of a broken attempt stays."""
    building = directory.with_name(directory.name + "-building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    all_series = list(series_of(agents, topics))
    print(f"{len(all_series)} series, {len(all_series) * DAY_S // STEP_S / 1e6:.0f} million samples")
    for first in range(0, DAY_S, BLOCK_S):
        page = building / "block.txt"
        write_block(page, all_series, first)
        promtool("tsdb", "create-blocks-from", "openmetrics", page, building / "tsdb")
        page.unlink()
        print(f"  {(first + BLOCK_S) // 3600} of 24 hours")
    for level, rules in enumerate(levels(), 1):
        record(building, rules)
        print(f"  recording rules of level {level}")
    building.rename(directory)


def levels():
    """The recording rules: first those that read agents' series alone, then those that read what was recorded before."""
    left = [rule for group in cases.rules()["groups"] for rule in group["rules"] if "record" in rule]
    while left:
        names = {rule["record"] for rule in left}
        now = [rule for rule in left if not names & set(series.RECORDED.findall(rule["expr"]))]
        left = [rule for rule in left if rule not in now]
        yield now


def record(building, rules):
    """Adds what these rules would have recorded. promtool asks a Prometheus, which sees what earlier calls added."""
    rule_file, recorded = building / "rules.yaml", building / "recorded"
    rule_file.write_text(yaml.safe_dump({"groups": [{"name": "day", "rules": rules}]}, width=1000))
    with Stack(building / "run") as stack:
        prometheus = start(stack, building / "tsdb")
        promtool(
            "tsdb", "create-blocks-from", "rules", f"--start={BEGIN}", f"--end={BEGIN + DAY_S - STEP_S}", f"--eval-interval={RULES_STEP_S}s",
            f"--url={prometheus.url}", f"--output-dir={recorded}", rule_file,
        )
    for block in recorded.iterdir():
        block.rename(building / "tsdb" / block.name)


def start(stack, blocks):
    return stack.prometheus(
        "global: {scrape_interval: 1h}\n", f"--storage.tsdb.path={blocks}", "--storage.tsdb.retention.time=100y",
        # Blocks are not put together, so that little else is done while queries are timed.
        "--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h",
    )


def cpu_ms(process):
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(prometheus, process):
    """Per query: median and highest time, and that of the processor, in ms; and how many series it has."""
    begin, end = BEGIN + 600, BEGIN + DAY_S - STEP_S
    measured = []
    for query in queries.all_queries():
        expr, took, found = query.filled(RATE_INTERVAL, "24h"), [], []
        used = cpu_ms(process)
        for _ in range(REPEATS):
            began = time.perf_counter()
            found = prometheus.samples(expr, None if query.instant else begin, end, PANEL_STEP_S)
            took.append(1000 * (time.perf_counter() - began))
        measured.append((query, statistics.median(took), max(took), (cpu_ms(process) - used) / REPEATS, len(found)))
    return measured


def main():
    agents, topics = (int(argument) for argument in (sys.argv[1:] + ["6", "200"][len(sys.argv) - 1:]))
    version = hashlib.sha256(
        b"".join(path.read_bytes() for path in (HERE / "series.yaml", HERE / "day.py", cases.RULES))
    ).hexdigest()[:12]
    directory = DAYS / f"{agents}-{topics}-{version}"
    began = time.monotonic()
    if not directory.exists():
        for old in DAYS.glob("*") if DAYS.exists() else []:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        make(directory, agents, topics)
        print(f"a day of data was made in {time.monotonic() - began:.0f} s")
    with Stack(directory / "run") as stack:
        prometheus = start(stack, directory / "tsdb")
        measured = measure(prometheus, stack.processes[-1])
    rows = ["| query | median ms | highest ms | processor ms | series |", "|---|---|---|---|---|"]
    rows += [f"| {query} | {median:.0f} | {highest:.0f} | {used:.0f} | {count} |" for query, median, highest, used, count in
             sorted(measured, key=lambda row: -row[3])]
    (DAYS / "day.md").write_text("\n".join(rows) + "\n")
    print("\n".join(rows))
    slow = [query for query, _, _, used, _ in measured if used > LIMIT_MS]
    # Alerts do not fire on a day that is made up.
    empty = [query for query, *_, count in measured if not count and "ALERTS" not in query.expr]
    for query in slow:
        print(f"slower than {LIMIT_MS} ms: {query}")
    for query in empty:
        print(f"no data: {query}")
    for name, column in (("by the clock, medians", 1), ("of a processor", 3)):
        values = [row[column] for row in measured]
        print(f"{len(measured)} queries over a day of {agents} agents and {topics} topics, ms {name}: "
              f"p50 {statistics.median(values):.0f}, highest {max(values):.0f}")
    return 1 if slow or empty else 0


if __name__ == "__main__":
    sys.exit(main())

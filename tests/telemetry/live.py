#!/usr/bin/env python3
"""Proves that each query of the dashboards returns data from a live agent, by a real Prometheus.

    live.py [RESULTS.md]      default: $CARGO_TARGET_DIR/telemetry/queries.md

Starts an S3 server that fails on command, an agent, and a Prometheus that scrapes it every second with the rules that are
shipped. Clients produce and consume, and no alert may fire, not even for a moment. Then clients join groups and misbehave,
and the stores fail; at last every query is asked as Grafana asks it. The table of queries and what they returned is written to RESULTS.md.

Needs ESKER_TEST_PROMETHEUS_BIN, ESKER_TEST_KCAT, a Python with the packages of the tests' clients, and the programs esker and
esker-s3-server in $ESKER_TEST_BIN (default: $CARGO_TARGET_DIR/debug).
Exit code 1: a query failed, or returned nothing although series.yaml says that agents have what it reads; or what the agent
serves is not what series.yaml says.
"""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import confluent_kafka
import yaml

import cases
import queries
import series
from servers import Stack, answers, free_port, until

TARGET = Path(os.environ["CARGO_TARGET_DIR"]) / "telemetry"
BIN = Path(os.environ.get("ESKER_TEST_BIN") or Path(os.environ["CARGO_TARGET_DIR"]) / "debug")
KCAT = os.environ["ESKER_TEST_KCAT"]
SCRAPE = """
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - {job_name: esker, static_configs: [{targets: ["%s"]}]}
"""
# Records in the bucket that producers' memory does not hold as well.
HISTORY_BYTES = 48 << 20
# On a busy machine scrapes are missed, and what happens once may lie between two of them.
ATTEMPTS = 3
# Without their `for`, these fire on a machine that is busy with something else.
SLOW_MACHINE = ("EskerAckLatencyHigh", "EskerCommitLatencyHigh")


class Agent:
    """A running agent, and what clients do to it."""

    def __init__(self, stack):
        self.stack = stack
        self.kafka, self.admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        stack.start("s3", [BIN / "esker-s3-server", "--bucket", "esker"])
        until(20, lambda: stack.log("s3").startswith("{"), "the S3 server")
        addresses = yaml.safe_load(stack.log("s3").splitlines()[0])
        self.control = addresses["control"]
        environment = {
            "AWS_ENDPOINT_URL": addresses["s3"], "AWS_ACCESS_KEY_ID": "esker", "AWS_SECRET_ACCESS_KEY": "esker-secret",
            "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true",
        }
        process = stack.start("agent", [
            BIN / "esker", "dev", "--data-dir", "data", "--bucket-url", "s3://esker/data", "--kafka-addr", self.kafka,
            "--admin-addr", self.admin, "--memory-bytes", "64MiB", "--max-connections-per-ip", "24", "--archive-interval-ms", "1000",
            "--archive-grace-ms", "2000", "--merge-interval-ms", "2000", "--sweep-interval-ms", "2000", "--zone", "a",
        ], environment)
        until(30, lambda: answers(f"http://{self.admin}/readyz", process), "the agent")

    def faults(self, *rules):
        """What the S3 server does wrong from now on."""
        request = urllib.request.Request(f"{self.control}/faults", data=json.dumps(rules).encode(), method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def kcat(self, *arguments, given=b"", patience=10):
        run([KCAT, "-b", self.kafka, *arguments], given, patience)

    def esker(self, *arguments, given=b""):
        run([BIN / "esker", *arguments, "-b", self.kafka], given, 20)


def run(command, given=b"", patience=20):
    """Runs a client; what it says does not matter, what the agent counts of it does."""
    try:
        subprocess.run(
            [str(part) for part in command], input=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pass


def lines(count, size=80):
    return b"".join(b"%d %s\n" % (number, b"x" * size) for number in range(count))


def work(agent):
    """What clients do on a good day: write, read the tail and history, share topics as groups of both protocols."""
    agent.esker("topic", "create", "orders", "--partitions", "4")
    agent.esker("produce", "orders", given=lines(2000))
    agent.esker("consume", "orders", "--group", "billing", "--count", "100")
    # More than stays in memory: the first of it comes from the bucket, and the second time from the cache.
    agent.kcat("-P", "-t", "history", "-z", "none", "-X", "batch.size=1000000", given=lines(HISTORY_BYTES // 10_000, 10_000))
    agent.kcat("-C", "-t", "history", "-c", "500", "-q", "-o", "beginning")


def write_and_read(agent):
    """Goes on with it, from the agent's zone and from another."""
    agent.kcat("-P", "-t", "clicks", "-X", "client.id=writer,zone=a", given=lines(1000))
    agent.kcat("-P", "-t", "clicks", "-X", "client.id=stranger,zone=b", given=lines(1000))
    agent.kcat("-C", "-t", "clicks", "-e", "-q", "-o", "beginning", "-X", "client.id=reader,zone=a")
    agent.kcat("-C", "-t", "history", "-c", "500", "-q", "-o", "beginning")
    agent.esker("consume", "orders", "--until-end")


def twice(scene, agent):
    """Counters with labels begin with their first event, which a rate does not see."""
    for _ in range(2):
        scene(agent)
        time.sleep(1.2)


def groups(agent):
    """One group of each protocol that stays for a while, with members that commit."""
    members = []
    for protocol in ("classic", "consumer"):
        settings = {
            "bootstrap.servers": agent.kafka, "group.id": f"readers-{protocol}", "group.protocol": protocol,
            "auto.offset.reset": "earliest", "auto.commit.interval.ms": 500, "log_level": 0,
        }
        members.append(confluent_kafka.Consumer(settings))
        members[-1].subscribe(["orders"])
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        for member in members:
            member.poll(0.1)
    return members


def misbehave(agent):
    """What clients do on a bad day."""
    host, port = agent.kafka.split(":")
    # Not Kafka at all; and more connections than one address may have.
    with socket.create_connection((host, int(port)), timeout=5) as garbage:
        garbage.sendall(b"GET / HTTP/1.1\r\nHost: esker\r\n\r\n")
        garbage.settimeout(2)
        try:
            garbage.recv(1)
        except OSError:
            pass
    many = []
    for _ in range(30):
        many.append(socket.create_connection((host, int(port)), timeout=5))
    for connection in many:
        connection.close()
    # An offset that is not there.
    agent.kcat("-C", "-t", "orders", "-p", "0", "-o", "999999", "-e", "-X", "auto.offset.reset=error", patience=2)


def break_bucket(agent):
    """The bucket throttles, fails, and has lost objects."""
    agent.faults(
        {"op": "put", "kind": "slow_down", "count": 2}, {"op": "put", "kind": "internal_error", "count": 2},
        {"op": "get", "key_prefix": "data/ingest/", "kind": "error", "status": 404, "code": "NoSuchKey"},
        {"op": "get", "key_prefix": "data/archive/", "kind": "error", "status": 404, "code": "NoSuchKey"},
        {"op": "get", "key_prefix": "data/merged/", "kind": "error", "status": 404, "code": "NoSuchKey"},
    )
    agent.kcat("-P", "-t", "clicks", given=lines(100))
    agent.kcat("-C", "-t", "history", "-p", "0", "-c", "5000", "-q", "-o", "2000", patience=1.5)
    agent.faults()


def lock_metastore(agent):
    """The database is locked for longer than an agent may wait."""
    with sqlite3.connect(agent.stack.directory / "data" / "metastore.sqlite", timeout=5, isolation_level=None) as database:
        database.execute("BEGIN IMMEDIATE")
        agent.kcat("-P", "-t", "clicks", "-X", "message.timeout.ms=4000", "-X", "request.timeout.ms=1000", given=lines(10), patience=6)
        agent.kcat("-Q", "-t", "orders:0:-1", patience=1.5)
        database.execute("ROLLBACK")


def rules_without_patience():
    """The rules as shipped, but alerts fire at once: a live test cannot wait for half an hour."""
    document = cases.rules()
    for alert in cases.alerts(document).values():
        alert.pop("for", None)
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def ask(prometheus, began):
    """Asks every query; returns (query, expression, samples or the error)."""
    now = time.time()
    asked = []
    for query in queries.all_queries():
        expr = query.filled("15s", f"{int(now - began)}s")
        try:
            found = prometheus.samples(expr, None if query.instant else began, now, 1)
        except RuntimeError as error:
            found = str(error)
        asked.append((query, expr, found))
    return asked


def nothing_offered(prometheus, selector, label):
    """A sentence if a selector of the dashboards has nothing to choose from. Only `cluster` need not be there."""
    values = {series.get(label) for series in prometheus.get("series", **{"match[]": selector})} - {None}
    return None if values or label == "cluster" else f"variable {label}: {selector} offers nothing"


def table(asked):
    """The answers for people."""
    rows = ["| query | expression | series | the first of them |", "|---|---|---|---|"]
    for query, expr, found in asked:
        if isinstance(found, str):
            shown, count = f"ERROR {found}", 0
        else:
            count = len(found)
            lacked = series.lacking(query.expr)
            shown = f"nothing: no agent has {lacked} yet" if lacked else "nothing"
            if found:
                labels, value = found[0]
                named = ", ".join(f"{name}={text}" for name, text in labels.items() if name not in ("job", "instance", "__name__"))
                shown = f"{value:.6g}" + (f" ({named})" if named else "")
        cells = [str(query), f"`{expr}`", str(count), shown]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def judge(asked):
    """One sentence for each query that is not as it should be."""
    wrong = []
    for query, _, found in asked:
        if isinstance(found, str):
            wrong.append(f"{query}: Prometheus refuses it: {found}")
        elif not found and not series.lacking(query.expr):
            wrong.append(f"{query}: no data")
    return wrong


def main():
    results = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET / "queries.md"
    TARGET.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="live-", dir=TARGET))
    with Stack(directory) as stack:
        began = time.time()
        agent = Agent(stack)
        (directory / "rules.yaml").write_text(rules_without_patience())
        prometheus = stack.prometheus(SCRAPE % agent.admin, "--storage.tsdb.path=tsdb")
        # It takes some seconds until the first scrape.
        until(20, lambda: prometheus.samples("up == 1", None, time.time(), 1), "the first scrape")
        work(agent)
        write_and_read(agent)
        time.sleep(2)
        false_alarms = prometheus.samples('ALERTS{alertstate="firing"}', None, time.time(), 1)
        lock_metastore(agent)
        for attempt in range(ATTEMPTS):
            twice(write_and_read, agent)
            members = groups(agent)
            twice(misbehave, agent)
            twice(break_bucket, agent)
            # Until the last of it was scraped and went through the rules.
            time.sleep(2)
            asked = ask(prometheus, began)
            for member in members:
                member.close()
            if not judge(asked):
                break
            if attempt + 1 < ATTEMPTS:
                print("some queries have no data yet: once more")
        wrong = [sentence for sentence in (nothing_offered(prometheus, *variable) for variable in queries.variables()) if sentence]
        page = urllib.request.urlopen(f"http://{agent.admin}/metrics", timeout=10).read().decode()
        took = time.time() - began
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(table(asked))
    wrong += series.differences(page) + judge(asked)
    wrong += [
        f"{labels['alertname']} fires although all is well" for labels, _ in false_alarms if labels["alertname"] not in SLOW_MACHINE
    ]
    for sentence in wrong:
        print(sentence)
    with_data = sum(1 for _, _, found in asked if not isinstance(found, str) and found)
    print(f"{with_data} of {len(asked)} queries have data after {took:.0f} s; they are in {results}")
    if wrong:
        print(f"what ran is in {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Starts what the tests of telemetry need: on loopback, on free ports, ended by process id when a test is over."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path


class Stack:
    """Processes, ended in the reverse order of their start."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name, command, environment=None):
        """Starts it with its output in NAME.log."""
        with open(self.directory / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(environment or {})}, cwd=self.directory,
            )
        self.processes.append(process)
        return process

    def log(self, name):
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def prometheus(self, config, *arguments):
        """Starts Prometheus with this configuration; returns what asks it."""
        port = free_port()
        (self.directory / "prometheus.yml").write_text(config)
        process = self.start("prometheus", [
            Path(os.environ["ESKER_TEST_PROMETHEUS_BIN"]) / "prometheus", "--config.file=prometheus.yml", "--log.level=warn",
            f"--web.listen-address=127.0.0.1:{port}", *arguments,
        ])
        until(60, lambda: answers(f"http://127.0.0.1:{port}/-/ready", process), f"Prometheus: {self.directory}/prometheus.log")
        return Prometheus(f"http://127.0.0.1:{port}")


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        """The `data` of an answer; an error is raised with Prometheus' own sentence."""
        encoded = urllib.parse.urlencode(parameters, doseq=True).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data=encoded or None, timeout=120) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error).get("error", str(error))) from error

    def samples(self, expr, start, end, step):
        """Of each series its last sample that is a number: (labels, value)."""
        if start is None:
            result = self.get("query", query=expr, time=end)["result"]
            lists = [(series["metric"], [series["value"]]) for series in result]
        else:
            result = self.get("query_range", query=expr, start=start, end=end, step=step)["result"]
            lists = [(series["metric"], series["values"]) for series in result]
        found = []
        for labels, values in lists:
            numbers = [float(value) for _, value in values if value != "NaN"]
            if numbers:
                found.append((labels, numbers[-1]))
        return found


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(url, process=None):
    if process and process.poll() is not None:
        sys.exit(f"a server ended with {process.returncode} before it answered {url}")
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def until(seconds, ready, what):
    """Waits until it is so; ends the test with a sentence if it does not become so."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)

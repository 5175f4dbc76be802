"""What an entry of the matrix is, and what it is given when it runs."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import Callable, Optional, Tuple

from matrix.processes import Failure, Processes

REASON_CHARS_MAX = 4_000


class Skip(Exception):
    """This machine cannot run the entry; the text says why."""


class DeadlinePassed(Exception):
    """The entry took longer than it may."""


@dataclass(frozen=True)
class Entry:
    """One client or tool."""

    name: str
    client: str
    version: str
    # What is run, for the table.
    ran: str
    deadline_s: int
    body: Callable[["Run"], None]
    # Fetches and builds what the entry needs, before its time begins: takes the Parts.
    prepare: Optional[Callable] = None
    # Broker settings that the entry needs where a target's defaults would not do, under Apache Kafka's names.
    settings: Tuple[Tuple[str, str], ...] = ()


class Run:
    """One entry on one target: where the brokers are, where files may go, and the steps that were taken."""

    def __init__(self, entry, target, parts, directory):
        self.entry = entry
        self.target = target
        self.bootstrap = target.bootstrap
        self.parts = parts
        self.directory = directory
        self.processes = Processes()
        self.steps = []
        # Filled by entries that count something better than steps.
        self.counts = None

    def path(self, *names):
        """A path in the entry's own directory, whose folders exist."""
        path = os.path.join(self.directory, *names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def step(self, name, body, *args):
        """Take a step: print one line for it and go on when it fails. `body` may return a word about what it saw.

        Returns whether it passed.
        """
        started = time.monotonic()
        outcome, detail = "pass", ""
        try:
            detail = str(body(*args) or "")
        except (Failure, AssertionError, OSError, ValueError, KeyError, IndexError) as e:
            kind = "" if isinstance(e, (Failure, AssertionError)) else f"{type(e).__name__}: "
            outcome, detail = "fail", f"{kind}{e}"[:REASON_CHARS_MAX]
        seconds = round(time.monotonic() - started, 1)
        self.steps.append({"name": name, "outcome": outcome, "detail": detail, "seconds": seconds})
        word = "ok  " if outcome == "pass" else "FAIL"
        print(f"  {word} {name}  {seconds} s  {_indented(detail)}".rstrip(), flush=True)
        return outcome == "pass"

    def must(self, name, body, *args):
        """A step without which the others make no sense."""
        if not self.step(name, body, *args):
            raise Failure(f"nothing further without: {name}")

    def java(self, class_name, *args, limit_s=60, stdin=None, expect=0, classpath=None, options=()):
        """Run a class of Apache Kafka's jars to its end."""
        return self.processes.run(self.java_argv(class_name, *args, classpath=classpath, options=options), limit_s,
                                  stdin=stdin, expect=expect)

    def java_argv(self, class_name, *args, classpath=None, options=()):
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS", *options,
                "-cp", classpath or self.parts.kafka_classpath(), class_name, *map(str, args)]


@contextlib.contextmanager
def deadline(seconds):
    """Raise DeadlinePassed in the main thread after so long."""

    def passed(_signal, _frame):
        raise DeadlinePassed(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, passed)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _indented(detail):
    return detail.strip().replace("\n", "\n       ")

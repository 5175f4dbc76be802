"""Processes that an entry starts: each in a group of its own, each ended with that group.

What holds: `end_all` leaves no process of ours, whatever it was doing, and touches none that we did not start.
"""

import contextlib
import os
import signal
import subprocess
import time

END_GRACE_S = 15
# How much of a program's words goes into a failure.
SAID_CHARS_MAX = 2_000


class Failure(Exception):
    """A step did not do what it should; the text says what."""


class Done:
    """A program that has ended."""

    def __init__(self, argv, code, stdout, stderr, seconds):
        self.argv = argv
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds

    def said(self):
        """The end of what it printed, stderr last."""
        return (self.stdout[-SAID_CHARS_MAX:] + "\n" + self.stderr[-SAID_CHARS_MAX:]).strip()


class Processes:
    """The processes of one entry."""

    def __init__(self):
        self._running = []

    def run(self, argv, limit_s, stdin=None, cwd=None, env=None, expect=0):
        """Run a program to its end; `expect` is its exit code, None for any. Text in, text out."""
        started = time.monotonic()
        process = self._start(argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env=env)
        try:
            stdout, stderr = process.communicate(None if stdin is None else stdin.encode(), timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.kill(process)
            stdout, stderr = process.communicate()
            raise Failure(f"{_short(argv)}: still running after {limit_s} s\n"
                          f"{stdout.decode(errors='replace')[-SAID_CHARS_MAX:]}\n"
                          f"{stderr.decode(errors='replace')[-SAID_CHARS_MAX:]}") from None
        finally:
            self.kill(process)
        done = Done(argv, process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"),
                    time.monotonic() - started)
        if expect is not None and done.code != expect:
            raise Failure(f"{_short(argv)}: exit code {done.code}, expected {expect}\n{done.said()}")
        return done

    def background(self, argv, log, cwd=None, env=None):
        """Start a program that goes on; stdout and stderr are appended to the file `log`."""
        with open(log, "ab") as file:
            return self._start(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, cwd=cwd, env=env)

    def _start(self, argv, **options):
        process = subprocess.Popen([str(part) for part in argv], start_new_session=True, **options)
        self._running.append(process)
        return process

    def end(self, process, how=signal.SIGTERM, grace_s=END_GRACE_S):
        """Ask it to end, and make it when the grace is over; returns its exit code."""
        if process.poll() is None:
            process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=grace_s)
        self.kill(process)
        return process.returncode

    def kill(self, process):
        """kill -9 for it and for what is left of its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process in self._running:
            self._running.remove(process)

    def end_all(self):
        for process in reversed(self._running[:]):
            self.end(process)


def wait_until(what, condition, limit_s, every_s=0.2):
    """Wait until `condition()` is true and return what it gave; `what` names it in the failure."""
    until = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Failure(f"{what}: not within {limit_s} s")
        time.sleep(every_s)


def _short(argv):
    """The command without its class path, which fills a screen."""
    words = [str(word) for word in argv]
    if "-cp" in words:
        words = ["java", *words[words.index("-cp") + 2:]]
    return " ".join(words)[:400]

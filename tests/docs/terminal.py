"""Runs what a document tells people to type, on free ports and in a directory of its own.

A block of `sh` is run as it stands, one after the other in one shell, which stops at the first command that fails. The
HTML comment right above a block may say:

    sh: not run: WHY     it is left out
    sh: stays            it goes on until the next such block, or to the end; the other blocks run beside it
    sh: prints           what it prints is the next block of `text`, to the letter

Addresses 127.0.0.1:PORT and localhost:PORT become ones on free ports. `esker` is the program that was built, `make run`,
`make stores` and `make install` do what they do after building, and Apache Kafka's scripts are `scripts/kafka-tool`.
Whatever was started is ended by its process id.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

from markdown import ROOT

ADDRESS = re.compile(r"(?:127\.0\.0\.1|localhost):(\d{4,5})")
DIRECTIVE = re.compile(r"^sh:\s*(not run|stays|prints)(?::\s*(.+))?$")
BLOCK_LIMIT_S = 180
READY_LIMIT_S = 120
SAID_CHARS_MAX = 4_000

MAKE = """#!/usr/bin/env bash
case "$*" in
    run) exec esker dev ;;
    stores) exec {root}/scripts/stores "$PWD/esker-data/stores" ;;
    install) ;;
    *) echo "the test of the documentation knows no make $*" >&2; exit 2 ;;
esac
"""
KAFKA_TOOL = """#!/usr/bin/env bash
exec {root}/scripts/kafka-tool {tool} "$@"
"""
KAFKA_TOOLS = ("console-producer", "console-consumer", "topics", "consumer-groups")


class Failed(AssertionError):
    """A block did not do what the document says."""


def directive(fence):
    """What a block's comment says: (word, why), or ("", None)."""
    found = DIRECTIVE.match(fence.comment or "")
    return (found.group(1), found.group(2)) if found else ("", None)


class Terminal:
    """One document's shell."""

    def __init__(self, esker, kcat):
        self.directory = tempfile.mkdtemp(prefix="esker-docs-", dir="/var/tmp" if os.path.isdir("/var/tmp") else None)
        self._ports = {}
        self._staying = None
        bin_directory = os.path.join(self.directory, "bin")
        os.mkdir(bin_directory)
        for name, program in (("esker", esker), ("kcat", kcat)):
            if program:
                os.symlink(os.path.abspath(program), os.path.join(bin_directory, name))
        self._script(bin_directory, "make", MAKE.format(root=ROOT))
        for tool in KAFKA_TOOLS:
            self._script(bin_directory, f"kafka-{tool}.sh", KAFKA_TOOL.format(root=ROOT, tool=tool))
        os.symlink(os.path.join(ROOT, "scripts"), os.path.join(self.directory, "scripts"))
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("AWS_") and (not name.startswith("ESKER_") or name.startswith(("ESKER_TEST_", "ESKER_CACHE")))}
        self._environment = {
            **kept,
            "PATH": f"{bin_directory}:{os.environ['PATH']}",
            # Where nothing is said, what is said by default.
            "ESKER_KAFKA_ADDR": self.address("9092"),
            "ESKER_ADMIN_ADDR": self.address("9644"),
            "ESKER_BOOTSTRAP_SERVER": self.address("9092"),
            "ESKER_STORES_POSTGRES_PORT": self._port("15432"),
            "ESKER_STORES_S3_PORT": self._port("19000"),
            "ESKER_STORES_POSTGRES_DATA": os.path.join(self.directory, "postgres"),
        }
        # The user that Postgres runs as has to come by.
        os.chmod(self.directory, 0o755)
        self._shell = self._start(["bash"], "shell.log", stdin=subprocess.PIPE, text=True)
        self._shell.stdin.write("set -euo pipefail\n")

    @staticmethod
    def _script(directory, name, text):
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def _start(self, argv, log, **options):
        """A process that leads a group of its own."""
        with open(os.path.join(self.directory, log), "w", encoding="utf-8") as file:
            return subprocess.Popen(argv, cwd=self.directory, env=self._environment, stdout=file, stderr=subprocess.STDOUT,
                                    start_new_session=True, **options)

    def _port(self, port):
        if port not in self._ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._ports[port] = str(free.getsockname()[1])
        return self._ports[port]

    def address(self, port):
        return f"127.0.0.1:{self._port(port)}"

    def here(self, text):
        """The text with addresses of this run."""
        return ADDRESS.sub(lambda found: self.address(found.group(1)), text)

    # --- blocks ----------------------------------------------------------------------------------

    def run(self, body):
        """Runs a block to its end; returns what it printed."""
        out, err, mark = (os.path.join(self.directory, name) for name in ("out", "err", "mark"))
        text = self.here(body)
        # Braces, so that variables and what was sent to the background stay with this shell.
        self._shell.stdin.write(f"{{\n{text}\n}} >{out} 2>{err} </dev/null\necho done >{mark}\n")
        self._shell.stdin.flush()
        until = time.monotonic() + BLOCK_LIMIT_S
        while not os.path.exists(mark):
            if self._shell.poll() is not None or time.monotonic() > until:
                what = "still running" if self._shell.poll() is None else "failed"
                raise Failed(f"{what}:\n{text}\n{self._tail('out', 'err', 'shell.log', 'stays.log')}")
            time.sleep(0.02)
        os.remove(mark)
        for line in text.splitlines():
            admin = re.search(r"^\s*esker agent .*--admin-addr (\S+).*&\s*$", line)
            if admin:
                self._wait(lambda url=f"http://{admin.group(1)}/readyz": _answers(url), line)
        with open(out, encoding="utf-8") as file:
            return file.read()

    def stay(self, body):
        """Runs a block beside the others, in the place of the last one that stayed."""
        self._end_staying()
        shutil.rmtree(os.path.join(self.directory, "esker-data"), ignore_errors=True)
        self._staying = self._start(["bash", "-euo", "pipefail", "-c", self.here(body)], "stays.log", stdin=subprocess.DEVNULL)
        if "make stores" in body:
            self._wait(lambda: "AWS_REGION" in self._tail("esker-data/stores/env.sh"), body)
        else:
            self._wait_for(self.address("9092"))

    def _wait_for(self, address):
        def listens():
            host, port = address.rsplit(":", 1)
            with socket.socket() as probe:
                return probe.connect_ex((host, int(port))) == 0
        self._wait(listens, address)

    def _wait(self, ready, what):
        until = time.monotonic() + READY_LIMIT_S
        while not ready():
            if time.monotonic() > until or (self._staying and self._staying.poll() is not None):
                raise Failed(f"not ready: {what}\n{self._tail('stays.log', 'out', 'err')}")
            time.sleep(0.05)

    def _tail(self, *names):
        said = ""
        for name in names:
            path = os.path.join(self.directory, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    said += file.read()[-SAID_CHARS_MAX:]
        return said

    # --- the end ---------------------------------------------------------------------------------

    def _end_staying(self):
        if self._staying:
            _end_group(self._staying)
            self._staying = None

    def close(self):
        # Agents first: they hand over what they have to stores that are still there.
        _end_group(self._shell)
        self._end_staying()
        shutil.rmtree(self.directory, ignore_errors=True)


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _end_group(process):
    """Ends a process that leads a group of its own, with whatever it started: asks, then insists."""
    if process.stdin:
        process.stdin.close()
    for asked, patience_s in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, asked)
        except ProcessLookupError:
            break
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            process.poll()
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.05)
    process.wait(timeout=5)

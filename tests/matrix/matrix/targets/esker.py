"""Esker: one `esker dev`, or three `esker agent` on Postgres and S3."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile

from matrix.entry import Skip
from matrix.parts import ROOT
from matrix.processes import Failure, Processes, wait_until
from matrix.targets.kafka import free_ports

START_LIMIT_S = 60
STORES_LIMIT_S = 120
ZONES = ("a", "b", "c")
# What stock clients take for granted on a fresh broker.
SETTINGS = (("auto.create.topics", "true"),)


class Dev:
    """One process that keeps everything in a directory."""

    name = "dev"

    def __init__(self, parts, directory, settings=()):
        self._program = esker(parts)
        self.version = version(self._program)
        self._directory = directory
        self._settings = options(settings)
        self._processes = Processes()
        self.bootstrap = ""

    def start(self):
        port, = free_ports(1)
        self.bootstrap = f"127.0.0.1:{port}"
        process = self._processes.background(
            [self._program, "dev", "--kafka-addr", self.bootstrap, "--admin-addr", "none", "--data-dir",
             os.path.join(self._directory, "data"), *self._settings], os.path.join(self._directory, "esker.log"))
        wait_for_port(process, port, self._directory)

    def stop(self):
        self._processes.end_all()


class Cluster:
    """Three agents in three zones; a client bootstraps from all of them."""

    name = "cluster"

    def __init__(self, parts, directory, settings=()):
        self._program = esker(parts)
        self.version = version(self._program)
        self._directory = directory
        self._settings = options(settings)
        self._processes = Processes()
        self._postgres = None
        self.bootstrap = ""
        for variable in ("ESKER_TEST_POSTGRES_BIN", "ESKER_TEST_PYTHON"):
            if not os.environ.get(variable):
                raise Skip(f"no Postgres and S3 server for agents: {variable} is not set (see what scripts/setup says)")

    def start(self):
        env = self._stores()
        self._processes.run([self._program, "migrate"], START_LIMIT_S, env=env)
        ports = free_ports(len(ZONES))
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in ports)
        for zone, port in zip(ZONES, ports):
            process = self._processes.background(
                [self._program, "agent", "--kafka-addr", f"127.0.0.1:{port}", "--admin-addr", "none", "--zone", zone,
                 *self._settings],
                os.path.join(self._directory, f"agent-{zone}.log"), env=env)
            wait_for_port(process, port, self._directory)

    def _stores(self):
        """Start Postgres and S3; returns the environment that agents need."""
        postgres_port, s3_port = free_ports(2)
        self._postgres = tempfile.mkdtemp(prefix="esker-matrix-", dir="/var/tmp")
        os.chmod(self._postgres, 0o711)
        directory = os.path.join(self._directory, "stores")
        settings = os.path.join(directory, "env.sh")
        stores = self._processes.background(
            [os.path.join(ROOT, "scripts", "stores"), directory], os.path.join(self._directory, "stores.log"),
            env={**os.environ, "ESKER_STORES_POSTGRES_PORT": str(postgres_port), "ESKER_STORES_S3_PORT": str(s3_port),
                 "ESKER_STORES_POSTGRES_DATA": os.path.join(self._postgres, "data")})
        wait_until("Postgres and S3", lambda: os.path.exists(settings) or stores.poll() is not None, STORES_LIMIT_S)
        if stores.poll() is not None:
            raise Failure(f"Postgres and S3 did not start: see {self._directory}/stores.log")
        told = subprocess.run(["bash", "-c", f". '{settings}' && env -0"], check=True, stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL).stdout
        return dict(line.split("=", 1) for line in told.decode().split("\0") if "=" in line)

    def stop(self):
        self._processes.end_all()
        if self._postgres is not None:
            shutil.rmtree(self._postgres, ignore_errors=True)


def options(settings):
    """Broker settings as options of the command: `num.partitions` is `--num-partitions`."""
    return [word for name, value in (*SETTINGS, *settings) for word in (f"--{name.replace('.', '-')}", value)]


def esker(parts):
    """The program: $ESKER_BIN, else the optimised build that `scripts/matrix` made."""
    program = os.environ.get("ESKER_BIN") or os.path.join(parts.build, "release", "esker")
    if not os.access(program, os.X_OK):
        raise Skip(f"{program} is not built: make matrix builds it, or ESKER_BIN names another")
    return program


def version(program):
    """The second word of `esker --version`."""
    said = subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout
    return said.decode().split()[1]


def wait_for_port(process, port, directory):
    def open_or_ended():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return "open"
        return None if process.poll() is None else "ended"

    if wait_until(f"port {port}", open_or_ended, START_LIMIT_S) == "ended":
        raise Failure(f"Esker did not start: see the logs in {directory}")

"""Servers for one test: on loopback, on free ports, ended by their process ids."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

START_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def server(command, address, log, environment=None):
    """Runs a command until the end of the block; it begins when HTTP is answered at the address."""
    with open(log, "w") as output:
        process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            wait(process, address, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait(process, address, log):
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.HTTPError as error:
            # 503 is how a server says that it is not ready yet; anything else is an answer.
            if error.code != 503:
                return
            time.sleep(0.1)
        except OSError:
            time.sleep(0.1)
    with open(log) as file:
        raise AssertionError(f"{process.args[0]} did not start:\n{file.read()}")


def moto(directory):
    port = free_port()
    here = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, os.path.join(here, "aws_server.py"), str(port)]
    return server(command, f"http://127.0.0.1:{port}", os.path.join(directory, "moto.log"))


def minio(directory, user, password):
    port, console = free_port(), free_port()
    command = [os.environ["ESKER_TEST_MINIO"], "server", os.path.join(directory, "minio"), "--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{console}"]
    own = {"MINIO_ROOT_USER": user, "MINIO_ROOT_PASSWORD": password}
    return server(command, f"http://127.0.0.1:{port}", os.path.join(directory, "minio.log"), own)

"""`helm test`: the steps of its pod, run one after the other against a real process."""

import pathlib
import socket
import subprocess
import tempfile
import time
import unittest

from chart import program, render


class Broker:
    """`esker dev` on a free port, its data in a directory that goes with it."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.log = pathlib.Path(self.folder.name) / "log"
        settings = ["--data-dir", f"{self.folder.name}/data", "--kafka-addr", self.address, "--admin-addr", "none"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([program("ESKER_TEST_PROGRAM"), "dev", *settings], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while "esker is ready" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError("esker dev did not start")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class RoundTrip(unittest.TestCase):
    def setUp(self):
        self.pod = render().one("Pod", "esker-test")
        self.records = self.pod["metadata"]["annotations"]["esker/records"]

    def run_steps(self, broker, records, reading_s=30):
        """Exit codes by step, up to the first that fails (None: was not done in time); and what reading printed."""
        codes, read = {}, ""
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(records)
            file.flush()
            for step in self.pod["spec"]["initContainers"] + self.pod["spec"]["containers"]:
                arguments = [file.name if argument == "/test/records" else argument for argument in step["args"]]
                (variable,) = step["env"]
                try:
                    done = subprocess.run(
                        [program("ESKER_TEST_PROGRAM"), *arguments],
                        env={variable["name"]: broker.address},
                        capture_output=True,
                        text=True,
                        timeout=reading_s if step["name"] == "read" else 30,
                        check=False,
                    )
                except subprocess.TimeoutExpired:
                    codes[step["name"]] = None
                    break
                codes[step["name"]] = done.returncode
                read = done.stdout if step["name"] == "read" else read
                if done.returncode != 0:
                    break
        return codes, read

    def test_works_and_can_be_repeated(self):
        with Broker() as broker:
            for _ in range(2):
                codes, read = self.run_steps(broker, self.records)
                self.assertEqual(codes, dict.fromkeys(["clean", "create", "write", "read", "delete"], 0))
                values = sorted(line.split("\t")[-1] for line in read.splitlines())
                self.assertEqual(values, sorted(self.records.split()))

    def test_fails_where_a_record_is_missing(self):
        with Broker() as broker:
            codes, _ = self.run_steps(broker, "one\ntwo\n", reading_s=3)
            self.assertEqual(codes["write"], 0)
            # It waits for the third, until the pod's deadline.
            self.assertIsNone(codes["read"])
            self.assertNotIn("delete", codes)
            # The next one clears away what this one left.
            codes, _ = self.run_steps(broker, self.records)
            self.assertEqual(set(codes.values()), {0})
        self.assertLess(self.pod["spec"]["activeDeadlineSeconds"], 300)

    def test_fails_where_nobody_serves(self):
        with Broker() as broker:
            address = broker.address
        step = self.pod["spec"]["initContainers"][0]
        done = subprocess.run(
            [program("ESKER_TEST_PROGRAM"), *step["args"], "--timeout-seconds", "2"],
            env={step["env"][0]["name"]: address},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 1)

    def test_asks_the_bootstrap_service(self):
        service = render().one("Service", "esker")
        port = service["spec"]["ports"][0]["port"]
        for step in self.pod["spec"]["initContainers"] + self.pod["spec"]["containers"]:
            self.assertEqual(step["env"][0]["value"], f"esker.streaming.svc.cluster.local:{port}")
        self.assertEqual(self.pod["metadata"]["annotations"]["helm.sh/hook"], "test")

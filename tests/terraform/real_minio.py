"""examples/minio-local applied to a MinIO, and an agent that may do there what the policy says and nothing more.

MinIO reads policies as AWS does: that an agent works under the document says that nothing is missing from it, and that `esker check`
fails without each of its actions, that nothing is too much. The modules for AWS hand out the same document.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
import unittest
import urllib.request

import boto3
import botocore.exceptions

import chart
from servers import free_port, minio, server
from workbench import WITHOUT, Workbench

USER, PASSWORD = "administrator", "not-a-secret"
ESKER = os.environ.get("ESKER_BIN")
KCAT = os.environ.get("ESKER_TEST_KCAT")
MISSING = WITHOUT or next((f"no {what}" for what, there in [("MinIO", os.environ.get("ESKER_TEST_MINIO")), ("kcat", KCAT), ("esker: ESKER_BIN names it", ESKER)] if not there), None)


@unittest.skipIf(MISSING, MISSING)
class MinioLocal(unittest.TestCase):
    folder = "examples/minio-local"

    @classmethod
    def setUpClass(cls):
        cls.bench = Workbench()
        cls.addClassCleanup(cls.bench.remove)
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.address = stack.enter_context(minio(cls.bench.directory, USER, PASSWORD))
        cls.keys = {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": PASSWORD}
        cls.bench.init(cls.folder)
        written = cls.terraform("apply", "-auto-approve")
        print(re.search(r"Apply complete! .*", written).group())
        cls.outputs = cls.bench.output(cls.folder, cls.keys)

    @classmethod
    def terraform(cls, *arguments, codes=(0,)):
        return cls.bench.run(cls.folder, *arguments, "-no-color", f"-var=endpoint={cls.address}", environment=cls.keys, codes=codes)

    def credentials(self, policy):
        """Keys that may do what the policy says, as environment."""
        sts = boto3.client("sts", endpoint_url=self.address, region_name="us-east-1", aws_access_key_id=USER, aws_secret_access_key=PASSWORD)
        given = sts.assume_role(RoleArn="arn:aws:iam::0:role/agents", RoleSessionName="agents", Policy=json.dumps(policy))["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
            **self.outputs["environment"],
        }

    def policy(self):
        return json.loads(self.outputs["agent_policy_json"])

    def esker(self, environment, *arguments):
        kept = {name: value for name, value in os.environ.items() if not re.match("AWS_|ESKER_", name)}
        return subprocess.run([ESKER, *arguments], env={**kept, **environment}, capture_output=True, text=True, timeout=120)

    def metastore(self, name):
        directory = os.path.join(self.bench.directory, name)
        os.makedirs(directory)
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        url = f"sqlite:{directory}/metastore.db"
        migrated = self.esker({}, "migrate", "--metastore-url", url)
        self.assertEqual(migrated.returncode, 0, migrated.stderr)
        return url

    def check(self, policy, name, **changed):
        settings = ["--metastore-url", self.metastore(name), "--kafka-addr", f"127.0.0.1:{free_port()}", "--admin-addr", "none"]
        return self.esker({**self.credentials(policy), **changed}, "check", *settings)

    def test_second_plan_finds_nothing_to_change(self):
        written = self.terraform("plan", "-detailed-exitcode", codes=(0, 2))
        self.assertIn("No changes. Your infrastructure matches the configuration.", written)

    def test_state_holds_no_key(self):
        with open(self.bench.path(self.folder, "terraform.tfstate")) as file:
            state = file.read()
        self.assertIn('"aws_s3_bucket"', state)
        self.assertNotIn(PASSWORD, state)

    def test_the_chart_takes_the_values(self):
        objects = chart.render(self.bench.directory, self.outputs["values_yaml"], "metastore.urlSecret.name=esker-metastore")
        if objects is None:
            return
        environment = chart.agent(objects)
        self.assertEqual(environment["ESKER_BUCKET_URL"]["value"], "s3://esker/esker")
        self.assertEqual(environment["AWS_ENDPOINT_URL"]["value"], self.address)
        self.assertEqual(environment["AWS_ACCESS_KEY_ID"]["valueFrom"]["secretKeyRef"]["name"], "esker-bucket")

    def test_the_policy_is_enough_for_check(self):
        checked = self.check(self.policy(), "enough")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        for step in ("readable", "writable", "conditional_put", "read_back", "deletable"):
            self.assertRegex(checked.stdout, rf"(?m)^ok +bucket\.{step}")

    def test_every_action_is_needed(self):
        steps = {"s3:ListBucket": "readable", "s3:PutObject": "writable", "s3:GetObject": "read_back|conditional_put", "s3:DeleteObject": "deletable"}
        actions = [action for statement in self.policy()["Statement"] for action in statement["Action"]]
        self.assertEqual(sorted(actions), sorted(steps))
        for action, step in steps.items():
            with self.subTest(without=action):
                policy = self.policy()
                for statement in policy["Statement"]:
                    statement["Action"] = [kept for kept in statement["Action"] if kept != action]
                policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
                checked = self.check(policy, "without-" + action[3:])
                self.assertEqual(checked.returncode, 1, checked.stdout)
                self.assertRegex(checked.stdout, rf"(?m)^FAIL +bucket\.({step}) ")
                print(f"without {action}:", re.search(r"(?m)^FAIL.*$", checked.stdout).group())

    def test_nothing_outside_the_prefix(self):
        checked = self.check(self.policy(), "outside", ESKER_BUCKET_URL="s3://esker/another")
        self.assertEqual(checked.returncode, 1)
        self.assertRegex(checked.stdout, r"(?m)^FAIL +bucket\.readable .*AccessDenied")
        keys = self.credentials(self.policy())
        s3 = boto3.client(
            "s3", endpoint_url=self.address, region_name="us-east-1",
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"], aws_session_token=keys["AWS_SESSION_TOKEN"],
        )
        refused = [
            lambda: s3.list_objects_v2(Bucket="esker"),
            lambda: s3.list_objects_v2(Bucket="esker", Prefix="another/"),
            lambda: s3.get_object(Bucket="esker", Key="another/object"),
            lambda: s3.put_object(Bucket="esker", Key="another/object", Body=b""),
            lambda: s3.delete_object(Bucket="esker", Key="another/object"),
            lambda: s3.get_bucket_policy(Bucket="esker"),
            lambda: s3.delete_bucket(Bucket="esker"),
        ]
        for number, request in enumerate(refused):
            with self.subTest(number=number), self.assertRaises(botocore.exceptions.ClientError) as caught:
                request()
            self.assertEqual(caught.exception.response["Error"]["Code"], "AccessDenied")
        # What is not there is not there, rather than forbidden: agents tell them apart.
        with self.assertRaises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket="esker", Key="esker/not-there")

    def test_an_agent_works_under_the_policy(self):
        environment = self.credentials(self.policy())
        metastore, port, admin = self.metastore("agent"), free_port(), free_port()
        command = [ESKER, "agent", "--metastore-url", metastore, "--kafka-addr", f"127.0.0.1:{port}", "--admin-addr", f"127.0.0.1:{admin}"]
        command += ["--auto-create-topics", "true", "--archive-interval-ms", "1000", "--archive-grace-ms", "1000", "--sweep-interval-ms", "60000"]
        log = os.path.join(self.bench.directory, "agent.log")
        with server(command, f"http://127.0.0.1:{admin}/readyz", log, environment):
            address = f"127.0.0.1:{port}"
            lines = "".join(f"{number}\n" for number in range(500))
            self.kcat("-b", address, "-t", "numbers", "-P", text=lines)
            self.assertEqual(self.kcat("-b", address, "-t", "numbers", "-C", "-o", "beginning", "-e", "-q"), lines)
            metrics = self.archived_and_removed(f"http://127.0.0.1:{admin}/metrics")
            self.assertEqual(self.kcat("-b", address, "-t", "numbers", "-C", "-o", "beginning", "-e", "-q"), lines)
        self.assertNotIn('outcome="denied"', metrics)
        print("an agent under the policy wrote, read, archived and removed; nothing was denied")

    def kcat(self, *arguments, text=None):
        ended = subprocess.run([KCAT, *arguments], input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout

    def archived_and_removed(self, address):
        """Waits until background work has listed, rewritten and removed; the metrics then."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            metrics = urllib.request.urlopen(address, timeout=10).read().decode()
            if re.search(r'(?m)^esker_store_requests_total\{[^}]*op="delete"[^}]*\} [1-9]', metrics):
                return metrics
            time.sleep(0.5)
        self.fail(f"nothing was removed in a minute:\n{metrics}")

    @classmethod
    def tearDownClass(cls):
        s3 = boto3.resource("s3", endpoint_url=cls.address, region_name="us-east-1", aws_access_key_id=USER, aws_secret_access_key=PASSWORD)
        # Agents of these tests left records.
        s3.Bucket("esker").objects.delete()
        written = cls.terraform("destroy", "-auto-approve")
        print(re.search(r"Destroy complete! .*", written).group())
        assert list(s3.buckets.all()) == []


if __name__ == "__main__":
    unittest.main()

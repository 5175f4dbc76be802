"""Whatever the chart makes of its cases is what Helm calls clean and what Kubernetes' own schemas allow."""

import subprocess
import tempfile
import unittest

import yaml

from chart import CHART, KUBERNETES, helm, program, render_text
from snapshots import CASES


def conforms(text):
    """Findings of kubeconform, empty if there are none."""
    schemas = program("ESKER_TEST_KUBERNETES_SCHEMAS")
    done = subprocess.run(
        [
            program("ESKER_TEST_KUBECONFORM"),
            "-strict",
            "-schema-location",
            schemas + "/{{.ResourceKind}}{{.KindSuffix}}.json",
            "-",
        ],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout + done.stderr).strip() or ("" if done.returncode == 0 else "failed without a word")


class Valid(unittest.TestCase):
    def test_helm_finds_nothing_to_say(self):
        for case in CASES:
            with self.subTest(case=case.name):
                done = helm("lint", "--strict", "--quiet", "--kube-version", KUBERNETES, str(CHART), "--values", str(case))
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_objects_meet_the_schemas_of_kubernetes(self):
        with tempfile.TemporaryFile("w+") as everything:
            for case in CASES:
                everything.write(f"---\n{render_text(files=[case], operator=True)}\n")
            everything.seek(0)
            self.assertEqual(conforms(everything.read()), "")

    def test_the_schemas_refuse_what_is_wrong(self):
        objects = list(yaml.safe_load_all(render_text(files=CASES[:1], operator=True)))
        stateful_set = next(o for o in objects if o and o["kind"] == "StatefulSet")
        stateful_set["spec"]["podManagmentPolicy"] = "Parallel"
        monitor = next(o for o in objects if o and o["kind"] == "ServiceMonitor")
        monitor["spec"]["endpoints"][0]["intervall"] = "15s"
        found = conforms(yaml.safe_dump_all([stateful_set, monitor]))
        self.assertIn("podManagmentPolicy", found)
        self.assertIn("intervall", found)

"""The values that docs/start/kubernetes.md shows are values of the chart."""

import os
import re
import subprocess
import tempfile
import unittest

from markdown import ROOT, Document
from parts import need

PAGE = "docs/start/kubernetes.md"


def render(values):
    """What Helm says of the chart with these values, as a finished process."""
    helm = need(os.environ.get("ESKER_TEST_HELM"), f"values of {PAGE}", "there is no Helm")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(values.replace("sha256:…", "sha256:" + "0" * 64))
        file.flush()
        argv = [helm, "template", "esker", os.path.join(ROOT, "helm", "esker"), "--values", file.name, "--kube-version", "1.34.0"]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                              timeout=60, check=False)


class Kubernetes(unittest.TestCase):
    def setUp(self):
        self.values = [fence.body for fence in Document(PAGE).fences if fence.language == "yaml"]

    def test_the_chart_takes_the_values(self):
        self.assertEqual(1, len(self.values))
        done = render(self.values[0])
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(3, len(re.findall(r"(?m)^kind: StatefulSet$", done.stdout)))

    def test_a_value_that_does_not_exist_is_told(self):
        done = render(self.values[0] + "replica: 3\n")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("replica", done.stderr)


if __name__ == "__main__":
    unittest.main()

"""Whatever the chart makes of its cases is what Helm calls clean and what Kubernetes' own schemas allow."""

import subprocess
import unittest

import yaml

import schemas
from chart import CHART, KUBERNETES, helm, program, render_text
from snapshots import CASES


def conforms(text, kubernetes=KUBERNETES):
    """Findings of kubeconform, empty if there are none."""
    folder_of_all = program("ESKER_TEST_KUBERNETES_SCHEMAS")
    locations = [f"-schema-location={folder_of_all}/{folder}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json" for folder in (kubernetes, "operator")]
    done = subprocess.run(
        [
            program("ESKER_TEST_KUBECONFORM"),
            "-strict",
            *locations,
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
        everything = "\n---\n".join(render_text(files=[case], operator=True) for case in CASES)
        for kubernetes in schemas.KUBERNETES:
            self.assertEqual(conforms(everything, kubernetes), "", kubernetes)

    def test_the_oldest_of_them_is_the_oldest_that_the_chart_takes(self):
        said = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
        self.assertEqual(said, f">={schemas.KUBERNETES[0]}-0")
        self.assertEqual(schemas.KUBERNETES[-1], KUBERNETES)

    def test_a_chart_above_may_hand_down_values_for_all(self):
        render_text(files=CASES[:1], values={"global": {"anything": 1}})

    def test_the_schemas_refuse_what_is_wrong(self):
        objects = list(yaml.safe_load_all(render_text(files=CASES[:1], operator=True)))
        stateful_set = next(o for o in objects if o and o["kind"] == "StatefulSet")
        stateful_set["spec"]["podManagmentPolicy"] = "Parallel"
        monitor = next(o for o in objects if o and o["kind"] == "ServiceMonitor")
        monitor["spec"]["endpoints"][0]["intervall"] = "15s"
        found = conforms(yaml.safe_dump_all([stateful_set, monitor]))
        self.assertIn("podManagmentPolicy", found)
        self.assertIn("intervall", found)

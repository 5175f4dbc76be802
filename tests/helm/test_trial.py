"""The chart for trials, rendered. That it works is shown on a cluster (tests/k8s)."""
import base64
import pathlib
import shutil
import tempfile
import unittest

import yaml

from chart import KUBERNETES, ROOT, helm, merged, render_text
from test_valid import conforms

TRIAL = ROOT / "helm" / "trial"


def rendered(*settings):
    arguments = [word for setting in settings for word in ("--set", setting)]
    done = helm("template", "trial", str(TRIAL), "--namespace", "streaming", "--kube-version", KUBERNETES, *arguments)
    return done.returncode, done.stdout, done.stderr


def objects(*settings):
    code, text, error = rendered(*settings)
    assert code == 0, error
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(text) if item}


class Trial(unittest.TestCase):
    def test_it_is_accepted_by_helm_and_by_kubernetes_schemas(self):
        done = helm("lint", "--strict", str(TRIAL))
        self.assertEqual(done.returncode, 0, done.stdout)
        for settings in ((), ("storage.size=10Gi", "storage.className=fast", "imagePullSecrets={registry}")):
            code, text, error = rendered(*settings)
            self.assertEqual(code, 0, error)
            self.assertEqual(conforms(text), "")

    def test_passwords_are_drawn_and_agree(self):
        data = objects()[("Secret", "trial")]["data"]
        plain = {key: base64.b64decode(value).decode() for key, value in data.items()}
        self.assertEqual(plain["metastore-url"], f"postgres://esker:{plain['postgres-password']}@trial-postgres.streaming.svc:5432/esker")
        self.assertEqual(len({plain["postgres-password"], plain["AWS_ACCESS_KEY_ID"], plain["AWS_SECRET_ACCESS_KEY"]}), 3)
        self.assertNotEqual(objects()[("Secret", "trial")]["data"], data)

    def test_no_password_stands_outside_the_secret(self):
        _, text, _ = rendered()
        items = [item for item in yaml.safe_load_all(text) if item]
        secret = next(item for item in items if item["kind"] == "Secret")
        others = yaml.safe_dump([item for item in items if item is not secret])
        for value in secret["data"].values():
            self.assertNotIn(base64.b64decode(value).decode(), others)
            self.assertNotIn(value, others)

    def test_claims_belong_to_the_release(self):
        self.assertFalse([name for kind, name in objects() if kind == "PersistentVolumeClaim"])
        with_claims = objects("storage.size=10Gi")
        for part in ("trial-postgres", "trial-minio"):
            self.assertIn(("PersistentVolumeClaim", part), with_claims)
            spec = with_claims[("StatefulSet", part)]["spec"]
            self.assertNotIn("volumeClaimTemplates", spec)
            self.assertIn({"name": "data", "persistentVolumeClaim": {"claimName": part}}, spec["template"]["spec"]["volumes"])

    def test_services_lead_to_their_pods(self):
        all_of_it = objects()
        for part in ("trial-postgres", "trial-minio"):
            selector = all_of_it[("Service", part)]["spec"]["selector"]
            matching = [name for (kind, name), item in all_of_it.items() if kind == "StatefulSet" and selector.items() <= item["spec"]["template"]["metadata"]["labels"].items()]
            self.assertEqual(matching, [part])

    def test_wrong_values_are_refused(self):
        for setting, word in (("storage.sise=1Gi", "sise"), ("storage.size=lots", "size"), ("bucket=Esker", "bucket"), ("postgres.uid=0", "uid")):
            code, _, error = rendered(setting)
            self.assertNotEqual(code, 0, setting)
            self.assertIn(word, error)

    def test_its_notes_are_values_that_the_chart_of_esker_takes(self):
        # Helm renders notes only with a cluster: the same text as an object of a copy of the chart.
        with tempfile.TemporaryDirectory() as directory:
            copy = pathlib.Path(directory, "trial")
            shutil.copytree(TRIAL, copy)
            (copy / "templates" / "values.yaml").write_text('{{ include "trial.values" . }}')
            done = helm("template", "trial", str(copy), "--namespace", "streaming", "--kube-version", KUBERNETES, "--show-only", "templates/values.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('{{ include "trial.values" . }}', (TRIAL / "templates" / "NOTES.txt").read_text())
        text = render_text(values=merged({"image": {"repository": "esker"}}, yaml.safe_load(done.stdout)))
        self.assertIn("http://trial-minio.streaming.svc:9000", text)

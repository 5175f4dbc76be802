"""The chart, given values that Terraform wrote."""

import os
import subprocess

import yaml

from workbench import ROOT

CHART = os.path.join(ROOT, "helm", "esker")
HELM = os.environ.get("ESKER_TEST_HELM")
# Helm alone takes an old one that the chart refuses.
KUBERNETES = "1.34.0"


def render(directory, values, *settings):
    """The objects that the chart makes of a values file and further settings; None, and a line that says so, without Helm."""
    if not HELM:
        print("NOTE chart: no Helm here, so that the values were not given to it")
        return None
    name = os.path.join(directory, "values.yaml")
    with open(name, "w") as file:
        file.write(values)
    further = [argument for setting in ("image.repository=registry.example/esker", *settings) for argument in ("--set", setting)]
    command = [HELM, "template", "esker", CHART, "--namespace", "esker", "--kube-version", KUBERNETES, "--values", name, *further]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise AssertionError(ended.stderr)
    return [document for document in yaml.safe_load_all(ended.stdout) if document]


def agent(objects):
    """The environment of an agent's container, by name."""
    pods = [document["spec"]["template"]["spec"] for document in objects if document["kind"] == "StatefulSet"]
    return {variable["name"]: variable for variable in pods[0]["containers"][0]["env"]}

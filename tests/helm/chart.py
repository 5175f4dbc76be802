"""The chart, rendered: what all tests of helm/esker share.

Programs are found by the variables that scripts/setup writes (ESKER_TEST_HELM, …) and nowhere else. Nothing
here talks to a cluster: Helm is told which Kubernetes it renders for.
"""

import functools
import os
import pathlib
import re
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "esker"
HERE = pathlib.Path(__file__).resolve().parent

# The Kubernetes that is rendered for, and whose schemas the result must meet.
KUBERNETES = "1.34.0"
RELEASE, NAMESPACE = "esker", "streaming"

# Names by which a cluster says that it knows Prometheus' operator.
OPERATOR = ["monitoring.coreos.com/v1/ServiceMonitor", "monitoring.coreos.com/v1/PrometheusRule"]

# The least that a release must say.
LEAST = {
    "image": {"repository": "registry.example.com/esker"},
    "metastore": {"urlSecret": {"name": "esker-database"}},
    "bucket": {"url": "s3://example-esker/prod", "region": "eu-central-1"},
}


class Refused(Exception):
    """Helm does not render these values; the text is what it says."""


def program(variable):
    """The path in a variable of scripts/setup; a missing part is told by setup, and the suite is not run then."""
    path = os.environ.get(variable)
    if not path:
        raise RuntimeError(f"{variable} is not set: run this by scripts/test, or with scripts/with-env")
    return path


def helm(*arguments):
    # A home of its own: repositories and plug-ins of whoever runs this do not count.
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": home}
        return subprocess.run(
            [program("ESKER_TEST_HELM"), *arguments], env=environment, capture_output=True, text=True, check=False
        )


def render_text(files=(), values=None, operator=False, release=RELEASE, chart=CHART):
    """What `helm template` prints for value files, then a dictionary of values laid over them."""
    arguments = ["template", release, str(chart), "--namespace", NAMESPACE, "--kube-version", KUBERNETES]
    for file in files:
        arguments += ["--values", str(file)]
    for version in OPERATOR if operator else []:
        arguments += ["--api-versions", version]
    return template(tuple(arguments), yaml.safe_dump(values or {}))


# Many tests look at the same release; the chart in this repository does not change while they run.
@functools.cache
def template(arguments, values):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as over:
        over.write(values)
        over.flush()
        done = helm(*arguments, "--values", over.name)
    if done.returncode != 0:
        raise Refused(done.stderr.strip())
    return done.stdout


def render(values=None, **options):
    """The objects of a release with the least values and these over them."""
    return Objects(yaml.safe_load_all(render_text(values=merged(LEAST, values or {}), **options)))


def merged(under, over):
    """Maps merged key by key, everything else replaced, as Helm does it."""
    result = dict(under)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


class Objects(list):
    """Kubernetes objects."""

    def __init__(self, documents):
        super().__init__(document for document in documents if document)

    def kind(self, kind):
        return [o for o in self if o["kind"] == kind]

    def one(self, kind, name):
        found = [o for o in self.kind(kind) if o["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} {kind} {name} among {[o['metadata']['name'] for o in self.kind(kind)]}"
        return found[0]

    def names(self, kind):
        return [o["metadata"]["name"] for o in self.kind(kind)]

    def pods(self):
        """Each pod that the release can make: name of the object, metadata and spec."""
        for o in self:
            if o["kind"] == "Pod":
                yield o["metadata"]["name"], o["metadata"], o["spec"]
            elif "template" in o.get("spec", {}):
                template = o["spec"]["template"]
                yield o["metadata"]["name"], template["metadata"], template["spec"]


def environment(stateful_set):
    """The variables of an agent in their order: (name, value or None, source or None)."""
    return [
        (v["name"], v.get("value"), v.get("valueFrom"))
        for v in stateful_set["spec"]["template"]["spec"]["containers"][0]["env"]
    ]


def expanded(stateful_set, ordinal, node="node-1", address="10.0.0.7"):
    """The environment as Kubernetes makes it for one pod: fieldRefs read, `$(NAME)` filled in from what stands
    before; a reference to what stands later, or nowhere, stays as it is. Secrets are None."""
    name = f"{stateful_set['metadata']['name']}-{ordinal}"
    labels = dict(stateful_set["spec"]["template"]["metadata"]["labels"])
    labels["apps.kubernetes.io/pod-index"] = str(ordinal)
    fields = {"metadata.name": name, "spec.nodeName": node, "status.hostIP": address}
    fields |= {f"metadata.labels['{key}']": value for key, value in labels.items()}
    known = {}
    for variable, value, source in environment(stateful_set):
        if source is None:
            known[variable] = re.sub(r"\$\((\w+)\)", lambda m: known.get(m[1]) or m[0], value)
        elif "fieldRef" in source:
            known[variable] = fields[source["fieldRef"]["fieldPath"]]
        else:
            known[variable] = None
    return known


def selects(selector, labels):
    """Whether a map of labels, or a selector with matchLabels, fits labels."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", selector).items())

"""What an upgrade reads from the cluster: a few answers of Kubernetes' API, so that `lookup` finds something."""

import contextlib
import http.server
import json
import tempfile
import threading
import unittest

import yaml

from chart import CHART, KUBERNETES, LEAST, NAMESPACE, Objects, helm, merged

LISTS = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "apps",
                "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
            }
        ],
    },
    "/apis/apps/v1": {
        "kind": "APIResourceList",
        "groupVersion": "apps/v1",
        "resources": [{"name": "statefulsets", "kind": "StatefulSet", "namespaced": True, "verbs": ["get"]}],
    },
}
MISSING = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


@contextlib.contextmanager
def cluster(replicas):
    """A kubeconfig for a cluster whose StatefulSets have so many replicas, by name."""
    found = dict(LISTS)
    for name, count in replicas.items():
        found[f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{name}"] = {
            "kind": "StatefulSet",
            "apiVersion": "apps/v1",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"replicas": count},
        }

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer = found.get(self.path.split("?")[0], MISSING)
            self.send_response(answer.get("code", 200))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "x", "user": {}}],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        try:
            yield file.name
        finally:
            server.shutdown()
            server.server_close()


def upgraded(replicas, values):
    """The objects of an upgrade on that cluster."""
    with cluster(replicas) as kubeconfig, tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(merged(LEAST, values), file)
        file.flush()
        options = ["--namespace", NAMESPACE, "--values", file.name, "--kubeconfig", kubeconfig]
        done = helm("template", "esker", str(CHART), "--is-upgrade", "--dry-run=server", "--kube-version", KUBERNETES, *options)
    assert done.returncode == 0, done.stderr
    return Objects(yaml.safe_load_all(done.stdout))


class UnderTheAutoscaler(unittest.TestCase):
    SCALED = {"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 9}}

    def replicas(self, there, values):
        return upgraded(there, values).one("StatefulSet", "esker")["spec"].get("replicas")

    def test_an_upgrade_leaves_as_many_agents_as_there_are(self):
        self.assertEqual(self.replicas({"esker": 7}, self.SCALED), 7)

    def test_turning_it_on_takes_none_away(self):
        # Without a number Kubernetes would take one agent for meant, until the autoscaler looks.
        self.assertEqual(self.replicas({"esker": 3}, self.SCALED), 3)

    def test_a_first_install_says_nothing(self):
        self.assertIsNone(self.replicas({}, self.SCALED))

    def test_each_set_keeps_its_own(self):
        objects = upgraded({"esker-a": 4, "esker-b": 6}, self.SCALED | {"zones": ["a", "b"]})
        found = [s["spec"]["replicas"] for s in objects.kind("StatefulSet")]
        self.assertEqual(found, [4, 6])

    def test_without_it_the_values_decide(self):
        self.assertEqual(self.replicas({"esker": 7}, {"replicas": 4}), 4)

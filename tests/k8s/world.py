"""What the steps share: the namespace, the releases, the images, and how an agent is found."""
import json
import os
import pathlib
import tempfile

import yaml

import cluster
import images

AGENTS = "app.kubernetes.io/name=esker,app.kubernetes.io/instance=esker,app.kubernetes.io/component=agent"
RELEASE, TRIAL = "esker", "trial"
CHART = pathlib.Path(os.environ.get("ESKER_K8S_CHART") or images.ROOT / "helm/esker")
TRIAL_CHART = images.ROOT / "helm/trial"


class World:
    def __init__(self, report):
        self.report = report
        self.images = images.Images(lambda text: report.say(f"   {text}"))
        self.space = cluster.Namespace(os.environ.get("ESKER_K8S_NAMESPACE", "esker-test"))
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="esker-k8s."))
        self.previous_chart = self._previous_chart()
        self.stores = self.work / "trial-values.yaml"

    def _previous_chart(self):
        into = self.work / "previous"
        into.mkdir()
        images.export(images.previous_chart(), "helm/esker", into)
        return into / "helm/esker"

    # --- values ---------------------------------------------------------------------------------

    def image_values(self, image):
        repository, _, tag = image.rpartition(":")
        return {"image": {"repository": repository, "tag": tag}}

    def values(self, *, image=None, **more):
        """A file of values: small pods for a small node, and what the step wants besides."""
        values = {
            **self.image_values(image or self.images.current),
            "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "768Mi"}},
            **more,
        }
        file = self.work / f"values-{len(list(self.work.iterdir()))}.yaml"
        file.write_text(yaml.safe_dump(values))
        self.report.detail(f"values: {json.dumps(values)}")
        return file

    def install(self, release=RELEASE, *, chart=CHART, wait=True, seconds=300, **values):
        """`helm upgrade --install`: exit code and output."""
        command = ["upgrade", "--install", release, chart, "-f", self.stores, "-f", self.values(**values), "--timeout", f"{seconds}s"]
        return self.space.try_helm(*command, *(["--wait"] if wait else []), seconds=seconds + 60)

    # --- pods -----------------------------------------------------------------------------------

    def agents(self):
        return self.space.pods(AGENTS)

    def ready_agents(self):
        return [pod for pod in self.agents() if cluster.is_ready(pod)]

    def wait_agents(self, count, seconds=120):
        """True once there are so many agents, and all are ready."""
        return cluster.wait_until(lambda: len(self.agents()) == count == len(self.ready_agents()), seconds=seconds)

    def parts_pod(self, name, command, *, config=None):
        """A pod of the image with Python, as nobody, that ends when its command does."""
        volumes, mounts = [{"name": "tmp", "emptyDir": {}}], [{"name": "tmp", "mountPath": "/tmp"}]
        if config:
            volumes.append({"name": "config", "configMap": {"name": config}})
            mounts.append({"name": "config", "mountPath": f"/{config}"})
        return {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, "volumes": volumes,
                "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "runAsGroup": 65534},
                "containers": [{
                    "name": name, "image": self.images.parts, "imagePullPolicy": "IfNotPresent", "command": command, "volumeMounts": mounts,
                    "env": [{"name": "PYTHONPATH", "value": "/opt/client"}],
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
                }],
            },
        }

    def start_shell(self, space, name):
        """A pod to send requests from."""
        space.apply(self.parts_pod(name, ["sleep", "3600"]))
        space.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s", seconds=90)

    def fetch(self, space, pod, url):
        """Status and body of a GET from a pod, or why there was none."""
        program = ("import sys, urllib.request, urllib.error\n"
                   "try:\n    r = urllib.request.urlopen(sys.argv[1], timeout=4)\n    print(r.status, r.read().decode())\n"
                   "except urllib.error.HTTPError as e:\n    print(e.code, e.read().decode())\n"
                   "except Exception as e:\n    print(0, e)\n")
        output = space.exec(pod, "python3", "-c", program, url)[1].strip()
        status, _, body = output.partition(" ")
        return (int(status), body.strip()) if status.isdigit() else (0, output)

    def connects(self, space, pod, host, port):
        """Whether a TCP connection from a pod is accepted."""
        program = "import socket, sys\nsocket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=4)\nprint('connected')"
        return "connected" in space.exec(pod, "python3", "-c", program, host, str(port))[1].splitlines()

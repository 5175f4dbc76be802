"""More agents and fewer: by hand, by load, by force, and by somebody who drains a node."""
import json

import cluster
from clients import Clients


def by_hand(world):
    report, space = world.report, world.space
    with Clients(world, "by-hand") as clients:
        for count in (1, 3):
            space.kubectl("scale", "statefulset/esker", f"--replicas={count}")
            report.ok(world.wait_agents(count, seconds=180), f"scaled to {count}", ", ".join(pod["metadata"]["name"] for pod in world.agents()))
    clients.judge("while 3 agents became 1 and 3 again")


def by_load(world):
    """The HorizontalPodAutoscaler adds agents under load and takes them away later."""
    report, space = world.report, world.space
    code, _ = cluster.run(["kubectl", "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"])
    if code != 0:
        report.note("scaling by load was not tried: this cluster has no metrics API (metrics-server)")
        return
    # Thirty percent of 100 millicores: a load that clients in one small pod can make.
    few = {"autoscaling": {"enabled": True, "minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 30,
                           "scaleDownAfterSeconds": 20, "scaleDownPeriodSeconds": 15, "scaleUpPeriodSeconds": 15}}
    code, output = world.install(wait=False, **few)
    report.ok(code == 0, "helm upgrade with an autoscaler", output if code else "STATUS: deployed")
    report.ok(replicas(space) == 3, "which does not begin with another number of agents", replicas(space))
    report.ok(world.wait_agents(1, seconds=240), "without load it leaves one agent of three", scaler(space))
    with Clients(world, "by-load", rate=8000, size=1000) as clients:
        grown = cluster.wait_until(lambda: len(world.ready_agents()) > 1, seconds=180)
        report.ok(grown, "under load it adds agents", scaler(space))
        grown = cluster.wait_until(lambda: len(world.ready_agents()) == 3, seconds=180)
        report.ok(grown, "up to three", scaler(space))
        code, output = world.install(wait=False, **few)
        report.ok(code == 0 and replicas(space) == 3, "an upgrade of the release leaves the number to the autoscaler", output if code else replicas(space))
    clients.judge("while agents were added")
    with Clients(world, "by-load-down", rate=5) as clients:
        report.ok(world.wait_agents(1, seconds=420), "without load it takes them away again", scaler(space))
    clients.judge("while agents were taken away")
    code, output = world.install()
    report.ok(code == 0 and world.wait_agents(3), "without the autoscaler there are three again", output if code else "STATUS: deployed")


def replicas(space):
    return space.get("statefulset", "esker")["spec"]["replicas"]


def scaler(space):
    found = space.get("hpa")["items"]
    if not found:
        return "no autoscaler"
    status = found[0]["status"]
    used = [metric.get("resource", {}).get("current", {}).get("averageUtilization") for metric in status.get("currentMetrics") or []]
    return f"desired {status.get('desiredReplicas')}, current {status.get('currentReplicas')}, CPU {used} %"


def killed(world):
    """Deleted in peace, and by SIGKILL."""
    report, space = world.report, world.space
    with Clients(world, "deleted") as clients:
        for name in [pod["metadata"]["name"] for pod in world.agents()]:
            old = space.pod(name)["metadata"]["uid"]
            space.kubectl("delete", "pod", name, "--wait=false")
            back = cluster.wait_until(lambda name=name, old=old: replaced(world, name, old), seconds=120)
            report.ok(back, f"{name} was deleted, and is back")
    clients.judge("while each agent was deleted")
    with Clients(world, "killed") as clients:
        for name in [pod["metadata"]["name"] for pod in world.agents()][:2]:
            old = space.pod(name)["metadata"]["uid"]
            space.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
            back = cluster.wait_until(lambda name=name, old=old: replaced(world, name, old), seconds=120)
            report.ok(back, f"{name} was killed, and is back")
    clients.judge("while two agents were killed one after the other")


def replaced(world, name, old):
    return any(pod["metadata"]["name"] == name and pod["metadata"]["uid"] != old for pod in world.ready_agents()) and len(world.ready_agents()) == 3


def evicted(world):
    """The disruption budget lets one go, and the next only when the first one is back."""
    report, space = world.report, world.space
    first, second, _ = [pod["metadata"]["name"] for pod in world.agents()]
    with Clients(world, "evicted") as clients:
        old = space.pod(first)["metadata"]["uid"]
        code, output = evict(space, first)
        report.ok(code == 0, f"{first} is evicted", output.splitlines()[-1][:120] if code else "granted")
        code, output = evict(space, second)
        report.ok(code != 0 and "disruption budget" in output, f"the budget refuses {second} at the same time", output)
        report.ok(cluster.wait_until(lambda: replaced(world, first, old), seconds=120), f"{first} is back")
        old = space.pod(second)["metadata"]["uid"]
        granted = cluster.wait_until(lambda: evict(space, second)[0] == 0, seconds=60, every=2)
        report.ok(granted, f"then {second} may go")
        report.ok(cluster.wait_until(lambda: replaced(world, second, old), seconds=120), f"{second} is back")
    clients.judge("during the evictions")


def evict(space, pod):
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": space.name}}
    return space.try_kubectl("create", "--raw", f"/api/v1/namespaces/{space.name}/pods/{pod}/eviction", "-f", "-", stdin=json.dumps(eviction))



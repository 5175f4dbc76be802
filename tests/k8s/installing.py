"""Install, upgrade from an earlier version, a migration that fails, uninstall."""
import base64
import json

import yaml

import cluster
import images
from clients import Clients
from world import RELEASE, TRIAL, TRIAL_CHART


def trial(world):
    """Postgres and MinIO; their passwords survive an upgrade, and the notes are values."""
    report, space = world.report, world.space
    parts, uid = world.images.parts, world.images.postgres_uid
    command = ["upgrade", "--install", TRIAL, TRIAL_CHART, "--wait", "--timeout", "120s", "--set", "storage.size=1Gi",
               "--set", f"postgres.image={parts},postgres.uid={uid},minio.image={parts}"]
    code, output = space.try_helm(*command)
    if not report.ok(code == 0, "helm install of the trial chart, with claims", output if code else "Postgres and MinIO are ready"):
        raise cluster.Failed("nothing goes on without them")
    drawn = space.get("secret", TRIAL)["data"]
    report.ok(len(base64.b64decode(drawn["postgres-password"])) == 32, "passwords are drawn")
    pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in space.pods(f"app.kubernetes.io/instance={TRIAL}")}
    space.helm(*command)
    report.ok(space.get("secret", TRIAL)["data"] == drawn, "an upgrade keeps them")
    again = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in space.pods(f"app.kubernetes.io/instance={TRIAL}")}
    report.ok(pods == again, "and leaves the pods alone")
    notes = space.helm("get", "notes", TRIAL)
    text = notes[notes.index("metastore:"):].split("\n\n")[0]
    world.stores.write_text(text)
    report.ok(set(yaml.safe_load(text)) == {"metastore", "bucket"}, "its notes are values for Esker's chart")


def first_install(world):
    """The previous chart with the previous image."""
    report, space = world.report, world.space
    code, output = world.install(chart=world.previous_chart, image=world.images.previous)
    report.ok(code == 0, f"helm install --wait of the chart of {images.previous_chart()[:12]} with the program before this one", output if code else "STATUS: deployed")
    if code:
        show_pods(world)
        raise cluster.Failed("nothing goes on without it")
    report.ok(len(world.ready_agents()) == 3, "three agents are ready")
    code, output = space.try_helm("test", RELEASE, "--timeout", "180s", seconds=200)
    report.ok(code == 0 and "Phase:          Succeeded" in output, "helm test: a topic is made, written, read and deleted", output if code else "Succeeded")
    if code:
        show_pods(world)


def security(world):
    report, space = world.report, world.space
    agent = world.agents()[0]
    name = agent["metadata"]["name"]
    container = agent["spec"]["containers"][0]
    context = container["securityContext"]
    report.ok(context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"] and context["capabilities"]["drop"] == ["ALL"],
              "an agent's root is read-only, without capabilities", context)
    report.ok(agent["spec"]["securityContext"]["runAsNonRoot"] and agent["spec"]["securityContext"]["runAsUser"] == 65532, "it runs as uid 65532")
    code, output = space.exec(name, "/usr/bin/esker", "--version")
    report.ok(code == 0 and output.startswith("esker "), "a command of the image runs in the pod", output)
    code, output = space.exec(name, "sh", "-c", "true")
    report.ok(code != 0, "there is no shell in it", output.splitlines()[-1] if output else "")
    manifests = space.helm("get", "manifest", RELEASE)
    secrets = space.get("secret", TRIAL)["data"]
    inside = [key for key in ("postgres-password", "AWS_SECRET_ACCESS_KEY") if base64.b64decode(secrets[key]).decode() in manifests + json.dumps(world.agents())]
    report.ok(not inside, "no password stands in the release or in a pod", inside)


def upgrade(world):
    """Today's chart and image, with clients at work."""
    report = world.report
    before = uids(world)
    with Clients(world, "upgrade") as clients:
        code, output = world.install()
        report.ok(code == 0, "helm upgrade --wait to today's chart and image", output if code else "STATUS: deployed")
        rolled = cluster.wait_until(lambda: len(world.ready_agents()) == 3 and not before & uids(world), seconds=240)
        report.ok(rolled, "all agents were replaced", ", ".join(pod["spec"]["containers"][0]["image"] for pod in world.agents()))
    clients.judge("during the upgrade")
    if code:
        show_pods(world)
        raise cluster.Failed("nothing goes on without it")
    code, output = world.space.try_helm("test", RELEASE, "--timeout", "180s", seconds=200)
    report.ok(code == 0, "helm test after it", output if code else "Succeeded")


def start_time(world):
    """From the container's start to the pod's readiness, by Kubernetes' own times, which are whole seconds."""
    report = world.report
    for pod in world.agents():
        container = pod["status"]["containerStatuses"][0]
        started = seconds_of(container["state"]["running"]["startedAt"])
        ready = seconds_of(cluster.condition(pod, "Ready")["lastTransitionTime"])
        lines = world.space.logs(pod["metadata"]["name"], "--timestamps").splitlines()
        said = next((line for line in lines if '"ready"' in line or " ready " in line), "no line says ready")
        report.ok(ready - started <= 2, f"{pod['metadata']['name']} was ready 2 s after its container started, or sooner", f"{ready - started:.0f} s; {said[:150]}")


def failed_migration(world):
    """The Job of an upgrade fails: the old version serves on, and the reason stays in the Job's log."""
    report, space = world.report, world.space
    url = base64.b64decode(space.get("secret", TRIAL)["data"]["metastore-url"]).decode()
    space.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "no-database"}, "stringData": {"url": url.rsplit("/", 1)[0] + "/nowhere"}})
    before = uids(world)
    with Clients(world, "failed-migration") as clients:
        code, output = world.install(migration={"urlSecret": {"name": "no-database", "key": "url"}, "backoffLimit": 0}, settings={"log_format": "json", "num_partitions": 3}, seconds=90)
        report.ok(code != 0, "helm upgrade fails when the migration does", output.splitlines()[-1] if output else "")
        report.ok(uids(world) == before and len(world.ready_agents()) == 3, "the agents are the ones from before, and ready")
        log = space.logs("job/esker-migrate")
        report.ok("nowhere" in log, "the failed Job is there, and its log says why", log)
    clients.judge("during the failed upgrade")
    code, output = world.install()
    report.ok(code == 0, "the next upgrade, with the right database, works", output if code else "STATUS: deployed")
    space.kubectl("delete", "secret", "no-database")


def uninstall(world):
    report, space = world.report, world.space
    for release in (RELEASE, TRIAL):
        code, output = space.try_helm("uninstall", release, "--wait", "--timeout", "120s", seconds=150)
        report.ok(code == 0, f"helm uninstall {release}", output.strip().splitlines()[-1])
    cluster.wait_until(lambda: not leftovers(world), seconds=60)
    report.ok(not leftovers(world), "nothing is left in the namespace", leftovers(world))
    cluster.wait_until(lambda: not volumes_of(space), seconds=60)
    report.ok(not volumes_of(space), "and no volume", volumes_of(space))


def volumes_of(space):
    volumes = json.loads(cluster.must(["kubectl", "get", "pv", "-o", "json"]))["items"]
    return [volume["metadata"]["name"] for volume in volumes if volume["spec"].get("claimRef", {}).get("namespace") == space.name]


def leftovers(world):
    """Everything in the namespace but what Kubernetes itself puts there."""
    kinds = cluster.must(["kubectl", "api-resources", "--namespaced", "--verbs=list", "-o", "name"]).split()
    kinds = [kind for kind in kinds if not kind.startswith("events") and not kind.endswith("metrics.k8s.io")]
    found = world.space.kubectl("get", ",".join(kinds), "-o", "name", "--ignore-not-found", seconds=120).split()
    own = {"configmap/kube-root-ca.crt", "serviceaccount/default", "configmap/client"}
    return [name for name in found if name not in own and not name.startswith("pod/shell")]


# --- small things -------------------------------------------------------------------------------


def uids(world):
    return {pod["metadata"]["uid"] for pod in world.agents()}


def seconds_of(time):
    import datetime

    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def show_pods(world):
    """For the transcript of what went wrong."""
    for words in (["get", "pods,jobs,events", "-o", "wide"], ["logs", "-l", "app.kubernetes.io/name=esker", "--all-containers", "--prefix", "--tail=30"]):
        world.report.say(world.space.try_kubectl(*words)[1][-4000:])

"""Something that an agent needs is missing: its pod is not ready, and its log and /readyz say why. When it comes, the agent begins."""
import base64

import yaml

import cluster
from world import CHART, TRIAL

RELEASE = "bad"
POD = "bad-esker-0"
ADMIN = 9644


def missing_things(world):
    space = world.space
    right = yaml.safe_load(world.stores.read_text())
    secret = space.get("secret", TRIAL)["data"]
    url = base64.b64decode(secret["metastore-url"]).decode()
    world.start_shell(space, "shell")
    try:
        no_metastore_secret(world, right, url)
        no_password_secret(world, right, url)
        no_database(world, right, url)
        unreachable_database(world, right, url)
        no_bucket(world, right, url)
        no_credentials(world, right)
    finally:
        space.try_helm("uninstall", RELEASE, "--wait", "--timeout", "60s")
        space.kubectl("delete", "pod", "shell", "--now", seconds=90)


def no_metastore_secret(world, right, url):
    values = {**right, "metastore": {"urlSecret": {"name": "to-come", "key": "url"}}}
    with Agent(world, "a missing Secret with the metastore's URL", values) as agent:
        agent.is_told(["metastore_url_file"])
        # Kubernetes brings it into the pod within a minute or two.
        agent.repair(lambda: secret_with(world, url), "the Secret is there", seconds=180)


def no_password_secret(world, right, url):
    before, _, host = url.partition("@")
    user, _, password = before.rpartition(":")
    values = {**right, "metastore": {"url": f"{user}@{host}", "passwordSecret": {"name": "to-come", "key": "password"}}}
    with Agent(world, "a missing Secret with the metastore's password", values) as agent:
        agent.is_told(["password"])
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "to-come"}, "stringData": {"password": password}}
        # Kubernetes brings it into the pod within a minute or two.
        agent.repair(lambda: world.space.apply(secret), "the Secret is there", seconds=180)


def no_database(world, right, url):
    secret_with(world, url.rsplit("/", 1)[0] + "/later")
    # An empty database beside a bucket that belongs to a cluster would be refused: it gets a place of its own there.
    values = {**right, "metastore": {"urlSecret": {"name": "to-come", "key": "url"}}, "bucket": {**right["bucket"], "url": "s3://esker/later"}}
    with Agent(world, "a missing database", values) as agent:
        agent.is_told(["later"])

        def make():
            create_database(world, "later")
            agent.is_told_soon(["esker migrate"])
            migrate(world)

        agent.repair(make, "the database is there and migrated")


def unreachable_database(world, right, url):
    secret_with(world, url.replace("trial-postgres", "nobody"))
    values = {**right, "metastore": {"urlSecret": {"name": "to-come", "key": "url"}}}
    with Agent(world, "a database that cannot be reached", values) as agent:
        agent.is_told(["nobody"])


def no_bucket(world, right, url):
    space = world.space
    # A database of its own: that of another cluster would be refused with a new bucket.
    create_database(world, "apart")
    secret_with(world, url.rsplit("/", 1)[0] + "/apart")
    migrate(world)
    values = {**right, "metastore": {"urlSecret": {"name": "to-come", "key": "url"}}, "bucket": {**right["bucket"], "url": "s3://missing/esker"}}
    with Agent(world, "a missing bucket", values) as agent:
        agent.is_told(["missing"])
        agent.repair(lambda: space.kubectl("exec", "trial-minio-0", "--", "mkdir", "/data/missing"), "the bucket is there")


def no_credentials(world, right):
    values = {**right, "bucket": {**right["bucket"], "credentialsSecret": {"name": "keys-to-come"}}}
    with Agent(world, "a missing Secret with the bucket's keys", values) as agent:
        agent.is_told(["credential", "AWS_ACCESS_KEY_ID", "access key", "AccessDenied", "denied", "permission"])


class Agent:
    """One agent of a release of its own, which begins without what it needs."""

    def __init__(self, world, what, values):
        self.world, self.what, self.values = world, what, values

    def __enter__(self):
        space = self.world.space
        file = self.world.values(**self.values, replicas=1, migration={"enabled": False}, podDisruptionBudget={"enabled": False})
        space.helm("upgrade", "--install", RELEASE, CHART, "-f", file, seconds=120)
        return self

    def __exit__(self, *_):
        space = self.world.space
        space.try_helm("uninstall", RELEASE, "--wait", "--timeout", "90s", seconds=120)
        for name in ("to-come", "keys-to-come"):
            space.try_kubectl("delete", "secret", name, "--ignore-not-found")

    def is_told(self, words):
        """Log and /readyz hold one of the words, and the pod is not ready."""
        world, report, space = self.world, self.world.report, self.world.space
        log = cluster.wait_until(lambda: next((text for text in self.logs() if any(word in text for word in words)), None), seconds=60)
        report.ok(log, f"{self.what}: the log says why", reason_in(log, words) if log else f"{self.state()} {space.logs(POD)[-1500:]}")
        told = cluster.wait_until(lambda: self.readyz(words), seconds=30)
        report.ok(told, f"{self.what}: /readyz says why", told or f"{self.state()} {world.fetch(space, 'shell', self.url())}")
        report.ok(not cluster.is_ready(space.pod(POD)), f"{self.what}: the pod is not ready", self.state())

    def is_told_soon(self, words):
        log = cluster.wait_until(lambda: next((text for text in self.logs() if any(word in text for word in words)), None), seconds=60)
        self.world.report.ok(log, f"{self.what}: later the log says what is next", reason_in(log, words) if log else self.world.space.logs(POD)[-800:])

    def repair(self, do, what, seconds=90):
        do()
        space = self.world.space
        ready = cluster.wait_until(lambda: cluster.is_ready(space.pod(POD)), seconds=seconds)
        self.world.report.ok(ready, f"{self.what}: it begins once {what}", self.state() if ready else space.logs(POD)[-1500:])

    def logs(self):
        space = self.world.space
        return [space.logs(POD), space.logs(POD, "--previous")]

    def url(self):
        address = self.world.space.pod(POD)["status"].get("podIP", "0.0.0.0")
        return f"http://{address}:{ADMIN}/readyz"

    def readyz(self, words):
        status, body = self.world.fetch(self.world.space, "shell", self.url())
        return f"{status} {body}" if status == 503 and any(word in body for word in words) else None

    def state(self):
        try:
            status = self.world.space.pod(POD)["status"]
        except cluster.Failed:
            return "no pod"
        container = (status.get("containerStatuses") or [{}])[0]
        return f"{status['phase']}, restarts {container.get('restartCount')}, {container.get('state')}"


def secret_with(world, url):
    world.space.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "to-come"}, "stringData": {"url": url}})


def create_database(world, name):
    sql = f"PGPASSWORD=$(cat /secret/postgres-password) psql -h 127.0.0.1 -U esker -d esker -qc 'CREATE DATABASE {name}'"
    world.space.kubectl("exec", f"{TRIAL}-postgres-0", "--", "sh", "-c", sql)


def migrate(world):
    """`esker migrate` by hand, in a pod with the same Secret."""
    space = world.space
    space.apply({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "migrate-by-hand"},
        "spec": {"restartPolicy": "Never", "containers": [{
            "name": "migrate", "image": world.images.current, "args": ["migrate"],
            "env": [{"name": "ESKER_METASTORE_URL", "valueFrom": {"secretKeyRef": {"name": "to-come", "key": "url"}}}],
        }]},
    })
    cluster.wait_until(lambda: space.pod("migrate-by-hand")["status"]["phase"] in ("Succeeded", "Failed"), seconds=60)
    world.report.detail(space.logs("migrate-by-hand"))
    space.kubectl("delete", "pod", "migrate-by-hand", "--now", seconds=90)


def reason_in(log, words):
    lines = [line for line in log.splitlines() if any(word in line for word in words)]
    return lines[-1] if lines else log

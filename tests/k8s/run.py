"""`make k8s`: Esker's charts on a real cluster. One line for each assertion, and `N passed, N failed` at the end.

  make k8s                                every step
  make k8s ARGS="killed evicted"          an installation, those steps, and its removal
  make k8s ARGS=--list                    the steps

It takes any cluster, with one node or more, which KUBECONFIG names, and kubectl and helm. It makes the namespaces
esker-test and esker-test-stranger (ESKER_K8S_NAMESPACE for another name), and removes them at the end, unless something
failed and ESKER_K8S_KEEP=1.

  ESKER_K8S_LOAD            command that gives an image archive to the nodes, for example "kind load image-archive"; then the
                            images are packed here. Without it, name images that the nodes can pull:
  ESKER_K8S_IMAGE           Esker as it is now
  ESKER_K8S_PREVIOUS_IMAGE  Esker of the commit in tests/previous
  ESKER_K8S_PARTS_IMAGE     a Debian with Postgres, MinIO, Python and confluent-kafka; its user postgres has the uid
                            ESKER_K8S_POSTGRES_UID (999)
  ESKER_K8S_CHART           another folder than helm/esker, for example a broken copy of it, to see the tests fail
  ESKER_K8S_BINARY          the program to pack; default: the release build

The transcript stays in $CARGO_TARGET_DIR/k8s/. Exit code: 0, 1 when an assertion failed, 2 when the tests could not begin.
"""
import datetime
import os
import shutil
import sys
import traceback

import bad_input
import cluster
import doors
import images
import installing
import scaling
from report import Report

# What each step needs is what those before it left: three agents of today, ready.
BEFORE = {"trial": installing.trial, "first_install": installing.first_install}
STEPS = {
    "security": installing.security,
    "upgrade": installing.upgrade,
    "start_time": installing.start_time,
    "failed_migration": installing.failed_migration,
    "by_hand": scaling.by_hand,
    "by_load": scaling.by_load,
    "killed": scaling.killed,
    "evicted": scaling.evicted,
    "policy": doors.policy,
    "external": doors.external,
    "missing_things": bad_input.missing_things,
}
AFTER = {"uninstall": installing.uninstall}
TITLES = {
    "trial": "Postgres and MinIO in the cluster",
    "first_install": "install an earlier version",
    "security": "what an agent may do",
    "upgrade": "upgrade with clients at work",
    "start_time": "from start to ready",
    "failed_migration": "a migration that fails",
    "by_hand": "scale by hand, 3 to 1 to 3",
    "by_load": "scale by load",
    "killed": "delete and kill agents with clients at work",
    "evicted": "evict against the disruption budget",
    "policy": "a stranger and the network policy",
    "external": "clients outside the cluster",
    "missing_things": "what an agent says when something is missing",
    "uninstall": "uninstall leaves nothing",
}


def main():
    wanted = sys.argv[1:]
    if wanted == ["--list"]:
        print("\n".join(f"{name:18} {TITLES[name]}" for name in STEPS))
        return 0
    unknown = [name for name in wanted if name not in STEPS]
    if unknown:
        return cannot(f"there is no step {', '.join(unknown)}: make k8s ARGS=--list")
    if not os.environ.get("KUBECONFIG"):
        return cannot("KUBECONFIG names no cluster (see the head of tests/k8s/run.py)")
    for program in ("kubectl", cluster.HELM):
        if not shutil.which(program):
            return cannot(f"there is no {program} on the PATH")
    code, output = cluster.run(["kubectl", "version"], seconds=20)
    if code != 0:
        return cannot(f"the cluster of KUBECONFIG does not answer: {output.strip()}")
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
    report = Report(images.TARGET / "k8s" / f"{stamp}.log")
    report.say(" · ".join(output.split("\n")[:3]))
    from world import World

    try:
        world = World(report)
    except images.Missing as missing:
        report.file.close()
        return cannot(str(missing))
    report.say(f"   images: {world.images.current}, {world.images.previous}, {world.images.parts}")
    selected = {**BEFORE, **{name: step for name, step in STEPS.items() if not wanted or name in wanted}, **AFTER}
    if wanted and "upgrade" not in wanted:
        # Steps are about today's chart: without the upgrade it is installed at once.
        selected.pop("first_install")
        selected = {"trial": selected.pop("trial"), "install": install_today, **selected}
    try:
        run_steps(world, selected)
    finally:
        if not (report.failed and os.environ.get("ESKER_K8S_KEEP") == "1"):
            world.space.delete()
        shutil.rmtree(world.work, ignore_errors=True)
        report.close()
    return 1 if report.failed else 0


def run_steps(world, steps):
    world.space.delete()
    world.space.create()
    for name, step in steps.items():
        world.report.step(TITLES.get(name, name))
        try:
            step(world)
        except cluster.Failed as failed:
            world.report.ok(False, f"the step {name} came to its end", failed)
            if name in (*BEFORE, "install"):
                return
        except Exception:  # noqa: BLE001 - a mistake of the test fails it and lets the next step run
            world.report.ok(False, f"the step {name} came to its end", traceback.format_exc())


def install_today(world):
    code, output = world.install()
    if not world.report.ok(code == 0, "helm install --wait", output if code else "STATUS: deployed"):
        installing.show_pods(world)
        raise cluster.Failed("nothing goes on without it")


def cannot(why):
    print(f"k8s: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

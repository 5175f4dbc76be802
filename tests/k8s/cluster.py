"""kubectl and helm, and what tests ask of them. Every command has an end of its own, so that nothing hangs."""
import json
import os
import shlex
import subprocess
import time

COMMAND_SECONDS = 60
# The version that the project is tested with, where scripts/setup has built it.
HELM = os.environ.get("ESKER_TEST_HELM") or "helm"


class Failed(Exception):
    """A command that had to work did not; the text is its output."""


def run(command, *, seconds=COMMAND_SECONDS, stdin=None):
    """Exit code and output; 124 where it took too long. Warnings of a command that worked are left out."""
    try:
        ran = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
        return 124, (output.decode(errors="replace") if isinstance(output, bytes) else output) + f"\n(no end after {seconds} s)"
    return ran.returncode, ran.stdout + (ran.stderr if ran.returncode else "")


def must(command, **how):
    code, output = run(command, **how)
    if code != 0:
        raise Failed(f"{shlex.join(str(word) for word in command)}: exit code {code}\n{output.strip()}")
    return output


class Namespace:
    """A namespace of the test, and commands in it."""

    def __init__(self, name):
        self.name = name

    def create(self):
        must(["kubectl", "create", "namespace", self.name])

    def delete(self):
        must(["kubectl", "delete", "namespace", self.name, "--ignore-not-found", "--wait", "--timeout=120s"], seconds=150)

    def kubectl(self, *words, **how):
        return must(["kubectl", "-n", self.name, *words], **how)

    def try_kubectl(self, *words, **how):
        return run(["kubectl", "-n", self.name, *words], **how)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def apply(self, *objects):
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(item) for item in objects))

    def helm(self, *words, seconds=300):
        return must([HELM, "-n", self.name, *words], seconds=seconds)

    def try_helm(self, *words, seconds=300):
        return run([HELM, "-n", self.name, *words], seconds=seconds)

    def pods(self, selector):
        return sorted(self.get("pods", "-l", selector)["items"], key=lambda pod: pod["metadata"]["name"])

    def pod(self, name):
        return self.get("pod", name)

    def logs(self, pod, *words):
        return self.try_kubectl("logs", pod, *words)[1]

    def exec(self, pod, *words, **how):
        return self.try_kubectl("exec", pod, "--", *words, **how)


def is_ready(pod):
    return condition(pod, "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]


def condition(item, kind):
    return next((one for one in item.get("status", {}).get("conditions", []) if one["type"] == kind), {})


def wait_until(what, *, seconds, every=0.5):
    """The first true answer of `what`, or its last false one."""
    deadline = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() >= deadline:
            return answer
        time.sleep(every)

"""Clients at work in a pod of their own while something happens to the agents, and what they saw of it."""
import json
import pathlib

import cluster

SCRIPT = pathlib.Path(__file__).with_name("client.py")
START_SECONDS = 90
END_SECONDS = 150


class Clients:
    """Use as `with Clients(world, name) as clients:`; at its end they stop and `result` is there."""

    def __init__(self, world, name, *, bootstrap="esker:9092", rate=200, size=500):
        self.world, self.name = world, name
        self.arguments = ["--bootstrap", bootstrap, "--topic", name, "--rate", str(rate), "--bytes", str(size)]
        self.result = None

    def __enter__(self):
        space = self.world.space
        space.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "client"}, "data": {"client.py": SCRIPT.read_text()}},
            self.world.parts_pod(self.name, ["python3", "/client/client.py", *self.arguments], config="client"),
        )
        if not cluster.wait_until(self._at_work, seconds=START_SECONDS):
            log = space.logs(self.name)[-2000:]
            space.try_kubectl("delete", "pod", self.name, "--now", "--wait=false")
            raise cluster.Failed(f"the clients {self.name} do not get to work:\n{log}")
        return self

    def _at_work(self):
        progress = self.progress()
        return progress.get("acked", 0) > 0 and progress.get("read", 0) > 0

    def progress(self):
        lines = [line for line in self.world.space.logs(self.name, "--tail=20").splitlines() if '"acked"' in line]
        return json.loads(lines[-1]) if lines else {}

    def __exit__(self, kind, error, trace):
        space = self.world.space
        if kind is None:
            space.exec(self.name, "touch", "/tmp/stop")
            cluster.wait_until(lambda: space.pod(self.name)["status"]["phase"] in ("Succeeded", "Failed"), seconds=END_SECONDS)
            output = space.logs(self.name)
            self.world.report.detail("\n".join(line for line in output.splitlines() if '"acked"' not in line or '"result"' in line))
            results = [json.loads(line)["result"] for line in output.splitlines() if line.startswith('{"result"')]
            self.result = results[-1] if results else None
        space.try_kubectl("delete", "pod", self.name, "--now", "--wait=false")

    def judge(self, during):
        """No error, no record lost, none twice."""
        report, result = self.world.report, self.result
        if result is None:
            report.ok(False, f"clients came to their end {during}")
            return
        seen = (f"{result['acked']} of {result['written']} records acknowledged, {result['read']} read, {result['connections_lost']} failures of connections, "
                f"longest ack {result['longest_ack_seconds']} s, longest silence of the readers {result['longest_silence_seconds']} s")
        report.ok(not result["errors"] and result["acked"] == result["written"], f"clients saw 0 errors {during}",
                  seen if not result["errors"] else f"{seen}; {result['errors'][:3]}")
        report.ok(not result["lost"] and not result["twice"], f"every acknowledged record was read, at one offset, {during}",
                  f"lost {result['lost']}, twice {result['twice']}")

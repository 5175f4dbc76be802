"""How agents start, stop, are replaced and scaled, and how the schema is brought up to date."""

import unittest

from chart import Refused, expanded, render


def pod_of(objects, name="esker"):
    return objects.one("StatefulSet", name)["spec"]["template"]["spec"]


class Stopping(unittest.TestCase):
    def grace(self, values):
        objects = render(values)
        pod = pod_of(objects)
        sleep = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        told = expanded(objects.one("StatefulSet", "esker"), 0).get("ESKER_SHUTDOWN_GRACE_SECONDS", "30")
        return pod["terminationGracePeriodSeconds"], sleep, int(told)

    def test_a_pod_outlives_its_agents_drain(self):
        for values, expected in [
            ({}, (40, 5, 30)),
            ({"settings": {"shutdown_grace_seconds": 120}}, (130, 5, 120)),
            ({"settings": {"shutdown_grace_seconds": 0}, "preStopSeconds": 20}, (25, 20, 0)),
            ({"preStopSeconds": 0}, (35, 0, 30)),
        ]:
            with self.subTest(values=values):
                found = self.grace(values)
                self.assertEqual(found, expected)
                self.assertGreater(found[0], found[1] + found[2])

    def test_a_pool_has_its_own_grace(self):
        pools = {"serve": {"settings": {"shutdown_grace_seconds": 90}}, "upkeep": {"roles": ["upkeep"]}}
        objects = render({"pools": pools})
        self.assertEqual(pod_of(objects, "esker-serve")["terminationGracePeriodSeconds"], 100)
        self.assertEqual(pod_of(objects, "esker-upkeep")["terminationGracePeriodSeconds"], 40)

    def test_no_shell_is_asked_for(self):
        for name, _, pod in render({"external": {"type": "NodePort"}}).pods():
            for container in pod["containers"] + pod.get("initContainers", []):
                self.assertNotIn("command", container, name)
                for hook in container.get("lifecycle", {}).values():
                    self.assertNotIn("exec", hook)
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    self.assertNotIn("exec", container.get(probe, {}))


class Starting(unittest.TestCase):
    def test_probes_ask_what_they_are_for(self):
        container = pod_of(render({"startupSeconds": 300}))["containers"][0]
        self.assertEqual(container["readinessProbe"]["httpGet"], {"path": "/readyz", "port": "admin"})
        # Losing a store must never have an agent started again.
        self.assertEqual(container["livenessProbe"]["httpGet"], {"path": "/livez", "port": "admin"})
        startup = container["startupProbe"]
        self.assertEqual(startup["httpGet"]["path"], "/readyz")
        self.assertEqual(startup["periodSeconds"] * startup["failureThreshold"], 300)
        # Ready within two seconds needs someone who asks each second.
        self.assertEqual(container["readinessProbe"]["periodSeconds"], 1)

    def test_why_a_container_failed_is_seen_in_the_pod(self):
        for name, _, pod in render().pods():
            for container in pod["containers"] + pod.get("initContainers", []):
                self.assertEqual(container["terminationMessagePolicy"], "FallbackToLogsOnError", name)

    def test_agents_have_no_volumes_and_do_not_wait_for_each_other(self):
        stateful_set = render().one("StatefulSet", "esker")
        self.assertEqual(stateful_set["spec"]["podManagementPolicy"], "Parallel")
        self.assertNotIn("volumeClaimTemplates", stateful_set["spec"])
        volumes = stateful_set["spec"]["template"]["spec"].get("volumes", [])
        self.assertTrue(all("secret" in volume or "configMap" in volume for volume in volumes), volumes)

    def test_a_new_chart_alone_restarts_nobody(self):
        # What changes with every release of the chart must not be in the pods.
        for name, metadata, _ in render().pods():
            if name == "esker":
                self.assertNotIn("helm.sh/chart", metadata["labels"])
                self.assertNotIn("app.kubernetes.io/version", metadata["labels"])

    def test_new_prices_do(self):
        def annotations(prices):
            return render({"prices": prices}).one("StatefulSet", "esker")["spec"]["template"]["metadata"]["annotations"]

        self.assertNotEqual(annotations("put = 1"), annotations("put = 2"))


class Replicas(unittest.TestCase):
    def test_are_said_or_left_to_the_autoscaler(self):
        self.assertEqual(render({"replicas": 4}).one("StatefulSet", "esker")["spec"]["replicas"], 4)
        scaled = render({"replicas": 4, "autoscaling": {"enabled": True}})
        self.assertNotIn("replicas", scaled.one("StatefulSet", "esker")["spec"])
        self.assertEqual(scaled.one("HorizontalPodAutoscaler", "esker")["spec"]["minReplicas"], 3)

    def test_each_set_of_a_scaled_pool_has_an_autoscaler_and_no_other(self):
        pools = {
            "serve": {"roles": ["serve"], "autoscaling": {"enabled": True, "minReplicas": 2}, "zones": ["a", "b"]},
            "upkeep": {"roles": ["upkeep"], "replicas": 2},
        }
        objects = render({"pools": pools})
        targets = [h["spec"]["scaleTargetRef"]["name"] for h in objects.kind("HorizontalPodAutoscaler")]
        self.assertEqual(targets, ["esker-serve-a", "esker-serve-b"])
        self.assertEqual(objects.one("StatefulSet", "esker-upkeep")["spec"]["replicas"], 2)

    def test_a_pool_can_turn_off_what_is_on_for_all(self):
        pools = {"serve": {"roles": ["serve"]}, "upkeep": {"roles": ["upkeep"], "replicas": 2, "autoscaling": {"enabled": False}}}
        objects = render({"autoscaling": {"enabled": True}, "pools": pools})
        self.assertEqual(objects.names("HorizontalPodAutoscaler"), ["esker-serve"])

    def test_go_down_slowly_and_up_quickly(self):
        values = {"enabled": True, "podMetrics": [{"name": "esker_connections", "averageValue": 5000}]}
        spec = render({"autoscaling": values}).one("HorizontalPodAutoscaler", "esker")["spec"]
        down = spec["behavior"]["scaleDown"]
        self.assertEqual(down["stabilizationWindowSeconds"], 600)
        self.assertEqual(down["policies"], [{"type": "Pods", "value": 1, "periodSeconds": 300}])
        self.assertEqual(spec["behavior"]["scaleUp"]["stabilizationWindowSeconds"], 0)
        pods = [m["pods"] for m in spec["metrics"] if m["type"] == "Pods"]
        self.assertEqual(pods, [{"metric": {"name": "esker_connections"}, "target": {"type": "AverageValue", "averageValue": "5000"}}])


class Disruption(unittest.TestCase):
    def test_some_agent_may_always_be_evicted(self):
        for values in [{"replicas": 1}, {"replicas": 3}, {"podDisruptionBudget": {"maxUnavailable": "10%"}}]:
            for budget in render(values).kind("PodDisruptionBudget"):
                spec = budget["spec"]
                self.assertNotIn("minAvailable", spec)
                # Of a share Kubernetes takes the whole number above it: 1 % of three agents is one.
                self.assertGreater(int(str(spec["maxUnavailable"]).rstrip("%")), 0)
                self.assertEqual(spec["unhealthyPodEvictionPolicy"], "AlwaysAllow")

    def test_zero_is_refused(self):
        for nothing in (0, "0%", "00%", -1, "-1%"):
            with self.subTest(nothing=nothing), self.assertRaises(Refused):
                render({"podDisruptionBudget": {"maxUnavailable": nothing}})

    def test_zones_of_a_pool_share_one_budget(self):
        pools = {"serve": {"roles": ["serve"], "zones": ["a", "b"]}, "upkeep": {"roles": ["upkeep"]}}
        objects = render({"pools": pools})
        self.assertEqual(objects.names("PodDisruptionBudget"), ["esker-serve", "esker-upkeep"])
        selector = objects.one("PodDisruptionBudget", "esker-serve")["spec"]["selector"]["matchLabels"]
        covered = [
            s["metadata"]["name"]
            for s in objects.kind("StatefulSet")
            if selector.items() <= s["spec"]["template"]["metadata"]["labels"].items()
        ]
        self.assertEqual(covered, ["esker-serve-a", "esker-serve-b"])


class Migration(unittest.TestCase):
    VALUES = {
        "metastore": {
            "url": "postgres://esker@db/esker",
            "urlSecret": {"name": ""},
            "passwordSecret": {"name": "db"},
            "caConfigMap": {"name": "roots"},
        }
    }

    def test_runs_before_install_and_upgrade_and_leaves_a_failure_to_be_read(self):
        job = render().one("Job", "esker-migrate")
        notes = job["metadata"]["annotations"]
        self.assertEqual(notes["helm.sh/hook"], "pre-install,pre-upgrade")
        self.assertNotIn("hook-failed", notes["helm.sh/hook-delete-policy"])
        # OnFailure would delete the pod, and its log, at the last failure.
        self.assertEqual(job["spec"]["template"]["spec"]["restartPolicy"], "Never")
        # Helm waits 5 minutes if nobody says; the Job is to be the first to give up.
        self.assertLess(job["spec"]["activeDeadlineSeconds"], 300)

    def test_needs_nothing_that_the_release_makes(self):
        objects = render(self.VALUES)
        pod = objects.one("Job", "esker-migrate")["spec"]["template"]["spec"]
        made = {o["metadata"]["name"] for o in objects if o["kind"] in ("ServiceAccount", "ConfigMap", "Secret")}
        self.assertTrue(made)
        self.assertNotIn(pod["serviceAccountName"], made)
        named = [v.get("secret", {}).get("secretName") or v.get("configMap", {}).get("name") for v in pod["volumes"]]
        self.assertEqual(named, ["db", "roots"])
        self.assertFalse(made & set(named))

    def test_uses_an_account_of_yours(self):
        pod = render({"serviceAccount": {"create": False, "name": "mine"}}).one("Job", "esker-migrate")["spec"]["template"]["spec"]
        self.assertEqual(pod["serviceAccountName"], "mine")

    def test_connects_as_agents_do(self):
        objects = render(self.VALUES)
        agent = {v["name"]: v for v in pod_of(objects)["containers"][0]["env"]}
        job = objects.one("Job", "esker-migrate")["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual([v["name"] for v in job["env"]], ["ESKER_METASTORE_URL", "ESKER_METASTORE_PASSWORD_FILE", "PGSSLROOTCERT"])
        for variable in job["env"]:
            self.assertEqual(variable, agent[variable["name"]])
        self.assertEqual(job["volumeMounts"], pod_of(objects)["containers"][0]["volumeMounts"])

    def test_sees_what_agents_see_of_certificates_and_the_like(self):
        values = self.VALUES | {
            "extraEnv": [{"name": "PGSSLCERT", "value": "/tls/client.crt"}],
            "extraVolumes": [{"name": "tls", "secret": {"secretName": "pg-client"}}],
            "extraVolumeMounts": [{"name": "tls", "mountPath": "/tls", "readOnly": True}],
        }
        pod = render(values).one("Job", "esker-migrate")["spec"]["template"]["spec"]
        self.assertIn("PGSSLCERT", [v["name"] for v in pod["containers"][0]["env"]])
        self.assertIn("/tls", [m["mountPath"] for m in pod["containers"][0]["volumeMounts"]])
        self.assertIn("tls", [v["name"] for v in pod["volumes"]])

    def test_may_have_a_user_of_its_own(self):
        values = self.VALUES | {"migration": {"urlSecret": {"name": "owner"}}}
        pod = render(values).one("Job", "esker-migrate")["spec"]["template"]["spec"]
        job = pod["containers"][0]
        # The agents' password does not belong to the owner's URL.
        self.assertEqual([v["name"] for v in job["env"]], ["ESKER_METASTORE_URL_FILE", "PGSSLROOTCERT"])
        (url,) = [v["secret"]["secretName"] for v in pod["volumes"] if v["name"] == "metastore-url"]
        self.assertEqual(url, "owner")

    def test_can_be_left_out(self):
        self.assertEqual(render({"migration": {"enabled": False}}).kind("Job"), [])

"""Secrets, rights and who may connect."""

import unittest

import yaml

from chart import LEAST, RELEASE, environment, expanded, merged, render, render_text, selects
from snapshots import CASES

WITH_SECRETS = {
    "metastore": {
        "url": "postgres://esker@db/esker",
        "urlSecret": {"name": ""},
        "passwordSecret": {"name": "db", "key": "pw"},
        "caConfigMap": {"name": "roots", "key": "roots.pem"},
    },
    "bucket": {"credentialsSecret": {"name": "s3"}},
}


class Secrets(unittest.TestCase):
    def test_the_chart_makes_none(self):
        for case in CASES:
            text = render_text(files=[case], operator=True)
            self.assertNotIn("Secret", [o["kind"] for o in yaml.safe_load_all(text) if o], case.name)

    def test_variables_with_secrets_are_references(self):
        secret = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        for name, _, pod in render(WITH_SECRETS).pods():
            for container in pod["containers"]:
                for variable in container.get("env", []):
                    if variable["name"] in secret:
                        self.assertNotIn("value", variable, name)
                        self.assertEqual(variable["valueFrom"]["secretKeyRef"]["name"], "s3")

    def test_the_password_is_a_file_that_changes_with_its_secret(self):
        objects = render(WITH_SECRETS)
        stateful_set = objects.one("StatefulSet", "esker")
        pod = stateful_set["spec"]["template"]["spec"]
        path = expanded(stateful_set, 0)["ESKER_METASTORE_PASSWORD_FILE"]
        (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if path.startswith(m["mountPath"] + "/")]
        # A subPath would never be updated.
        self.assertNotIn("subPath", mount)
        (volume,) = [v for v in pod["volumes"] if v["name"] == mount["name"]]
        self.assertEqual(volume["secret"]["secretName"], "db")
        self.assertEqual([i["path"] for i in volume["secret"]["items"]], [path.removeprefix(mount["mountPath"] + "/")])

    def test_the_database_is_checked_against_the_roots_that_are_named(self):
        for values in [WITH_SECRETS, {"metastore": {"caConfigMap": {"name": "roots", "key": "roots.pem"}}}]:
            stateful_set = render(values).one("StatefulSet", "esker")
            pod = stateful_set["spec"]["template"]["spec"]
            path = expanded(stateful_set, 0)["PGSSLROOTCERT"]
            (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if path == m["mountPath"] + "/roots.pem"]
            (volume,) = [v for v in pod["volumes"] if v["name"] == mount["name"]]
            self.assertEqual(volume["configMap"]["name"], "roots")

    def test_a_missing_one_does_not_keep_the_agent_from_saying_so(self):
        whole = {"metastore": {"urlSecret": {"name": "db"}, "caConfigMap": {"name": "roots"}}, "bucket": {"credentialsSecret": {"name": "s3"}}}
        seen = 0
        for values in (WITH_SECRETS, whole):
            for name, _, pod in render(values).pods():
                for container in pod["containers"]:
                    for variable in container.get("env", []):
                        reference = variable.get("valueFrom", {}).get("secretKeyRef")
                        if reference:
                            seen += 1
                            self.assertTrue(reference["optional"], name)
                for volume in pod.get("volumes", []):
                    source = volume.get("secret") or volume.get("configMap")
                    if source:
                        seen += 1
                        self.assertTrue(source["optional"], name)
        self.assertEqual(seen, 12)

    def test_a_setting_may_come_from_a_secret(self):
        source = {"secretKeyRef": {"name": "collector", "key": "url"}}
        objects = render({"extraEnv": [{"name": "ESKER_OTEL_ENDPOINT", "valueFrom": source}]})
        variables = {name: found for name, _, found in environment(objects.one("StatefulSet", "esker"))}
        self.assertEqual(variables["ESKER_OTEL_ENDPOINT"], source)

    def test_a_literal_that_is_no_secret_is_taken(self):
        values = {"extraEnv": [{"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/token"}]}
        self.assertEqual(expanded(render(values).one("StatefulSet", "esker"), 0)["AWS_WEB_IDENTITY_TOKEN_FILE"], "/var/run/token")


class Rights(unittest.TestCase):
    def test_no_container_has_any(self):
        seen = 0
        for name, _, pod in render().pods():
            self.assertTrue(pod["securityContext"]["runAsNonRoot"], name)
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"}, name)
            self.assertIs(pod["automountServiceAccountToken"], False, name)
            for container in pod["containers"] + pod.get("initContainers", []):
                seen += 1
                context = container["securityContext"]
                self.assertIs(context["allowPrivilegeEscalation"], False)
                self.assertIs(context["readOnlyRootFilesystem"], True)
                self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
        self.assertEqual(seen, 1 + 1 + 5)

    def test_identity_of_a_cloud(self):
        role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/esker"}
        objects = render({"serviceAccount": {"annotations": role}})
        account = objects.one("ServiceAccount", "esker")
        self.assertEqual(account["metadata"]["annotations"], role)
        self.assertEqual(objects.one("StatefulSet", "esker")["spec"]["template"]["spec"]["serviceAccountName"], "esker")


class WhoMayConnect(unittest.TestCase):
    """The policy, tried with a small reading of NetworkPolicy: is a peer let in on a port?"""

    def policy(self, values=None, name="esker"):
        objects = render(values)
        spec = objects.one("NetworkPolicy", name)["spec"]
        self.assertEqual(spec["policyTypes"], ["Ingress"])
        for stateful_set in objects.kind("StatefulSet"):
            self.assertTrue(selects(spec["podSelector"], stateful_set["spec"]["template"]["metadata"]["labels"]))
        return spec

    @staticmethod
    def lets_in(policy, port, namespace, labels=None):
        for rule in policy["ingress"]:
            if port not in [p["port"] for p in rule["ports"]]:
                continue
            if "from" not in rule:
                return True
            for peer in rule["from"]:
                spaces = peer.get("namespaceSelector")
                here = namespace == "streaming" if spaces is None else selects(spaces, {"kubernetes.io/metadata.name": namespace})
                if here and "ipBlock" not in peer and selects(peer.get("podSelector", {}), labels or {}):
                    return True
        return False

    def test_the_admin_port_is_closed_to_other_namespaces(self):
        policy = self.policy()
        self.assertFalse(self.lets_in(policy, "admin", "strangers"))
        self.assertFalse(self.lets_in(policy, "admin", "monitoring"))
        self.assertTrue(self.lets_in(policy, "admin", "streaming"))

    def test_the_admin_port_is_open_to_those_that_are_named(self):
        policy = self.policy({"networkPolicy": {"admin": {"namespaces": ["monitoring"]}}})
        self.assertTrue(self.lets_in(policy, "admin", "monitoring"))
        self.assertFalse(self.lets_in(policy, "admin", "strangers"))

    def test_kafka_is_open_on_every_listener_that_there_is(self):
        values = {"zones": ["a", "b"], "external": {"type": "NodePort"}}
        objects = render(values)
        policy = self.policy(values)
        ports = {p["name"] for p in objects.one("StatefulSet", "esker-a")["spec"]["template"]["spec"]["containers"][0]["ports"]}
        self.assertEqual(len(ports), 5)
        for port in ports - {"admin"}:
            self.assertTrue(self.lets_in(policy, port, "strangers"), port)

    def test_kafka_can_be_closed_to_all_but_some(self):
        apps = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}}
        policy = self.policy({"networkPolicy": {"kafka": {"from": [apps]}}})
        self.assertTrue(self.lets_in(policy, "kafka", "apps"))
        self.assertFalse(self.lets_in(policy, "kafka", "strangers"))
        # `helm test` still works.
        pod = render().one("Pod", "esker-test")
        self.assertEqual(pod["metadata"]["labels"]["app.kubernetes.io/instance"], RELEASE)
        self.assertTrue(self.lets_in(policy, "kafka", "streaming", pod["metadata"]["labels"]))

    def test_only_agents_are_covered(self):
        spec = self.policy()
        for name, metadata, _ in render().pods():
            self.assertEqual(selects(spec["podSelector"], metadata["labels"]), name == "esker", name)

    def test_can_be_left_out(self):
        self.assertEqual(render({"networkPolicy": {"enabled": False}}).kind("NetworkPolicy"), [])


class Merging(unittest.TestCase):
    def test_the_tests_merge_values_as_helm_does(self):
        # Otherwise the cases above would not say what a release gets.
        values = merged(LEAST, {"bucket": {"region": "x"}})
        self.assertEqual(values["bucket"], {"url": "s3://example-esker/prod", "region": "x"})

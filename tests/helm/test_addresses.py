"""What clients are told: each agent's addresses, as Kubernetes makes them out of the chart and Esker reads them."""

import json
import os
import subprocess
import tempfile
import unittest

from chart import environment, expanded, program, render, selects


def listeners(text):
    """NAME://host:port,… as a map."""
    return dict(item.split("://") for item in text.split(","))


class Inside(unittest.TestCase):
    def test_each_agent_has_its_own_name_in_dns(self):
        objects = render({"replicas": 3})
        stateful_set = objects.one("StatefulSet", "esker")
        service = objects.one("Service", stateful_set["spec"]["serviceName"])
        self.assertEqual(service["spec"]["clusterIP"], "None")
        # A name that vanished while its agent drains would cut off who is still connected.
        self.assertTrue(service["spec"]["publishNotReadyAddresses"])
        told = {expanded(stateful_set, n)["ESKER_ADVERTISED_LISTENERS"] for n in range(3)}
        self.assertEqual(told, {f"INTERNAL://esker-{n}.esker-agents.streaming.svc.cluster.local:9092" for n in range(3)})

    def test_the_bootstrap_service_leads_to_agents_that_serve(self):
        objects = render({"pools": {"serve": {"roles": ["serve"]}, "upkeep": {"roles": ["upkeep"]}}})
        selector = objects.one("Service", "esker")["spec"]["selector"]
        led_to = [s["metadata"]["name"] for s in objects.kind("StatefulSet") if selects(selector, s["spec"]["template"]["metadata"]["labels"])]
        self.assertEqual(led_to, ["esker-serve"])

    def test_services_never_lead_to_the_migration_or_the_test(self):
        objects = render({"zones": ["a", "b"], "external": {"type": "NodePort"}})
        others = [m["labels"] for name, m, _ in objects.pods() if name in ("esker-migrate", "esker-test")]
        self.assertEqual(len(others), 2)
        for service in objects.kind("Service"):
            for labels in others:
                self.assertFalse(selects(service["spec"]["selector"], labels), service["metadata"]["name"])

    def test_names_of_nodes_are_the_names_of_pods(self):
        stateful_set = render().one("StatefulSet", "esker")
        self.assertEqual(expanded(stateful_set, 2)["ESKER_NODE_NAME"], "esker-2")


class Zones(unittest.TestCase):
    def setUp(self):
        self.objects = render({"zones": ["a", "b"], "replicas": 2, "zoneLabel": "topology.k8s.aws/zone-id"})

    def test_agents_know_where_they_are_and_are_there(self):
        for zone in "ab":
            stateful_set = self.objects.one("StatefulSet", f"esker-{zone}")
            self.assertEqual(expanded(stateful_set, 0)["ESKER_ZONE"], zone)
            node = stateful_set["spec"]["template"]["spec"]["nodeSelector"]
            self.assertEqual(node, {"topology.k8s.aws/zone-id": zone})

    def test_the_service_of_a_zone_leads_to_the_listener_of_that_zone_there(self):
        for zone in "ab":
            service = self.objects.one("Service", f"esker-zone-{zone}")["spec"]
            (port,) = service["ports"]
            self.assertEqual(port["port"], 9092)
            for stateful_set in self.objects.kind("StatefulSet"):
                template = stateful_set["spec"]["template"]
                there = stateful_set["metadata"]["name"] == f"esker-{zone}"
                self.assertEqual(selects(service["selector"], template["metadata"]["labels"]), there)
                if there:
                    ports = {p["name"]: p["containerPort"] for p in template["spec"]["containers"][0]["ports"]}
                    known = expanded(stateful_set, 1)
                    of_listener = dict(item.split(":") for item in known["ESKER_LISTENER_ZONES"].split(","))
                    (name,) = [n for n, z in of_listener.items() if z == zone]
                    self.assertTrue(listeners(known["ESKER_LISTENERS"])[name].endswith(f":{ports[port['targetPort']]}"))
                    self.assertEqual(
                        listeners(known["ESKER_ADVERTISED_LISTENERS"])[name],
                        f"esker-{zone}-1.esker-agents.streaming.svc.cluster.local:{ports[port['targetPort']]}",
                    )

    def test_every_agent_that_serves_has_the_listeners_of_all_zones(self):
        # A client of zone a is told of agents elsewhere too, by the addresses of its own listener.
        names = [set(listeners(expanded(s, 0)["ESKER_LISTENERS"])) for s in self.objects.kind("StatefulSet")]
        self.assertEqual(names, [{"INTERNAL", "ZONE-A", "ZONE-B"}] * 2)

    def test_a_port_keeps_its_name_when_a_zone_is_added(self):
        def named(zones):
            objects = render({"zones": zones, "replicas": 2})
            return objects.one("Service", "esker-zone-b")["spec"]["ports"][0]["targetPort"]

        self.assertEqual(named(["a", "b"]), named(["c", "a", "b"]))

    def test_can_do_without_listeners_of_their_own(self):
        objects = render({"zones": ["a", "b"], "replicas": 2, "listeners": {"zones": {"enabled": False}}})
        self.assertEqual(objects.names("Service"), ["esker-agents", "esker"])
        self.assertEqual(set(listeners(expanded(objects.one("StatefulSet", "esker-a"), 0)["ESKER_LISTENERS"])), {"INTERNAL"})


class Outside(unittest.TestCase):
    def external(self, objects, name, ordinal, **node):
        known = expanded(objects.one("StatefulSet", name), ordinal, **node)
        return listeners(known["ESKER_ADVERTISED_LISTENERS"]).get("EXTERNAL")

    def test_a_node_port_is_told_and_leads_to_the_agent_that_tells_it(self):
        objects = render({"zones": ["a", "b"], "replicas": 10, "external": {"type": "NodePort", "nodePortBase": 31500}})
        told = set()
        for zone in "ab":
            for ordinal in range(10):
                address = self.external(objects, f"esker-{zone}", ordinal, address="10.0.0.7")
                host, port = address.split(":")
                self.assertEqual(host, "10.0.0.7")
                service = objects.one("Service", f"esker-{zone}-{ordinal}-external")["spec"]
                self.assertEqual(service["ports"][0]["nodePort"], int(port))
                self.assertEqual(service["selector"]["statefulset.kubernetes.io/pod-name"], f"esker-{zone}-{ordinal}")
                self.assertEqual(service["externalTrafficPolicy"], "Local")
                told.add(int(port))
        self.assertEqual(told, set(range(31500, 31520)))

    def test_a_node_can_be_told_by_name_or_by_an_ipv6_address(self):
        by_name = render({"external": {"type": "NodePort", "host": "{node}.nodes.example.com"}})
        self.assertEqual(self.external(by_name, "esker", 1, node="n7"), "n7.nodes.example.com:31091")
        by_number = render({"listeners": {"bindAddress": "[::]"}, "external": {"type": "NodePort"}})
        self.assertEqual(self.external(by_number, "esker", 1, address="2001:db8::7"), "[2001:db8::7]:31091")

    def test_a_load_balancer_has_the_name_that_its_agent_tells(self):
        objects = render(
            {
                "external": {
                    "type": "LoadBalancer",
                    "host": "kafka-{pod}.{namespace}.example.com",
                    "annotations": {"external-dns.alpha.kubernetes.io/hostname": "{host}", "other": "as it is"},
                }
            }
        )
        for ordinal in range(3):
            service = objects.one("Service", f"esker-{ordinal}-external")
            host = service["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/hostname"]
            self.assertEqual(self.external(objects, "esker", ordinal), f"{host}:9094")
            self.assertEqual(host, f"kafka-esker-{ordinal}.streaming.example.com")
            self.assertEqual(service["metadata"]["annotations"]["other"], "as it is")
            self.assertEqual(service["spec"]["ports"][0]["port"], 9094)
            self.assertNotIn("nodePort", service["spec"]["ports"][0])

    def test_a_proxy_may_show_another_port(self):
        objects = render({"external": {"type": "ClusterIP", "host": "{pod}.example.com", "advertisedPort": 443}})
        self.assertEqual(self.external(objects, "esker", 2), "esker-2.example.com:443")
        self.assertNotIn("externalTrafficPolicy", objects.one("Service", "esker-2-external")["spec"])

    def test_there_is_a_service_for_every_agent_that_there_can_be(self):
        scaled = {"enabled": True, "minReplicas": 2, "maxReplicas": 5}
        objects = render({"autoscaling": scaled, "external": {"type": "LoadBalancer", "host": "{pod}.example.com"}})
        names = [n for n in objects.names("Service") if n.endswith("-external")]
        self.assertEqual(sorted(names), ["esker-0-external", "esker-1-external", "esker-2-external", "esker-3-external", "esker-4-external", "esker-external"])

    def test_agents_that_only_do_upkeep_are_not_told_of(self):
        pools = {"serve": {"roles": ["serve"], "replicas": 2}, "upkeep": {"roles": ["upkeep"], "replicas": 2}}
        objects = render({"pools": pools, "external": {"type": "LoadBalancer", "host": "{pod}.example.com"}})
        self.assertIsNone(self.external(objects, "esker-upkeep", 0))
        self.assertEqual([n for n in objects.names("Service") if "upkeep" in n], [])

    def test_nothing_is_made_where_nobody_asked(self):
        objects = render()
        self.assertEqual(objects.names("Service"), ["esker-agents", "esker"])
        self.assertIsNone(self.external(objects, "esker", 0))


class Environment(unittest.TestCase):
    CASES = [
        {},
        {"zones": ["a", "b"], "replicas": 2, "external": {"type": "NodePort"}},
        {"external": {"type": "LoadBalancer", "host": "kafka-{pod}.{ordinal}.{release}.example.com"}},
    ]

    def test_a_variable_stands_before_those_that_use_it(self):
        # Kubernetes leaves a reference to what comes later as it is, and clients would be told `$(HOST_IP)`.
        used = 0
        for values in self.CASES:
            for stateful_set in render(values).kind("StatefulSet"):
                for name, value in expanded(stateful_set, 0).items():
                    self.assertNotIn("$(", value or "", name)
                used += sum("$(" in (value or "") for _, value, _ in environment(stateful_set))
        self.assertGreater(used, 3)

    def test_no_variable_is_set_twice(self):
        values = {"settings": {"log_format": "text", "cluster_id": "c"}, "prices": "x = 1", "logLevels": "info"}
        names = [name for name, _, _ in environment(render(values).one("StatefulSet", "esker"))]
        self.assertEqual(len(names), len(set(names)))

    def test_large_numbers_stay_whole(self):
        settings = {"merge_interval_ms": 86400000, "group_max_size": 2147483647, "otel_traces_sample_ratio": 0.001}
        known = expanded(render({"settings": settings}).one("StatefulSet", "esker"), 0)
        self.assertEqual(known["ESKER_MERGE_INTERVAL_MS"], "86400000")
        self.assertEqual(known["ESKER_GROUP_MAX_SIZE"], "2147483647")
        self.assertEqual(known["ESKER_OTEL_TRACES_SAMPLE_RATIO"], "0.001")

    def test_variables_of_services_are_kept_out(self):
        # A Service named esker would put ESKER_PORT=tcp://… into every pod.
        for name, _, spec in render().pods():
            self.assertIs(spec["enableServiceLinks"], False, name)

    def test_esker_reads_it_as_it_is_meant(self):
        # `esker check` with the environment of a pod, only the stores being a directory: wrong settings would end it with 2.
        stateful_sets = render({**self.CASES[1], "listeners": {"bindAddress": "127.0.0.1"}}).kind("StatefulSet")
        for stateful_set in stateful_sets:
            known = {k: v for k, v in expanded(stateful_set, 1).items() if v is not None and k != "ESKER_METASTORE_URL_FILE"}
            with tempfile.TemporaryDirectory() as folder:
                stores = {"ESKER_METASTORE_URL": f"sqlite:{folder}/m", "ESKER_BUCKET_URL": f"file://{folder}/b"}
                done = subprocess.run(
                    [program("ESKER_TEST_PROGRAM"), "check", "--json"],
                    env={"PATH": os.environ["PATH"]} | known | stores,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=60,
                )
            self.assertEqual(done.returncode, 1, done.stderr)
            said = {f["name"]: f["sentence"] for f in json.loads(done.stdout)["findings"]}
            zone = stateful_set["metadata"]["name"][-1]
            self.assertIn(f"esker-{zone}-1.esker-agents.streaming.svc.cluster.local:9092", said["advertised.internal"])
            self.assertIn(f"esker-{zone}-1.esker-agents.streaming.svc.cluster.local:9102", said["advertised.zone-b"])
            self.assertIn("10.0.0.7:31", said["advertised.external"])

"""What Prometheus' operator and Grafana read: only where the cluster knows it, and as the files say."""

import json
import pathlib
import shutil
import tempfile
import unittest

import yaml

from chart import CHART, LEAST, Objects, render, render_text, selects

RULES = """\
groups:
  - name: esker
    rules:
      - alert: EskerDown
        expr: up{job="esker"} == 0
        annotations: {summary: "{{ $labels.instance }} is down", runbook_url: docs/runbooks.md#eskerdown}
"""
DASHBOARD = '{"title": "{{instance}} — health", "uid": "x"}\n'


def with_files(files, values=None, **options):
    """Rendered from a copy of the chart that holds these files beside templates, and no others of their folders."""
    with tempfile.TemporaryDirectory() as folder:
        chart = pathlib.Path(folder) / "esker"
        shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("dashboards", "rules"))
        for name, text in files.items():
            (chart / name).parent.mkdir(exist_ok=True)
            (chart / name).write_text(text)
        return Objects(yaml.safe_load_all(render_text(values=LEAST | (values or {}), chart=chart, **options)))


class Operator(unittest.TestCase):
    def test_kinds_that_the_cluster_does_not_know_are_left_out(self):
        objects = with_files({"rules/esker.rules.yaml": RULES})
        self.assertEqual(objects.kind("ServiceMonitor") + objects.kind("PrometheusRule"), [])

    def test_the_monitor_finds_the_admin_port_of_all_agents(self):
        objects = render(operator=True)
        spec = objects.one("ServiceMonitor", "esker")["spec"]
        found = [s for s in objects.kind("Service") if selects(spec["selector"], s["metadata"]["labels"])]
        self.assertEqual([s["metadata"]["name"] for s in found], ["esker-agents"])
        self.assertIn(spec["endpoints"][0]["port"], [p["name"] for p in found[0]["spec"]["ports"]])
        self.assertEqual(spec["endpoints"][0]["path"], "/metrics")

    def test_each_release_is_a_job_of_its_own(self):
        def job(release):
            (endpoint,) = render(operator=True, release=release).kind("ServiceMonitor")[0]["spec"]["endpoints"]
            return [r["replacement"] for r in endpoint["relabelings"] if r["targetLabel"] == "job"]

        self.assertEqual([job("esker"), job("other")], [["streaming/esker"], ["streaming/other-esker"]])

    def test_rules_are_those_of_the_file_with_links_to_runbooks(self):
        base = "https://git.example.com/esker/"
        values = {"monitoring": {"prometheusRule": {"labels": {"release": "x"}, "runbookBase": base}}}
        rule = with_files({"rules/esker.rules.yaml": RULES}, values, operator=True).one("PrometheusRule", "esker")
        self.assertEqual(rule["spec"], yaml.safe_load(RULES.replace("docs/runbooks.md", f"{base}docs/runbooks.md")))
        self.assertEqual(rule["metadata"]["labels"]["release"], "x")

    def test_no_rules_no_object(self):
        self.assertEqual(with_files({}, operator=True).kind("PrometheusRule"), [])

    def test_can_be_turned_off(self):
        values = {"monitoring": {"serviceMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}}}
        objects = with_files({"rules/esker.rules.yaml": RULES}, values, operator=True)
        self.assertEqual(objects.kind("ServiceMonitor") + objects.kind("PrometheusRule"), [])


class Dashboards(unittest.TestCase):
    def test_are_the_files_letter_by_letter(self):
        objects = with_files({"dashboards/health.json": DASHBOARD, "dashboards/cost.json": "{}"})
        held = objects.one("ConfigMap", "esker-dashboard-health")
        self.assertEqual(held["data"], {"health.json": DASHBOARD})
        self.assertEqual(held["metadata"]["labels"]["grafana_dashboard"], "1")
        self.assertEqual(objects.names("ConfigMap"), ["esker-dashboard-cost", "esker-dashboard-health"])

    def test_none_is_no_error_and_no_object(self):
        self.assertEqual(with_files({}).kind("ConfigMap"), [])
        off = {"monitoring": {"dashboards": {"enabled": False}}}
        self.assertEqual(with_files({"dashboards/health.json": DASHBOARD}, off).kind("ConfigMap"), [])

    def test_those_of_the_repository_arrive_whole(self):
        files = sorted((CHART / "dashboards").glob("*.json"))
        objects = render(operator=True)
        held = {}
        for config in objects.kind("ConfigMap"):
            held |= config["data"]
        self.assertEqual({name: json.loads(text) for name, text in held.items()}, {f.name: json.loads(f.read_text()) for f in files})
        rules = CHART / "rules" / "esker.rules.yaml"
        if rules.exists():
            self.assertEqual(objects.one("PrometheusRule", "esker")["spec"], yaml.safe_load(rules.read_text()))

"""Snapshots: what the chart makes of each file in cases/, kept in snapshots/ to be read in a review.

The first lines of a case say in comments what it is for; a line `# operator` renders for a cluster that knows
Prometheus' operator. Dashboards and rules are files of their own, and only their frames are kept.
"""

import yaml

from chart import HERE, render_text

CASES = sorted((HERE / "cases").glob("*.yaml"))


def snapshot_of(case):
    return HERE / "snapshots" / case.name


def taken(case):
    text = render_text(files=[case], operator="# operator" in case.read_text().splitlines())
    documents = text.split("\n---\n")
    return "\n---\n".join(d for d in documents if not left_out(d)).lstrip("-\n")


def left_out(document):
    # Their number and content belong to dashboards/ and rules/: test_monitoring.py looks at them.
    found = yaml.safe_load(document) or {}
    name = found.get("metadata", {}).get("name", "")
    return found.get("kind") == "PrometheusRule" or (found.get("kind") == "ConfigMap" and "-dashboard-" in name)


def rewrite():
    for case in CASES:
        snapshot_of(case).write_text(taken(case))
    known = {case.name for case in CASES}
    for file in (HERE / "snapshots").glob("*.yaml"):
        if file.name not in known:
            file.unlink()

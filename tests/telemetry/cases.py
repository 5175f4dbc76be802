"""The cases of the alerts, tests/telemetry/rules/*.yaml, as promtool's tests.

A file holds for each alert a list of cases that fire and of cases in which it is silent:

    EskerAgentDown:
      fires:
        - when: what is going on, in words
          series: {"up{@a}": "1x5 0x15"}     one value a minute, in promtool's notation
          pending: 7m                        only if it fires and has a `for`: a time at which that is not over yet
          at: 10m                            or a list of times, at each of which it holds
          labels: {job: esker}               all labels of the alert but its name and severity
          summary: Agent a does not answer   exactly, so that its template is tested too
      silent:
        - {when: …, series: …, at: …}

@a and @b stand for the labels of two agents of one cluster. Of the annotations only the summary is compared.
"""

import copy
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
RULES = HERE.parents[1] / "helm" / "esker" / "rules" / "esker.rules.yaml"
CASES = HERE / "rules"
AGENTS = {"@a": 'job="esker", instance="a"', "@b": 'job="esker", instance="b"'}


def rules():
    """The rule file as it is shipped."""
    return yaml.safe_load(RULES.read_text())


def alerts(document):
    """Alerts by name."""
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"] if "alert" in rule}


def cases():
    """Cases by alert; a name that two files have is an error."""
    found = {}
    for path in sorted(CASES.glob("*.yaml")):
        if path.name.endswith("_test.yaml"):
            continue
        for name, of_alert in yaml.safe_load(path.read_text()).items():
            if name in found:
                raise ValueError(f"{path.name}: {name} has cases in another file")
            found[name] = of_alert
    return found


def alone(document, name):
    """An alert with only the recording rules that it reads: promtool evaluates all that it has."""
    document = copy.deepcopy(document)
    alert = alerts(document)[name]
    alert["annotations"] = {"summary": alert["annotations"]["summary"]}
    kept, read = [alert], ""
    while read != (read := " ".join(rule["expr"] for rule in kept)):
        for group in document["groups"]:
            kept += [rule for rule in group["rules"] if rule not in kept and rule.get("record", "-") in read]
    groups = [{"name": group["name"], "rules": [rule for rule in group["rules"] if rule in kept]} for group in document["groups"]]
    return {"groups": [group for group in groups if group["rules"]]}


def promtool_tests(rule_file, alert, kinds):
    """What promtool is to test of an alert: each case is a test of its own."""
    tests = []
    for fires, case in [(kind == "fires", case) for kind in ("fires", "silent") for case in kinds[kind]]:
        expected = []
        if fires:
            labels = {**case["labels"], "severity": alert["labels"]["severity"]}
            expected = [{"exp_labels": labels, "exp_annotations": {"summary": case["summary"]}}]
        times = case["at"] if isinstance(case["at"], list) else [case["at"]]
        test = {
            "interval": "1m",
            "input_series": [{"series": of_agent(series), "values": values} for series, values in case["series"].items()],
            "alert_rule_test": [{"eval_time": at, "alertname": alert["alert"], "exp_alerts": expected} for at in times],
        }
        if "pending" in case:
            test["alert_rule_test"].append({"eval_time": case["pending"], "alertname": alert["alert"], "exp_alerts": []})
            test["promql_expr_test"] = [{
                "expr": f'count(ALERTS{{alertname="{alert["alert"]}", alertstate="pending"}})',
                "eval_time": case["pending"],
                "exp_samples": [{"labels": "{}", "value": 1}],
            }]
        tests.append(test)
    return {"rule_files": [str(rule_file)], "evaluation_interval": "1m", "tests": tests}


def of_agent(series):
    for name, labels in AGENTS.items():
        series = series.replace(name, labels)
    return series


def write(directory, document, of_alerts):
    """Writes rules and tests there, one pair for each alert; the paths of the tests."""
    written = []
    for name, kinds in of_alerts.items():
        rule_file, test_file = Path(directory) / f"{name}.rules.yaml", Path(directory) / f"{name}.tests.yaml"
        rule_file.write_text(yaml.safe_dump(alone(document, name), sort_keys=False, width=1000))
        tests = promtool_tests(rule_file, alerts(document)[name], kinds)
        test_file.write_text(yaml.safe_dump(tests, sort_keys=False, width=1000))
        written.append(test_file)
    return written

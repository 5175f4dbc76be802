"""What an agent counts, by tests/telemetry/series.yaml, and which of it an expression reads."""

import functools
import re

import yaml

import cases

ENDINGS = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""], "info": ["_info"]}
NAME = re.compile(r"\b(?:esker|process)_\w+\b")
RECORDED = re.compile(r"\b\w+:esker_\w+:\w+")


@functools.cache
def families():
    """By name: type, labels, and whether an agent has it."""
    return yaml.safe_load((cases.HERE / "series.yaml").read_text())


@functools.cache
def by_series():
    """The family of each series name."""
    return {name + ending: name for name, family in families().items() for ending in ENDINGS[family["type"]]}


def read_by(expr):
    """Series names of agents that an expression names itself."""
    without_recorded = RECORDED.sub("", without_strings(expr))
    return set(NAME.findall(without_recorded))


def without_strings(expr):
    return re.sub(r'"[^"]*"', '""', expr)


@functools.cache
def recording_rules():
    return [rule for group in cases.rules()["groups"] for rule in group["rules"] if "record" in rule]


def lacking(expr):
    """A family that no agent has yet and without which the expression has no data; None if there is none."""
    known, series = families(), by_series()
    for name in sorted(read_by(expr)):
        if known[series[name]].get("absent"):
            return series[name]
    for name in sorted(set(RECORDED.findall(without_strings(expr)))):
        lacked = [lacking(rule["expr"]) for rule in recording_rules() if rule["record"] == name]
        # Of several rules for one name, one that has its data is enough.
        if all(lacked):
            return lacked[0]
    return None


def parse(text):
    """Families of a page of metrics: name to (type, label names)."""
    types, labels = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            types[name], labels[name] = kind, set()
        elif line and not line.startswith("#"):
            name, named = re.match(r"(\w+)(?:\{(.*?)\} )?", line).groups()
            family = next(known for known in types if name in (known + ending for ending in ENDINGS[types[known]]))
            labels[family] |= set(re.findall(r'(\w+)="', named or "")) - {"le"}
    return {name: (kind, labels[name]) for name, kind in types.items()}


def differences(text):
    """One sentence for each difference between a page of metrics and series.yaml."""
    served, wrong = parse(text), []
    for name, family in families().items():
        if name not in served:
            if not family.get("absent") and not family.get("optional"):
                wrong.append(f"series.yaml has {name}, and the agent does not")
            continue
        if family.get("absent"):
            wrong.append(f"series.yaml says that {name} is absent, and the agent has it")
        kind, labels = served[name]
        if kind != family["type"]:
            wrong.append(f"{name} is a {kind}, not a {family['type']}")
        listed = set(family.get("labels", {}))
        # A family with labels has none before its first event.
        if labels and labels != listed:
            wrong.append(f"{name} has the labels {sorted(labels)}, not {sorted(listed)}")
    wrong += [f"the agent has {name}, and series.yaml does not" for name in served if name not in families()]
    return wrong

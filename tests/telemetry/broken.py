#!/usr/bin/env python3
"""Breaks the rule of each alert in every way listed here, and demands that its cases notice.

A threshold ten times lower and higher, a selector or a condition that is dropped, no `for` or an endless one, an expression that
is never true. Exit code 1, with a line for each, if a broken rule passes all cases of its alert.
"""

import copy
import re
import sys
import tempfile

import cases
from test_rules import promtool

THRESHOLD = re.compile(r"(?<![\w.])(==|>=|>) ?([\d.]+)")
CONDITIONS = re.compile(
    r', error=~?"[^"]*"|error!~"[^"]*"|outcome=~?"[^"]*"|state[!=]~"[^"]*"|dependency="[^"]*"|work!="[^"]*"|unless on .*$'
    r"|and on \(cluster, job, instance\) .*$"
)


def broken(alert):
    """Each broken form of an alert: (in words, the alert)."""
    expr = alert["expr"]
    yield "never true", {**alert, "expr": "vector(0) > 1"}
    for found in THRESHOLD.finditer(expr):
        sign, value = found.group(1), float(found.group(2))
        lower = ">= 0" if sign == "==" or not value else f"{sign} {value / 10}"
        higher = f"{sign} {value * 10 if value else 1e9}"
        for form in {lower, higher} if sign != "==" else {lower}:
            yield f"{found.group()} became {form}", {**alert, "expr": expr[:found.start()] + form + expr[found.end():]}
    for found in CONDITIONS.finditer(expr):
        yield f"without {found.group()}", {**alert, "expr": expr[:found.start()] + expr[found.end():]}
    if "for" in alert:
        yield "without its for", {key: value for key, value in alert.items() if key != "for"}
        yield "an endless for", {**alert, "for": "30h"}


def passes(document, name, of_alert):
    with tempfile.TemporaryDirectory() as directory:
        code, _ = promtool("test", "rules", *map(str, cases.write(directory, document, {name: of_alert})))
    return code == 0


def main():
    document, of_alerts = cases.rules(), cases.cases()
    count, unnoticed = 0, []
    for name, alert in cases.alerts(document).items():
        for how, form in broken(alert):
            changed = copy.deepcopy(document)
            for group in changed["groups"]:
                group["rules"] = [form if rule.get("alert") == name else rule for rule in group["rules"]]
            count += 1
            if passes(changed, name, of_alerts[name]):
                unnoticed.append(f"{name}: {how}")
    for line in unnoticed:
        print(f"not noticed: {line}")
    print(f"{count - len(unnoticed)} of {count} broken rules were noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())

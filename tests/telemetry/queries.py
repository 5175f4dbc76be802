"""All queries of the dashboards, as Prometheus gets them from Grafana when every variable is at All."""

import json
import re

import dashboards


class Query:
    """One target of one panel."""

    def __init__(self, dashboard, panel, target):
        self.dashboard, self.panel, self.legend = dashboard, panel["title"], target["legendFormat"]
        self.expr, self.instant = target["expr"], target["instant"]

    def __str__(self):
        return f"{self.dashboard}: {self.panel}" + (f" ({self.legend})" if self.legend else "")

    def filled(self, rate_interval, span):
        """The expression with Grafana's own variables filled in."""
        expr = self.expr.replace("$__rate_interval", rate_interval).replace("$__range", span)
        for name in dashboards.SELECTORS:
            expr = expr.replace(f"${name}", ".*")
        left = re.search(r"\$\w+", expr)
        if left:
            raise ValueError(f"{self}: {left.group()} is not a variable")
        return expr


def all_queries():
    """Those of the JSON that is shipped."""
    found = []
    for name in dashboards.sources():
        made = json.loads((dashboards.MADE / f"{name}.json").read_text())
        found += [
            Query(name, panel, target)
            for panel in made["panels"] if panel["type"] != "row" for target in panel["targets"]
        ]
    return found


def variables():
    """What the selectors of the dashboards offer: (series selector, label)."""
    found = set()
    for name in dashboards.sources():
        made = json.loads((dashboards.MADE / f"{name}.json").read_text())
        for variable in made["templating"]["list"]:
            if variable["type"] == "query":
                selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
                found.add((re.sub(r"\$\w+", ".*", selector), label))
    return sorted(found)

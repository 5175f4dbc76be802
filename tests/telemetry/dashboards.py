#!/usr/bin/env python3
"""Makes Grafana's dashboards from the readable sources in tests/telemetry/dashboards.

    dashboards.py            write helm/esker/dashboards/*.json
    dashboards.py --check    exit 1 if one of them is not what its source makes

A source says what is asked and what to do about the answer; what is the same for all panels is here. In an expression

    @agents    becomes the selectors of all variables: cluster, job, instance
    @cluster   becomes those of whole clusters: cluster, job
    @faults    becomes a pattern of the errors that are ours and not the client's

What holds: every panel has a description and at least one query; an unknown key in a source is an error.
"""

import json
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "telemetry" / "dashboards"
MADE = ROOT / "helm" / "esker" / "dashboards"

# As crates/broker/src/errors.rs names failures that are ours. CORRUPT_MESSAGE is ours only where records are read.
FAULTS = "|".join([
    "NOT_ENOUGH_REPLICAS", "REQUEST_TIMED_OUT", "KAFKA_STORAGE_ERROR", "UNKNOWN_SERVER_ERROR", "NOT_CONTROLLER",
    "COORDINATOR_NOT_AVAILABLE",
])
SELECTORS = ["cluster", "job", "instance"]
COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

DASHBOARD_KEYS = {"title", "uid", "description", "range", "refresh", "selectors", "rows"}
PANEL_KEYS = {
    "title", "kind", "size", "unit", "decimals", "description", "thresholds", "values", "nothing", "stack", "columns", "names",
    "queries",
}
KINDS = {"stat": "stat", "timeseries": "timeseries", "timeline": "state-timeline", "table": "table", "bars": "bargauge"}


class SourceError(Exception):
    """A source that cannot be a dashboard; the text says where and why."""


def sources():
    """The sources by name, in the order of their names."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(SOURCES.glob("*.yaml"))}


def panels_of(source):
    """All panels of a source."""
    return [panel for row in source["rows"] for panel in row["panels"]]


def expand(expr):
    """An expression as Grafana gets it."""
    def select(names):
        return ", ".join(f'{name}=~"${name}"' for name in names)
    return (expr.replace("@agents", select(SELECTORS)).replace("@cluster", select(SELECTORS[:2])).replace("@faults", FAULTS))


def make(source):
    """Grafana's model of a dashboard."""
    refuse_unknown(source, DASHBOARD_KEYS, source.get("title", "?"))
    panels, top = [], 0
    for row in source["rows"]:
        panels.append({
            "id": len(panels) + 1, "type": "row", "title": row["title"], "collapsed": False, "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        })
        top += 1
        left, line = 0, 0
        for panel in row["panels"]:
            width, height = (int(part) for part in panel["size"].split("x"))
            if left + width > COLUMNS:
                left, top, line = 0, top + line, 0
            place = {"x": left, "y": top, "w": width, "h": height}
            panels.append(make_panel(panel, len(panels) + 1, place))
            left, line = left + width, max(line, height)
        top += line
    return {
        "uid": source["uid"],
        "title": source["title"],
        "description": source["description"],
        "tags": ["esker"],
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": source["refresh"],
        "time": {"from": source["range"], "to": "now"},
        "timepicker": {},
        "annotations": {"list": []},
        "links": [{
            "type": "dashboards", "title": "Esker", "tags": ["esker"], "asDropdown": False, "includeVars": True, "keepTime": True,
            "targetBlank": False,
        }],
        "templating": {"list": variables(source.get("selectors", SELECTORS))},
        "panels": panels,
    }


def variables(selectors):
    """The data source, then each selector, which offers what those before it leave."""
    made = [{
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}, "hide": 0,
        "includeAll": False, "multi": False, "options": [], "refresh": 1, "regex": "",
    }]
    for index, name in enumerate(selectors):
        query = f"label_values({selected(selectors[:index])}, {name})"
        made.append({
            "name": name, "label": name, "type": "query", "datasource": DATASOURCE,
            "definition": query, "query": {"query": query, "refId": "Variables"},
            # `.*` also matches series without the label: a Prometheus need not name its cluster.
            "allValue": ".*", "includeAll": True, "multi": True, "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "hide": 0, "options": [], "refresh": 2, "regex": "", "sort": 1,
        })
    return made


def selected(names):
    """Every Esker agent has esker_build_info."""
    chosen = ", ".join(f'{name}=~"${name}"' for name in names)
    return f"esker_build_info{{{chosen}}}" if chosen else "esker_build_info"


def make_panel(panel, number, place):
    where = f"panel {panel.get('title', '?')}"
    refuse_unknown(panel, PANEL_KEYS, where)
    for key in ("title", "kind", "size", "description", "queries"):
        if not panel.get(key):
            raise SourceError(f"{where}: {key} is missing")
    kind = panel["kind"]
    if kind not in KINDS:
        raise SourceError(f"{where}: kind {kind} is none of {', '.join(KINDS)}")
    made = {
        "id": number,
        "type": KINDS[kind],
        "title": panel["title"],
        "description": panel["description"],
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": [target(query, index, kind) for index, query in enumerate(panel["queries"])],
        "fieldConfig": {"defaults": defaults(panel), "overrides": overrides(panel)},
        "options": options(kind),
    }
    if kind == "table":
        made["transformations"] = table_columns(panel)
    return made


def target(query, index, kind):
    refuse_unknown(query, {"legend", "expr", "exemplars"}, query.get("expr", "?"))
    instant = kind in ("stat", "table", "bars")
    return {
        "refId": chr(ord("A") + index),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expand(query["expr"]),
        "legendFormat": query.get("legend", ""),
        "instant": instant,
        "range": not instant,
        "exemplar": query.get("exemplars", False),
        "format": "table" if kind == "table" else "time_series",
    }


def defaults(panel):
    made = {"unit": panel.get("unit", "short"), "mappings": [], "color": {"mode": "palette-classic"}}
    if "decimals" in panel:
        made["decimals"] = panel["decimals"]
    if "thresholds" in panel:
        made["thresholds"] = {
            "mode": "absolute",
            "steps": [{"color": color, "value": value} for color, value in panel["thresholds"].items()],
        }
        made["color"] = {"mode": "thresholds"}
    if "values" in panel:
        made["mappings"].append({
            "type": "value",
            "options": {
                str(value): {"text": shown["text"], "color": shown["color"], "index": index}
                for index, (value, shown) in enumerate(panel["values"].items())
            },
        })
    if "nothing" in panel:
        made["noValue"] = panel["nothing"]
    if panel["kind"] == "timeseries":
        made["min"] = 0
        made["custom"] = {
            "drawStyle": "line", "lineWidth": 1, "fillOpacity": 25 if panel.get("stack") else 5, "showPoints": "never",
            "spanNulls": False, "stacking": {"mode": "normal" if panel.get("stack") else "none", "group": "A"},
        }
    if panel["kind"] == "timeline":
        made["custom"] = {"lineWidth": 0, "fillOpacity": 80}
    return made


def overrides(panel):
    """In a table only the values have the unit."""
    if panel["kind"] != "table":
        return []
    shown = panel.get("names", {})
    return [
        {"matcher": {"id": "byName", "options": shown.get(column, column)}, "properties": [{"id": "unit", "value": "string"}]}
        for column in panel["columns"] if not column.startswith("Value")
    ]


def options(kind):
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    return {
        "stat": {"reduceOptions": reduce, "colorMode": "background", "graphMode": "none", "textMode": "auto", "justifyMode": "auto"},
        "timeseries": {
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "timeline": {"mergeValues": True, "showValue": "auto", "rowHeight": 0.8, "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
        "table": {"showHeader": True, "cellHeight": "sm"},
        "bars": {"reduceOptions": reduce, "displayMode": "gradient", "orientation": "horizontal", "showUnfilled": True},
    }[kind]


def table_columns(panel):
    """One row for each set of labels, and only the columns that were named, in that order."""
    columns = panel["columns"]
    return [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": columns}}},
        {"id": "organize", "options": {
            "indexByName": {column: index for index, column in enumerate(columns)},
            "renameByName": panel.get("names", {}),
            "excludeByName": {},
        }},
        {"id": "sortBy", "options": {"sort": [{"field": panel.get("names", {}).get(columns[-1], columns[-1]), "desc": True}]}},
    ]


def refuse_unknown(mapping, known, where):
    unknown = set(mapping) - known
    if unknown:
        raise SourceError(f"{where}: unknown {', '.join(sorted(unknown))}")


def text_of(source):
    """The file, as it is kept in the repository."""
    return json.dumps(make(source), indent=2, ensure_ascii=False) + "\n"


def main(arguments):
    if arguments not in ([], ["--check"]):
        print("usage: dashboards.py [--check]", file=sys.stderr)
        return 2
    stale = []
    for name, source in sources().items():
        path, text = MADE / f"{name}.json", text_of(source)
        if path.exists() and path.read_text() == text:
            continue
        if arguments:
            stale.append(path.name)
        else:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    if stale:
        print(f"{', '.join(stale)}: not what tests/telemetry/dashboards makes; run: make dashboards", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

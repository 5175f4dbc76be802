"""The dashboards of helm/esker/dashboards: made from their sources, complete, and about series that somebody records."""

import json
import re
import unittest

import cases
import dashboards
import queries
import series


class Dashboards(unittest.TestCase):
    def test_they_are_what_their_sources_make(self):
        made = {path.stem: path.read_text() for path in dashboards.MADE.glob("*.json")}
        self.assertEqual(sorted(made), sorted(dashboards.sources()))
        for name, source in dashboards.sources().items():
            self.assertEqual(made[name], dashboards.text_of(source), f"{name}.json is not up to date: make dashboards")

    def test_each_panel_says_what_to_make_of_it(self):
        for name, source in dashboards.sources().items():
            for panel in dashboards.panels_of(source):
                self.assertGreater(len(panel["description"]), 60, f"{name}: {panel['title']}")

    def test_panels_do_not_overlap(self):
        for path in dashboards.MADE.glob("*.json"):
            taken = set()
            for panel in json.loads(path.read_text())["panels"]:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], dashboards.COLUMNS, panel["title"])
                squares = {
                    (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
                }
                self.assertFalse(squares & taken, f"{path.name}: {panel['title']} covers another panel")
                taken |= squares

    def test_each_query_has_a_name_of_its_own(self):
        names = [str(query) for query in queries.all_queries()]
        self.assertEqual(len(names), len(set(names)), [name for name in names if names.count(name) > 1])

    def test_what_they_read_is_recorded(self):
        recorded = {rule["record"] for group in cases.rules()["groups"] for rule in group["rules"] if "record" in rule}
        read = {name for query in queries.all_queries() for name in re.findall(r"\b\w+:esker_\w+:\w+", query.expr)}
        self.assertFalse(read - recorded)
        in_rules = " ".join(rule["expr"] for group in cases.rules()["groups"] for rule in group["rules"])
        unread = {name for name in recorded - read if name not in in_rules}
        self.assertFalse(unread, "recorded for nobody")

    def test_they_and_the_rules_read_what_agents_have(self):
        exprs = {str(query): query.expr for query in queries.all_queries()}
        for group in cases.rules()["groups"]:
            exprs.update({rule.get("alert") or f"{rule['record']} {rule.get('labels')}": rule["expr"] for rule in group["rules"]})
        for name, expr in exprs.items():
            self.assertFalse(series.read_by(expr) - set(series.by_series()), name)

    def test_a_page_of_metrics_is_compared_with_the_list(self):
        page = '# TYPE esker_ready counter\nesker_ready_total{zone="a"} 1\n# TYPE esker_new gauge\nesker_new 1\n# EOF\n'
        wrong = series.differences(page)
        self.assertIn("esker_ready is a counter, not a gauge", wrong)
        self.assertIn("esker_ready has the labels ['zone'], not []", wrong)
        self.assertIn("the agent has esker_new, and series.yaml does not", wrong)
        self.assertIn("series.yaml has esker_segments, and the agent does not", wrong)

    def test_a_source_with_a_typo_is_refused(self):
        panel = {"title": "t", "kind": "stat", "size": "4x4", "description": "d", "queries": [{"expr": "up"}]}
        place = {"x": 0, "y": 0, "w": 4, "h": 4}
        dashboards.make_panel(panel, 1, place)
        for wrong in ({**panel, "unti": "s"}, {**panel, "kind": "pie"}, {**panel, "description": ""}, {**panel, "queries": []}):
            with self.assertRaises(dashboards.SourceError):
                dashboards.make_panel(wrong, 1, place)


if __name__ == "__main__":
    unittest.main()

"""The rules of helm/esker/rules: promtool takes them, each alert fires and stays silent as its cases say, each has a runbook.

Run from the repository: python -m unittest discover -s tests/telemetry
"""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import cases

RUNBOOKS = cases.HERE.parents[1] / "docs" / "runbooks.md"
BIN = os.environ.get("ESKER_TEST_PROMETHEUS_BIN")


def promtool(*arguments):
    """Its exit code, and what it said."""
    run = subprocess.run([Path(BIN) / "promtool", *arguments], capture_output=True, text=True, check=False, timeout=300)
    return run.returncode, run.stdout + run.stderr


@unittest.skipUnless(BIN, "no Prometheus here")
class Promtool(unittest.TestCase):
    def test_the_rules_are_right(self):
        code, said = promtool("check", "rules", "--lint=all", str(cases.RULES))
        self.assertEqual(code, 0, said)

    def test_alerts_fire_and_stay_silent(self):
        with tempfile.TemporaryDirectory() as directory:
            code, said = promtool("test", "rules", *map(str, cases.write(directory, cases.rules(), cases.cases())))
        self.assertEqual(code, 0, said)

    def test_recording_rules(self):
        for path in sorted(cases.CASES.glob("*_test.yaml")):
            code, said = promtool("test", "rules", str(path))
            self.assertEqual(code, 0, f"{path.name}: {said}")


class Alerts(unittest.TestCase):
    def test_each_has_a_case_of_both_kinds(self):
        alerts, of_alerts = cases.alerts(cases.rules()), cases.cases()
        self.assertEqual(sorted(alerts), sorted(of_alerts))
        for name, kinds in of_alerts.items():
            self.assertEqual(set(kinds), {"fires", "silent"}, name)
            self.assertTrue(kinds["fires"] and kinds["silent"], name)
            for case in kinds["fires"]:
                self.assertEqual("pending" in case, "for" in alerts[name], f"{name}: {case['when']}")

    def test_each_says_what_it_is_and_where_to_read(self):
        for name, alert in cases.alerts(cases.rules()).items():
            self.assertIn(alert["labels"]["severity"], ("critical", "warning"), name)
            self.assertEqual(set(alert["annotations"]), {"summary", "description", "runbook_url"}, name)
            self.assertEqual(alert["annotations"]["runbook_url"], f"docs/runbooks.md#{name.lower()}", name)

    def test_runbooks_are_those_of_the_alerts(self):
        sections = re.findall(r"^### (Esker\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
        self.assertEqual(sorted(sections), sorted(cases.alerts(cases.rules())))


if __name__ == "__main__":
    unittest.main()

"""What is written by scripts/chart is what scripts/chart would write."""

import re
import shlex
import unittest

import yaml

import readme
import settings
import snapshots
from chart import CHART, KUBERNETES, ROOT, helm, program, render


class Readme(unittest.TestCase):
    def test_is_made_from_values(self):
        self.assertEqual(readme.README.read_text(), readme.written(), "run `scripts/chart readme`")

    def test_refuses_a_value_without_a_description(self):
        with self.assertRaisesRegex(readme.Undocumented, "image.tag has no comment"):
            readme.table("image:\n  # Its name.\n  repository: x\n  tag: y\n")

    def test_its_commands_and_examples_are_taken_by_the_chart(self):
        text = readme.README.read_text()
        (command,) = re.findall(r"^helm install ((?:.*\\\n)*.*)$", text, re.MULTILINE)
        release, folder, *options = shlex.split(command.replace("\\\n", " "))
        self.assertEqual(ROOT / folder, CHART)
        done = helm("template", release, str(CHART), "--kube-version", KUBERNETES, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        examples = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
        self.assertTrue(examples)
        for example in examples:
            render(example)

    def test_links_lead_somewhere(self):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", readme.README.read_text()):
            if "://" not in target:
                self.assertTrue((CHART / target).exists(), f"README.md of the chart links to {target}")


class Settings(unittest.TestCase):
    def test_are_those_of_the_program(self):
        of_program = settings.of_program(program("ESKER_TEST_PROGRAM"))
        self.assertGreater(len(of_program), 30)
        known = settings.of_schema()
        missing = set(of_program) - set(known)
        self.assertFalse(missing, "the chart does not know these settings: run `scripts/chart settings`")
        gone = set(known) - set(of_program)
        self.assertFalse(gone, "the program does not know these settings: run `scripts/chart settings`")
        for name, schema in of_program.items():
            self.assertEqual(known[name], schema, f"{name}: run `scripts/chart settings`")

    def test_are_read_from_help(self):
        help_text = (
            "Usage: esker agent [OPTIONS]\n\nOptions:\n"
            "      --config <FILE>  TOML\n  -h, --help           Print help\n\nClients:\n"
            "      --listeners <NAME://HOST:PORT,...>\n          Where --clients connect\n"
            "      --max-connections <COUNT>  Most\n"
            "      --auto-create-topics [<BOOL>]  Create\n"
            "      --log-format <text|json>\n          Form\n"
            "      --sample <RATIO>  Share\n"
        )
        self.assertEqual(
            settings.of_help(help_text),
            {
                "listeners": {"type": "string"},
                "max_connections": {"type": "integer", "minimum": 0},
                "auto_create_topics": {"type": "boolean"},
                "log_format": {"enum": ["text", "json"]},
                "sample": {"type": "number", "minimum": 0, "maximum": 1},
            },
        )


class Snapshots(unittest.TestCase):
    maxDiff = 4000

    def test_there_are_enough(self):
        self.assertGreaterEqual(len(snapshots.CASES), 8)

    def test_are_what_the_chart_makes(self):
        for case in snapshots.CASES:
            with self.subTest(case=case.name):
                kept = snapshots.snapshot_of(case)
                self.assertTrue(kept.exists(), "run `scripts/chart snapshots`")
                self.assertEqual(kept.read_text(), snapshots.taken(case), "run `scripts/chart snapshots` and read the difference")

    def test_none_is_left_over(self):
        kept = {file.name for file in (snapshots.HERE / "snapshots").glob("*.yaml")}
        self.assertEqual(kept, {case.name for case in snapshots.CASES})


class Version(unittest.TestCase):
    def test_is_that_of_the_program(self):
        of_workspace = re.search(r'^\[workspace\.package\]\nversion = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
        self.assertEqual(yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"], of_workspace[1])

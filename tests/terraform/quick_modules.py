"""Formatting, `terraform validate` of every example, `terraform test` of every module: nothing is applied."""

import glob
import os
import re
import unittest

from workbench import EXAMPLES, MODULES, SOURCES, WITHOUT, Failed, Workbench


@unittest.skipIf(WITHOUT, WITHOUT)
class Modules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bench = Workbench()
        cls.addClassCleanup(cls.bench.remove)
        for folder in MODULES + EXAMPLES:
            cls.bench.init(folder)

    def test_formatting(self):
        self.bench.run(".", "fmt", "-check", "-diff", "-recursive", "-no-color")

    def test_every_folder_is_known(self):
        found = {os.path.relpath(directory, SOURCES) for directory, _, files in os.walk(SOURCES) if "main.tf" in files or "versions.tf" in files}
        self.assertEqual({folder for folder in found if "/.terraform/" not in folder}, set(MODULES + EXAMPLES))

    def test_validate(self):
        # Tests of a module begin with that.
        for folder in EXAMPLES:
            with self.subTest(folder=folder):
                self.bench.run(folder, "validate", "-no-color")

    def test_modules(self):
        for folder in MODULES:
            with self.subTest(folder=folder):
                written = self.bench.run(folder, "test", "-no-color")
                # That a file was not found would look like success.
                self.assertRegex(written, rf"(?m)^Success! {self.runs(folder)} passed, 0 failed")

    def runs(self, folder):
        count = 0
        for name in glob.glob(self.bench.path(folder, "tests", "*.tftest.hcl")):
            with open(name) as file:
                count += len(re.findall('(?m)^run "', file.read()))
        self.assertGreater(count, 0)
        return count

    def test_a_refusal_reaches_the_reader(self):
        with self.assertRaises(Failed) as caught:
            self.bench.run("modules/agent-policy", "plan", "-no-color", "-var=bucket=records", "-var=prefix=esker/")
        self.assertIn("prefix must be like `esker` or `team/esker`", re.sub(r"\s+", " ", str(caught.exception)))


if __name__ == "__main__":
    unittest.main()

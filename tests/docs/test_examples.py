"""Every program of examples/ stands in a guide and is run by tests/matrix, and the other way round."""

import os
import re
import sys
import unittest

from markdown import ROOT, paths

sys.path.insert(0, os.path.join(ROOT, "tests", "matrix"))
# pylint: disable=wrong-import-position
from matrix.entries.examples import ENTRIES  # noqa: E402

SOURCES = (".py", ".go", ".js", ".rs", ".c", ".cpp", ".java", ".cs")
INCLUDE = re.compile(r"\{\{#include\s+([^}\s]+)\s*\}\}")
# There is no .NET where tests run; the page says so.
NOT_RUN = {"examples/dotnet/Program.cs": "was written and never run"}


def included():
    """Path of each program that a guide includes, with the guide's text."""
    found = {}
    for page in paths(".md"):
        if page.startswith("docs/guides/"):
            with open(os.path.join(ROOT, page), encoding="utf-8") as file:
                text = file.read()
            for target in INCLUDE.findall(text):
                found[os.path.normpath(os.path.join(os.path.dirname(page), target))] = text
    return found


class Examples(unittest.TestCase):
    def test_every_program_is_in_a_guide(self):
        programs = [path for path in paths(*SOURCES) if path.startswith("examples/")]
        self.assertGreater(len(programs), 8)
        self.assertEqual(sorted(programs), sorted(included()))

    def test_every_program_is_run_but_those_that_say_that_they_are_not(self):
        self.assertEqual(len(included()) - len(NOT_RUN), len(ENTRIES))
        for program, words in NOT_RUN.items():
            self.assertIn(words, included()[program])


if __name__ == "__main__":
    unittest.main()

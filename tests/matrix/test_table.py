"""docs/clients.md is what tests/matrix/results.json says, and says so in each case."""

import unittest

from matrix.entries import ENTRIES
from matrix.results import recorded
from matrix.table import DOCUMENT, cell, document


class Table(unittest.TestCase):
    def test_the_page_is_written_from_the_results(self):
        with open(DOCUMENT, encoding="utf-8") as file:
            self.assertEqual(document(), file.read(), "make matrix TARGET=… ARGS=--record writes it anew")

    def test_only_known_entries_are_recorded(self):
        self.assertEqual(set(), set(recorded()) - set(ENTRIES))

    def test_cells(self):
        self.assertEqual("not run yet", cell(None))
        self.assertEqual("passes: 3 pass", cell({"outcome": "pass", "counts": {"pass": 3, "fail": 0}}))
        self.assertEqual("**fails**: 3 pass, 1 fail", cell({"outcome": "fail", "counts": {"pass": 3, "fail": 1}}))
        self.assertEqual("skipped", cell({"outcome": "skip", "counts": {}}))


if __name__ == "__main__":
    unittest.main()

"""What people read: tables, descriptions, refusals. Needs no Terraform."""

import re
import unittest

import tables
from declarations import declarations
from workbench import EXAMPLES, MODULES


class Words(unittest.TestCase):
    def test_tables_are_those_of_the_files(self):
        text = tables.read()
        places = [(kind, folder) for _, kind, folder, _ in tables.PLACE.findall(text)]
        self.assertEqual(sorted(places), sorted((kind, folder) for kind in ("inputs", "outputs") for folder in MODULES))
        self.assertEqual(tables.renewed(text), text, "run tests/terraform/tables.py --write")

    def test_everything_is_described(self):
        for folder in MODULES + EXAMPLES:
            found = declarations(folder)
            self.assertTrue(found, folder)
            for declaration in found:
                with self.subTest(folder=folder, name=declaration.name):
                    self.assertRegex(declaration.description, r"^.{10,}[.:]$|^.{10,}\.\S*$")
                    if declaration.kind == "variable":
                        self.assertIsNotNone(declaration.type)

    def test_refusals_are_sentences_that_name_the_variable(self):
        refusals = 0
        for folder in MODULES + EXAMPLES:
            for declaration in declarations(folder):
                # None is on two lines, which would hide it from the next check.
                self.assertEqual(len(declaration.messages), declaration.validations, declaration.name)
                for message in declaration.messages:
                    refusals += 1
                    with self.subTest(folder=folder, message=message):
                        self.assertTrue(re.search(rf"\b{declaration.name}\b", message))
                        self.assertRegex(message, r"[.…`]$")
        self.assertGreater(refusals, 20)


if __name__ == "__main__":
    unittest.main()

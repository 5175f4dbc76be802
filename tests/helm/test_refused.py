"""Values that do not fit end in one sentence, before anything is made."""

import concurrent.futures
import os
import re
import unittest

import yaml

import settings
from chart import CHART, HERE, LEAST, Refused, expanded, merged, render, render_text

CASES = yaml.safe_load((HERE / "refused.yaml").read_text())


class RefusedValues(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
            cls.said = list(zip(CASES, threads.map(lambda case: cls.refusal(case["values"]), CASES)))

    @staticmethod
    def refusal(values):
        try:
            render_text(values=merged(LEAST, values))
        except Refused as refused:
            return str(refused)
        return "nothing: it is rendered"

    def test_each_says_what_is_wrong(self):
        for case, said in self.said:
            with self.subTest(values=case["values"]):
                self.assertIn(case["says"], said)

    def test_a_sentence_names_no_secret(self):
        with_secret = [(case, said) for case, said in self.said if "hush" in yaml.safe_dump(case["values"])]
        self.assertGreater(len(with_secret), 4)
        for case, said in with_secret:
            with self.subTest(values=case["values"]):
                self.assertNotIn("hush", said)

    def test_every_sentence_of_the_templates_has_a_case(self):
        text = "".join(file.read_text() for file in (CHART / "templates").rglob("*.*"))
        sentences = re.findall(r'fail (?:\(printf )?"((?:[^"\\]|\\.)*)"', text)
        self.assertGreater(len(sentences), 30)
        for sentence in sentences:
            pattern = re.compile(re.sub(r"%[a-z]", ".*", re.escape(sentence)))
            with self.subTest(sentence=sentence):
                self.assertTrue(any(pattern.search(said) for _, said in self.said), "no case in refused.yaml")

    def test_every_setting_is_taken_or_has_a_value_in_its_place(self):
        tried = {"string": "x", "integer": 7, "number": 0.5, "boolean": True}
        taken = {}
        values = {}
        for name, schema in settings.of_schema().items():
            kind = schema.get("type", "string")
            values[name] = schema["enum"][0] if "enum" in schema else tried[kind if isinstance(kind, str) else kind[0]]
        for name, value in values.items():
            refusal = f"settings.{name} is worked out by the chart: use the value "
            said = self.refusal({"settings": {name: value}})
            if refusal not in said:
                self.assertEqual(said, "nothing: it is rendered", name)
                taken[name] = value
        self.assertGreater(len(taken), 20)
        known = expanded(render({"settings": taken}).one("StatefulSet", "esker"), 0)
        for name, value in taken.items():
            self.assertEqual(known[f"ESKER_{name.upper()}"], "true" if value is True else str(value))

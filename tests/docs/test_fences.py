"""Code blocks in TOML, JSON and YAML are what they say they are, and every block says what it is."""

import json
import unittest

from markdown import documents

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    from pip._vendor import tomli as tomllib

try:
    import yaml
except ModuleNotFoundError:
    yaml = None

# What a block may be.
LANGUAGES = {"sh", "console", "text", "toml", "json", "yaml", "promql", "sql", "hcl", "rust", "java", "python", "go", "c", "cpp", "csharp",
             "javascript", "xml", "dockerfile", "ini", "markdown"}


def parse(language, body):
    """Raises ValueError if the body is not in that language."""
    if language == "toml":
        tomllib.loads(body)
    elif language == "json":
        # Documents may show several, one per line.
        try:
            json.loads(body)
        except ValueError:
            for line in filter(str.strip, body.splitlines()):
                json.loads(line)
    elif language == "yaml" and yaml is not None:
        try:
            list(yaml.safe_load_all(body))
        except yaml.YAMLError as e:
            raise ValueError(str(e)) from None


class Fences(unittest.TestCase):
    def test_blocks_parse(self):
        wrong, count = [], 0
        for document in documents():
            for fence in document.fences:
                place = f"{document.path}:{fence.line}"
                if fence.language not in LANGUAGES:
                    wrong.append(f"{place}: say what the block is, one of {', '.join(sorted(LANGUAGES))}: {fence.language!r}")
                if "…" in fence.body and fence.language == "json":
                    continue
                count += fence.language in ("toml", "json", "yaml")
                try:
                    parse(fence.language, fence.body)
                except ValueError as e:
                    wrong.append(f"{place}: {e}")
        self.assertEqual([], wrong, "\n" + "\n".join(wrong))
        self.assertGreater(count, 2)

    def test_what_does_not_parse_is_told(self):
        for language, body in (("toml", "a = \n"), ("json", '{"a": 1,}'), ("json", '{"a": 1}\n{"b"}')):
            with self.assertRaises(ValueError):
                parse(language, body)
        parse("json", '{"a": 1}\n{"b": 2}\n')
        parse("toml", 'a = "8MiB"\n')
        if yaml is not None:
            with self.assertRaises(ValueError):
                parse("yaml", "a: [1\n")


if __name__ == "__main__":
    unittest.main()

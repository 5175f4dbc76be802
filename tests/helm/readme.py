"""README.md of the chart: what is around the table by hand (README.head.md), the table from the comments of values.yaml.

A value's description is the comment right above it. Maps whose keys users choose, and those that are handed to
Kubernetes as they are, are one line of the table; all other maps are listed value by value. A value without a
description is an error.
"""

import json
import pathlib
import re

import yaml

from chart import CHART, HERE

README = CHART / "README.md"
HEAD = HERE / "README.head.md"
LINE = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):(.*)$")


class Undocumented(Exception):
    """A value of values.yaml that no comment describes."""


def described(text):
    """(section, path, default, description) of every value with a comment, in order."""
    values = yaml.safe_load(text)
    rows, comment, path, section = [], [], [], ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("## "):
            section, comment = stripped[3:], []
        elif stripped.startswith("#"):
            comment.append(stripped[1:].strip())
        elif match := LINE.match(line):
            path = path[: len(match[1]) // 2] + [match[2]]
            if comment:
                rows.append((section, ".".join(path), reach(values, path), " ".join(comment)))
            comment = []
        else:
            comment = []
    return rows


def reach(values, path):
    for key in path:
        values = values[key]
    return values


def leaves(values, path=()):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield ".".join((*path, key))


def table(text):
    rows = described(text)
    paths = {path for _, path, _, _ in rows}
    for leaf in leaves(yaml.safe_load(text)):
        parts = leaf.split(".")
        if not any(".".join(parts[:n]) in paths for n in range(1, len(parts) + 1)):
            raise Undocumented(f"values.yaml: {leaf} has no comment above it")
    lines, last = [], None
    for section, path, default, description in rows:
        if section != last:
            lines += ["", f"### {section}", "", "| value | default | meaning |", "|---|---|---|"]
            last = section
        # A map whose values are described one by one is not repeated here.
        inner = any(other.startswith(path + ".") for other in paths)
        shown = "" if inner else f"`{json.dumps(default)}`"
        lines.append(f"| `{path}` | {shown} | {description.replace('|', chr(92) + '|')} |")
    return "\n".join(lines).strip() + "\n"


def written():
    head = HEAD.read_text()
    note = "<!-- Written by `scripts/chart readme` from values.yaml and tests/helm/README.head.md; do not edit. -->\n"
    return note + head.replace("{{values}}\n", table((CHART / "values.yaml").read_text()))


def rewrite(path: pathlib.Path = README):
    path.write_text(written())

"""Writes docs/clients.md from what tests/matrix/results.json records."""

import os

from matrix.entries import ENTRIES
from matrix.parts import MATRIX, ROOT
from matrix.results import recorded

DOCUMENT = os.path.join(ROOT, "docs", "clients.md")
HEAD = os.path.join(MATRIX, "clients.head.md")
TARGET_COLUMNS = (("kafka", "Apache Kafka"), ("dev", "`esker dev`"), ("cluster", "three agents"))


def document():
    """The page: what tests/matrix/clients.head.md says, then the table."""
    kept = recorded()
    with open(HEAD, encoding="utf-8") as file:
        head = file.read()
    lines = ["| entry | client | version | what is run | " + " | ".join(title for _, title in TARGET_COLUMNS) + " |",
             "|---|---|---|---|" + "---|" * len(TARGET_COLUMNS)]
    for entry in ENTRIES.values():
        cells = [cell(kept.get(entry.name, {}).get(target)) for target, _ in TARGET_COLUMNS]
        lines.append(f"| `{entry.name}` | {entry.client} | {entry.version} | {entry.ran} | {' | '.join(cells)} |")
    reasons = ["", *remarks(kept)]
    return head + "\n".join(lines + reasons).rstrip() + "\n"


def cell(found):
    """One outcome, with its counts."""
    if found is None:
        return "not run yet"
    if found["outcome"] == "skip":
        return "skipped"
    counts = ", ".join(f"{count} {what}" for what, count in found["counts"].items() if count)
    return f"{'passes' if found['outcome'] == 'pass' else '**fails**'}: {counts}"


def remarks(kept):
    """A line for each outcome that is not a pass."""
    for entry in ENTRIES.values():
        for target, title in TARGET_COLUMNS:
            found = kept.get(entry.name, {}).get(target)
            if found and found["outcome"] != "pass":
                yield f"- `{entry.name}` on {title}: {' '.join(found['reason'].split())[:500]}"


def write_document():
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(document())
    return os.path.relpath(DOCUMENT, ROOT)

"""Markdown as far as the checks of the documentation need it: code blocks, links, headings and what they are called in links."""

import os
import re
from dataclasses import dataclass
from typing import List, Optional

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Directories without documents of ours.
LEFT_OUT = {".git", "target", "node_modules", "esker-data", "__pycache__"}

FENCE = re.compile(r"^(\s*)(```+|~~~+)\s*([\w+-]*)")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
COMMENT = re.compile(r"^\s*<!--\s*(.*?)\s*-->\s*$")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^()\s>]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\s*\[[^\]]+\]:\s*(\S+)")
IDENTIFIED = re.compile(r"<\w+[^>]*\s(?:id|name)=\"([^\"]+)\"")
CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")


@dataclass(frozen=True)
class Fence:
    """A code block."""

    language: str
    # Line of its first ``` from 1.
    line: int
    body: str
    # What stands in the HTML comment right above, if there is one.
    comment: Optional[str]


@dataclass(frozen=True)
class Link:
    target: str
    line: int


class Document:
    """One Markdown file, by its path below the root."""

    def __init__(self, path, text=None):
        self.path = path
        if text is None:
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                text = file.read()
        self.fences: List[Fence] = []
        self.links: List[Link] = []
        self.headings: List[str] = []
        self.anchors = set()
        self._read(text.split("\n"))

    def _read(self, lines):
        open_fence, comment, counts = None, None, {}
        for number, line in enumerate(lines, 1):
            fence = FENCE.match(line)
            if open_fence:
                indent, mark, language, began, above, body = open_fence
                if fence and fence.group(2).startswith(mark) and not fence.group(3):
                    self.fences.append(Fence(language, began, "".join(body), above))
                    open_fence = None
                else:
                    body.append(line[len(indent):] + "\n" if line.startswith(indent) else line.lstrip() + "\n")
                continue
            if fence:
                open_fence = (fence.group(1), fence.group(2), fence.group(3), number, comment, [])
                comment = None
                continue
            said = COMMENT.match(line)
            if said:
                comment = said.group(1)
            elif line.strip():
                comment = None
            self._heading(line, counts)
            self.anchors.update(IDENTIFIED.findall(line))
            plain = CODE_SPAN.sub("code", line)
            self.links.extend(Link(target, number) for target in LINK.findall(plain))
            reference = REFERENCE.match(plain)
            if reference:
                self.links.append(Link(reference.group(1), number))
        if open_fence:
            raise ValueError(f"{self.path}:{open_fence[3]}: the code block has no end")

    def _heading(self, line, counts):
        heading = HEADING.match(line)
        if not heading:
            return
        self.headings.append(heading.group(2))
        slug = slug_of(heading.group(2))
        count = counts.get(slug, 0)
        counts[slug] = count + 1
        self.anchors.add(f"{slug}-{count}" if count else slug)


def slug_of(heading):
    """What links call a heading, where repositories are browsed and by mdBook."""
    words = LINK.sub(lambda link: link.group(0).split("](")[0].lstrip("!["), heading)
    kept = "".join(c for c in words.strip().lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def paths(*suffixes):
    """Every file of the repository with one of these endings, by its path below the root."""
    found = []
    for directory, folders, files in os.walk(ROOT):
        folders[:] = sorted(folder for folder in folders if folder not in LEFT_OUT)
        found.extend(os.path.relpath(os.path.join(directory, file), ROOT) for file in sorted(files) if file.endswith(suffixes))
    return found


def documents():
    """Every Markdown file of the repository, but for templates of files that stand elsewhere."""
    return [Document(path) for path in paths(".md") if "/templates/" not in path and not path.endswith(".head.md")]

"""Every link between files of the repository leads to a file, and to a heading that it has."""

import os
import re
import unittest

from markdown import ROOT, Document, documents, slug_of

ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:|^//", re.IGNORECASE)


def broken(document, known):
    """`path:line: target: why` of each link that leads nowhere. `known` keeps what was read."""
    for link in document.links:
        if ELSEWHERE.match(link.target):
            continue
        file, _, anchor = link.target.partition("#")
        where = os.path.normpath(os.path.join(os.path.dirname(document.path), file)) if file else document.path
        place = f"{document.path}:{link.line}: {link.target}"
        if where.startswith("..") or not os.path.exists(os.path.join(ROOT, where)):
            yield f"{place}: there is no such file"
        elif anchor and where.endswith(".md"):
            if where not in known:
                known[where] = Document(where)
            if anchor not in known[where].anchors:
                yield f"{place}: there is no such heading"


class Links(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        all_of_them = documents()
        known = {document.path: document for document in all_of_them}
        wrong = [sentence for document in all_of_them for sentence in broken(document, known)]
        self.assertGreater(sum(len(document.links) for document in all_of_them), 100)
        self.assertEqual([], wrong, "\n" + "\n".join(wrong))

    def test_every_page_of_the_site_is_in_its_summary_and_the_other_way_round(self):
        listed = [os.path.normpath(os.path.join("docs", link.target)) for link in Document("docs/SUMMARY.md").links]
        there = [document.path for document in documents() if document.path.startswith("docs/")]
        self.assertEqual(sorted(set(there) - {"docs/SUMMARY.md"}), sorted(listed))


class Rules(unittest.TestCase):
    """What the check above would notice."""

    def wrong(self, text):
        return [sentence.split(": ")[-1] for sentence in broken(Document("docs/made-up.md", text), {})]

    def test_what_is_not_there_is_told(self):
        self.assertEqual(["there is no such file"], self.wrong("[a](no-such.md)"))
        self.assertEqual(["there is no such file"], self.wrong("![a](figures/no-such.svg)"))
        self.assertEqual(["there is no such file"], self.wrong("[a]: ../../outside.md"))
        self.assertEqual(["there is no such heading"], self.wrong("[a](glossary.md#no-such)"))
        self.assertEqual([], self.wrong("[a](glossary.md#the-parts) [b](../README.md) [c](https://example.com/x)"))

    def test_code_has_no_links(self):
        self.assertEqual([], self.wrong("`[a](no.md)` and\n```text\n[a](no.md)\n```\n"))

    def test_headings_have_the_names_that_links_use(self):
        self.assertEqual("what-to-do-when-its-down", slug_of("What to do, when it's *down*?"))
        self.assertEqual("clusterjson", slug_of("`cluster.json`"))
        twice = Document("x.md", "# A b\n## A b\n<a id=\"c\"></a>")
        self.assertEqual({"a-b", "a-b-1", "c"}, twice.anchors)


if __name__ == "__main__":
    unittest.main()

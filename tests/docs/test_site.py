"""mdBook builds the documentation without a warning, and in the site that comes out every link leads somewhere."""

import html.parser
import os
import subprocess
import unittest
import urllib.parse

from markdown import ROOT
from parts import build_directory, need

# mdBook's own pages, whose links are made for other places.
OWN_PAGES = {"404.html", "print.html", "toc.html"}


class Page(html.parser.HTMLParser):
    """Links and names of one page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.names = [], set()
        with open(path, encoding="utf-8") as file:
            self.feed(file.read())

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.names.add(value)
            elif (tag, name) in (("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")) and value:
                self.links.append(value)


class Site(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        mdbook = need(os.environ.get("ESKER_MDBOOK"), "documentation as a site", "there is no mdBook")
        cls.book = os.path.join(build_directory(), "book")
        cls.done = subprocess.run([mdbook, "build", ROOT, "--dest-dir", cls.book], stdin=subprocess.DEVNULL, timeout=300, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")

    def test_it_is_built_without_warnings(self):
        self.assertEqual(0, self.done.returncode, self.done.stdout)
        said = [line for line in self.done.stdout.splitlines() if "INFO" not in line and line.strip()]
        self.assertEqual([], said, self.done.stdout)

    def test_every_link_of_the_site_leads_somewhere(self):
        pages, wrong = {}, []
        for directory, _, files in os.walk(self.book):
            for file in files:
                path = os.path.join(directory, file)
                if file.endswith(".html") and os.path.relpath(path, self.book) not in OWN_PAGES:
                    pages[path] = Page(path)
        self.assertGreater(len(pages), 30)
        for path, page in pages.items():
            for link in page.links:
                url = urllib.parse.urlsplit(link)
                if url.scheme or url.netloc:
                    continue
                target = os.path.normpath(os.path.join(os.path.dirname(path), urllib.parse.unquote(url.path))) if url.path else path
                place = f"{os.path.relpath(path, self.book)}: {link}"
                if not os.path.exists(target):
                    wrong.append(f"{place}: there is no such file")
                elif url.fragment and target in pages and urllib.parse.unquote(url.fragment) not in pages[target].names:
                    wrong.append(f"{place}: there is no such heading")
        self.assertEqual([], wrong, "\n" + "\n".join(wrong[:50]))

    def test_programs_are_in_the_guides(self):
        with open(os.path.join(self.book, "guides", "python.html"), encoding="utf-8") as file:
            text = file.read()
        self.assertIn("enable.idempotence", text)
        self.assertNotIn("#include", text)


if __name__ == "__main__":
    unittest.main()

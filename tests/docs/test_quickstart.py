"""What the README and the pages of docs/start tell people to type is typed, and does what they say."""

import concurrent.futures
import os
import unittest

from markdown import Document, paths
from parts import esker, need
from terminal import Failed, Terminal, directive

# Pages whose blocks need a container engine or a cluster altogether.
NOTHING_TO_RUN = {"docs/start/compose.md", "docs/start/kubernetes.md"}
QUICKSTARTS = ["README.md", *(path for path in paths(".md") if path.startswith("docs/start/"))]


def blocks(document):
    """Each block of `sh` with what its comment says, and the text that it has to print, if it has to."""
    fences = document.fences
    for at, fence in enumerate(fences):
        if fence.language == "sh":
            word, why = directive(fence)
            printed = fences[at + 1].body if word == "prints" and at + 1 < len(fences) and fences[at + 1].language == "text" else None
            yield fence, word, why, printed


def run(document):
    """Runs a document's blocks; returns how many."""
    test = f"commands of {document.path}"
    program = need(esker(), test, "esker is not built")
    all_of_it = "".join(fence.body for fence, word, _, _ in blocks(document) if word != "not run")
    kcat = os.environ.get("ESKER_TEST_KCAT")
    if "kcat " in all_of_it:
        need(kcat, test, "there is no kcat")
    if "kafka-" in all_of_it:
        need(os.environ.get("ESKER_TEST_KAFKA_JARS"), test, "Apache Kafka's tools are not here")
    if "make stores" in all_of_it:
        need(os.environ.get("ESKER_TEST_POSTGRES_BIN"), test, "there is no Postgres")
        need(os.environ.get("ESKER_TEST_MOTO"), test, "there is no S3 server")
    count = 0
    terminal = Terminal(program, kcat)
    try:
        for fence, word, _, printed in blocks(document):
            place = f"{document.path}:{fence.line}"
            if word == "not run":
                continue
            count += 1
            if word == "stays":
                terminal.stay(fence.body)
                continue
            found = terminal.run(fence.body)
            if word == "prints" and found.rstrip() != terminal.here(printed).rstrip():
                raise Failed(f"{place} prints\n{found}\nand not\n{printed}")
    finally:
        terminal.close()
    return count


class Quickstart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Side by side: most of it is waiting for others to start.
        cls.pool = concurrent.futures.ThreadPoolExecutor()
        cls.runs = {path: cls.pool.submit(run, Document(path)) for path in ("README.md", "docs/start/laptop.md")}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()

    def test_every_block_is_run_or_says_why_not(self):
        for path in QUICKSTARTS:
            for fence, word, why, printed in blocks(Document(path)):
                place = f"{path}:{fence.line}"
                if word == "not run":
                    self.assertTrue(why, f"{place}: say why it is not run")
                elif word == "prints":
                    self.assertIsNotNone(printed, f"{place}: what does it print?")
                self.assertFalse(path in NOTHING_TO_RUN and word != "not run", f"{place}: say why it is not run")

    def test_the_readme(self):
        self.assertGreater(self.runs["README.md"].result(), 3)

    def test_on_a_laptop(self):
        self.assertGreater(self.runs["docs/start/laptop.md"].result(), 5)


class Rules(unittest.TestCase):
    """What the tests above would notice."""

    def test_a_command_that_fails_is_told(self):
        with self.assertRaises(Failed):
            run(Document("made-up.md", "```sh\nfalse\ntrue\n```\n"))

    def test_other_output_is_told(self):
        text = "<!-- sh: prints -->\n```sh\nseq 2\n```\n\n```text\n1\n{}\n```\n"
        with self.assertRaises(Failed):
            run(Document("made-up.md", text.format("3")))
        self.assertEqual(1, run(Document("made-up.md", text.format("2"))))

    def test_addresses_are_those_of_this_run(self):
        terminal = Terminal(None, None)
        try:
            text = terminal.here("-b 127.0.0.1:9092,localhost:9092 127.0.0.1:9192")
            first, second = text.split(" ")[1].split(",")
            self.assertEqual(first, second)
            self.assertNotIn("9092", text)
            self.assertNotEqual(first, text.split(" ")[2])
        finally:
            terminal.close()


if __name__ == "__main__":
    unittest.main()

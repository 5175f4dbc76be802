"""Apache Kafka's console tools as an entry calls them: the target's address filled in, tables read into rows."""

import re

from matrix.processes import Failure

TOOLS = "org.apache.kafka.tools."
CONSUMER = TOOLS + "consumer.ConsoleConsumer"
PRODUCER = TOOLS + "ConsoleProducer"
TOPICS = TOOLS + "TopicCommand"
GROUPS = TOOLS + "consumer.group.ConsumerGroupCommand"
GET_OFFSETS = TOOLS + "GetOffsetShell"
CONFIGS = "kafka.admin.ConfigCommand"
DELETE_RECORDS = TOOLS + "DeleteRecordsCommand"
PRODUCER_PERF = TOOLS + "ProducerPerformance"
CONSUMER_PERF = TOOLS + "ConsumerPerformance"
VERIFIABLE_PRODUCER = TOOLS + "VerifiableProducer"
VERIFIABLE_CONSUMER = TOOLS + "VerifiableConsumer"

# Keys k1 to k30 over three partitions: which key goes where is the producer's own choice, the same on any broker.
KEYED = 30
KEYED_OF = {0: 9, 1: 12, 2: 9}


class Tools:
    """The tools on one target."""

    def __init__(self, run):
        self._run = run
        self.bootstrap = run.bootstrap
        self.processes = run.processes
        self.path = run.path

    def tool(self, class_name, *args, stdin=None, expect=0, limit_s=90):
        """Run a tool to its end; returns what it printed on stdout and stderr."""
        done = self._run.java(class_name, "--bootstrap-server", self.bootstrap, *args, stdin=stdin, expect=expect, limit_s=limit_s)
        # What is logged is not part of a table: see `rows`.
        return f"{done.stdout}\n\n{done.stderr}"

    def background(self, class_name, *args, log):
        argv = self._run.java_argv(class_name, "--bootstrap-server", self.bootstrap, *args)
        return self.processes.background(argv, log)

    def create(self, topic, partitions=1, *args):
        return self.tool(TOPICS, "--create", "--topic", topic, "--partitions", partitions, *args)

    def ends(self, topic, *args):
        """{partition: offset} from get-offsets."""
        said = self.tool(GET_OFFSETS, "--topic", topic, *args)
        return {int(p): int(o) for p, o in re.findall(rf"^{re.escape(topic)}:(\d+):(\d+)$", said, re.M)}

    def produce_keyed(self, topic):
        """k1:v1 to k30:v30."""
        lines = "".join(f"k{n}:v{n}\n" for n in range(1, KEYED + 1))
        self.tool(PRODUCER, "--topic", topic, "--reader-property", "parse.key=true", "--reader-property",
                  "key.separator=:", stdin=lines)

    def consume(self, topic, count, *args):
        """The lines of the console consumer, up to so many records."""
        said = self.tool(CONSUMER, "--topic", topic, "--max-messages", count, "--timeout-ms", 60_000, *args)
        return [line for line in said.splitlines() if line and "Processed a total" not in line]

    def groups(self, *args, **kwargs):
        return self.tool(GROUPS, *args, **kwargs)


def rows(text):
    """The rows of printed tables as dicts: a table begins with a line in capitals and ends with an empty one."""
    found, names = [], None
    for line in text.splitlines():
        words = line.split()
        if not words:
            names = None
        elif names is None and words[0] in ("GROUP", "TOPIC"):
            names = words
        elif names is not None:
            found.append(dict(zip(names, words)))
    return found


def equal(seen, wanted, what):
    if seen != wanted:
        raise Failure(f"{what}: {seen!r}, expected {wanted!r}")


def contains(text, wanted):
    if wanted not in text:
        raise Failure(f"expected {wanted!r} in:\n{text[-1_500:]}")

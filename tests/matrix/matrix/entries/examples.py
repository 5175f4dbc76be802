"""The programs of examples/, one for each client library, as they stand: each writes records and reads them in a group.

Each runs twice under the same group. The second run has to go on where the first one stopped, or it reads what the first
one wrote and leaves its own records; so in the end everything that was written must be committed.
"""

import os
import shutil

from matrix.tools import GET_OFFSETS, GROUPS, Tools, equal, rows
from matrix.entry import Entry
from matrix.parts import EXAMPLES, call, need

RECORDS = 500
RUN_LIMIT_S = 180


def body_of(name, command):
    """`command` takes the Parts and returns the program and its first arguments, and a directory to run it in."""
    topic = f"example-{name}"
    group = f"{topic}-{name}"

    def body(run):
        argv, cwd = command(run.parts)
        tools = Tools(run)

        def example():
            done = run.processes.run([*argv, run.bootstrap, topic, RECORDS], RUN_LIMIT_S, cwd=cwd)
            for said in (f"{RECORDS} records written to {topic}", f"{RECORDS} records read in group {group}"):
                equal(said in done.stdout, True, f"{said!r} among {done.said()!r}")

        def offsets():
            equal(sum(tools.ends(topic).values()), 2 * RECORDS, f"records by {GET_OFFSETS}")
            found = rows(tools.tool(GROUPS, "--describe", "--group", group))
            equal(sum(int(row["CURRENT-OFFSET"]) for row in found if row["CURRENT-OFFSET"] != "-"), 2 * RECORDS,
                  "committed offsets")

        run.must("writes and reads in a group", example)
        run.must("once more: the group goes on where it stopped", example)
        run.step("all of it is in the topic and committed", offsets)

    return body


def copied(parts, language):
    """The example in the build directory: nothing is made among the sources."""
    copy = os.path.join(parts.build, "matrix", "examples", language)
    shutil.copytree(os.path.join(EXAMPLES, language), copy, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("node_modules", "target", "group"))
    return copy


def go(name):
    def command(parts):
        need("go", "the Go examples need it")
        program = os.path.join(parts.build, "matrix", "examples", "go", name)
        call(["go", "build", "-o", program, f"./{name}"], cwd=os.path.join(EXAMPLES, "go"))
        return [program], None
    return command


def node(parts):
    need("npm", "the Node example needs Node and npm")
    copy = copied(parts, "node")
    call(["npm", "ci", "--no-audit", "--no-fund"], cwd=copy)
    return ["node", "group.js"], copy


def rust(parts):
    need("cargo", "the Rust example needs it")
    target = os.path.join(parts.build, "matrix", "examples", "rust")
    call(["cargo", "build", "--locked", "--manifest-path", os.path.join(EXAMPLES, "rust", "Cargo.toml"), "--target-dir", target])
    return [os.path.join(target, "debug", "esker-example-rust")], None


def java(parts):
    need("mvn", "the Java example needs Maven and a JDK")
    copy = copied(parts, "java")
    call(["mvn", "-B", "-ntp", "-q", "package"], cwd=copy)
    return ["java", "-jar", os.path.join(copy, "target", "group.jar")], None


def librdkafka(language):
    def command(parts):
        prefix = os.path.join(parts.librdkafka(), "installed")
        copy = copied(parts, language)
        call(["make", f"PREFIX={prefix}"], cwd=copy)
        return [os.path.join(copy, "group")], None
    return command


def python(script):
    def command(parts):
        return [parts.venv(os.path.join(EXAMPLES, "python", "requirements.txt")), os.path.join(EXAMPLES, "python", script)], None
    return command


def entry(language, name, version, command):
    return Entry(
        name=f"example-{name}",
        client=f"{name} ({language})",
        version=version,
        ran=f"`examples/{language.lower().replace('c++', 'cpp')}`: a topic is created, {RECORDS} records are written and read in a "
            "group, twice",
        deadline_s=600,
        prepare=command,
        body=body_of(name, command),
    )


ENTRIES = (
    entry("Go", "franz-go", "1.22.3", go("franz-go")),
    entry("Go", "sarama", "1.61.1", go("sarama")),
    entry("Node", "kafkajs", "2.2.4", node),
    entry("Rust", "rdkafka", "0.39.0", rust),
    entry("Java", "java", "4.2.0", java),
    entry("C", "librdkafka-c", "2.12.1", librdkafka("c")),
    entry("C++", "librdkafka-cpp", "2.12.1", librdkafka("cpp")),
    entry("Python", "confluent-kafka", "2.16.1", python("confluent_kafka_group.py")),
    entry("Python", "aiokafka", "0.14.0", python("aiokafka_group.py")),
)

"""kafka-python's own integration tests, from a checkout that KAFKA_PYTHON_SRC names.

The source distribution on PyPI is tried without it; that of this version leaves parts of its tests out, which is a skip.
"""

import os
import xml.etree.ElementTree

from matrix.entry import Entry, Skip
from matrix.parts import MATRIX
from matrix.processes import Failure

VERSION = "3.0.11"
REQUIREMENTS = os.path.join(MATRIX, "requirements.txt")
# Before the name of a test that fails on Esker only.
ESKER = "esker/"
KNOWN = os.path.join(MATRIX, "kafka-python.known")
SUITES = ("admin", "consumer", "producer")
# The newest broker that it knows; newer ones answer to it.
KAFKA_VERSION = "4.0.0"
LIMIT_S = 2_400


def source(parts):
    given = os.environ.get("KAFKA_PYTHON_SRC")
    path = given or parts.sdist(f"kafka-python=={VERSION}")
    for needed in ("integration", "service.py"):
        if not os.path.exists(os.path.join(path, "test", needed)):
            raise Skip(f"{os.path.basename(path)} has no test/{needed}: name a checkout with KAFKA_PYTHON_SRC")
    parts.venv(REQUIREMENTS)
    return path


def known(target):
    """{test: why it may fail} on this target."""
    with open(KNOWN, encoding="utf-8") as file:
        lines = dict(line.split(None, 1) for line in map(str.strip, file) if line and not line.startswith("#"))
    return {name.removeprefix(ESKER): why for name, why in lines.items() if not name.startswith(ESKER) or target.name != "kafka"}


def body(run):
    path, python = source(run.parts), run.parts.venv(REQUIREMENTS)
    os.makedirs(run.directory, exist_ok=True)
    run.counts = {"pass": 0, "skip": 0, "fail": 0, "fail as known": 0}
    may_fail = known(run.target)
    for suite in SUITES:
        report = run.path(f"{suite}.xml")
        # Even for a broker that it did not start it wants to see a directory of Kafka's; it takes nothing from it.
        env = {**os.environ, "KAFKA_URI": f"kafka://{run.bootstrap.split(',')[0]}", "KAFKA_VERSION": KAFKA_VERSION,
               "KAFKA_ROOT": run.directory}
        done = run.processes.run(
            # Its own way to end a test that hangs ends all of them.
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--show-capture=no", "--timeout-method=signal",
             f"--junitxml={report}",
             f"test/integration/test_{suite}_integration.py"], LIMIT_S, cwd=path, env=env, expect=None)
        if not os.path.exists(report):
            raise Failure(f"no report of {suite}: {done.said()}")
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            run.step(f"{suite}: {case.get('name')}", judge, run.counts, case, may_fail)


def judge(counts, case, may_fail):
    """One test: a step that passes, is skipped by itself, or fails."""
    name = case.get("name")
    skipped = case.find("skipped")
    failed = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None)
    if skipped is not None:
        counts["skip"] += 1
        return f"skipped by itself: {skipped.get('message')}"
    if failed is None:
        counts["pass"] += 1
        return ""
    if name in may_fail:
        counts["fail as known"] += 1
        return f"fails as known: {may_fail[name]}"
    counts["fail"] += 1
    raise Failure((failed.get("message") or failed.text or "")[:800])


ENTRY = Entry(
    name="kafka-python",
    client="kafka-python",
    version=VERSION,
    ran="its own integration tests of consumer, producer and administration (known to fail: "
        "`tests/matrix/kafka-python.known`)",
    deadline_s=3_600,
    prepare=source,
    body=body,
    # As in the server.properties of its tests.
    settings=(("num.partitions", "4"), ("group.min.session.timeout.ms", "1000")),
)

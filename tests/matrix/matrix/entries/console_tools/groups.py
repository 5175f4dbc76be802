"""consumer-groups: list, describe, reset-offsets with each option, delete-offsets, delete."""

import datetime
import re

from matrix.entries.console_tools.records import PROTOCOLS, pause
from matrix.tools import CONSUMER, KEYED, KEYED_OF, contains, equal, rows
from matrix.processes import wait_until

TOPIC = "reset"
GROUP = "resets"
ENDS = {partition: 2 * count for partition, count in KEYED_OF.items()}


def live(run, t):
    """Groups with a member, in both protocols."""
    for protocol in PROTOCOLS:
        Live(run, t, protocol).steps()


class Live:
    """One console consumer that stays, and what is said of its group meanwhile."""

    def __init__(self, run, t, protocol):
        self._run = run
        self._t = t
        self._protocol = protocol
        self._group = f"live-{protocol}"
        self._topic = f"live-{protocol}"
        self._consumer = None

    def steps(self):
        run, protocol = self._run, self._protocol
        run.step(f"consumer-groups, a member joins, {protocol}", self._join)
        if self._consumer is None:
            return
        run.step(f"consumer-groups --describe, {protocol}", self._describe)
        run.step(f"consumer-groups --describe --members --verbose, {protocol}", self._members)
        run.step(f"consumer-groups --describe --state, {protocol}", self._state)
        run.step(f"consumer-groups --list --state --type, {protocol}", self._listed)
        run.step(f"consumer-groups refuses to change a group with members, {protocol}", self._refusals)
        run.step(f"consumer-groups, the member leaves, {protocol}", self._leave)

    def _join(self):
        t = self._t
        t.create(self._topic, 3)
        t.produce_keyed(self._topic)
        log = t.path(f"{self._group}.log")
        process = t.background(CONSUMER, "--topic", self._topic, "--group", self._group, "--from-beginning", "--command-property",
                               f"group.protocol={self._protocol}", "--command-property", "client.id=stays", log=log)
        self._consumer = process

        def read():
            with open(log, encoding="utf-8") as file:
                return len(re.findall(r"^v\d+$", file.read(), re.M)) == KEYED

        wait_until("all records read", read, 60)
        # Offsets are committed every five seconds.
        wait_until("committed offsets", lambda: self._offsets() == KEYED_OF, 30, every_s=1)

    def _offsets(self):
        found = rows(self._t.groups("--describe", "--group", self._group))
        return {int(row["PARTITION"]): int(row["CURRENT-OFFSET"]) for row in found if row["CURRENT-OFFSET"] != "-"}

    def _describe(self):
        found = rows(self._t.groups("--describe", "--group", self._group, "--offsets", "--verbose"))
        equal(len(found), 3, "lines")
        for row in found:
            end = KEYED_OF[int(row["PARTITION"])]
            equal((row["TOPIC"], row["LOG-END-OFFSET"], row["LAG"]), (self._topic, str(end), "0"), "topic, end and lag")
            equal((row["HOST"], row["CLIENT-ID"]), ("/127.0.0.1", "stays"), "host and client id")
        equal(len({row["CONSUMER-ID"] for row in found}), 1, "members")

    def _members(self):
        row, = rows(self._t.groups("--describe", "--group", self._group, "--members", "--verbose"))
        equal((row["#PARTITIONS"], row["CURRENT-ASSIGNMENT"]), ("3", f"{self._topic}:0,1,2"), "assignment")
        if self._protocol == "consumer":
            equal(row["TARGET-ASSIGNMENT"], f"{self._topic}:0,1,2", "target assignment")

    def _state(self):
        said = self._t.groups("--describe", "--group", self._group, "--state")
        contains(said, "Stable")
        contains(said, {"classic": "range", "consumer": "uniform"}[self._protocol])
        equal(said.split()[-1], "1", "members")

    def _listed(self):
        t = self._t
        state = {row["GROUP"]: row["STATE"] for row in rows(t.groups("--list", "--state"))}
        equal(state.get(self._group), "Stable", "state")
        kind = {row["GROUP"]: row["TYPE"] for row in rows(t.groups("--list", "--type"))}
        equal(kind.get(self._group), self._protocol.capitalize(), "type")
        contains(t.groups("--list", "--state", "stable", "--type", self._protocol), self._group)
        equal(self._group in t.groups("--list", "--state", "empty"), False, "among the empty groups")

    def _refusals(self):
        t = self._t
        contains(t.groups("--reset-offsets", "--group", self._group, "--topic", self._topic, "--to-earliest", "--execute",
                          expect=None), "is inactive, but the current state is Stable")
        contains(t.groups("--delete", "--group", self._group, expect=None), "GroupNotEmptyException")
        contains(t.groups("--delete-offsets", "--group", self._group, "--topic", self._topic, expect=None),
                 "GroupSubscribedToTopicException")
        equal(self._offsets(), KEYED_OF, "committed offsets afterwards")

    def _leave(self):
        t = self._t
        t.processes.end(self._consumer)
        said = t.groups("--describe", "--group", self._group, "--state")
        contains(said, "Empty")
        equal(self._offsets(), KEYED_OF, "committed offsets")
        contains(t.groups("--delete", "--group", self._group), "was successful")
        equal(self._group in t.groups("--list").split(), False, "a deleted group in the list")


def resets(run, t):
    """reset-offsets on a group without members: every option, planned and executed."""
    between = {}

    def prepare():
        t.create(TOPIC, 3)
        t.produce_keyed(TOPIC)
        pause()
        between["time"] = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds")
        pause()
        t.produce_keyed(TOPIC)
        equal(len(t.consume(TOPIC, 2 * KEYED, "--group", GROUP, "--from-beginning")), 2 * KEYED, "records")
        equal(committed(t), ENDS, "committed offsets")

    def case(expected, *option, scope=("--topic", TOPIC), untouched=None):
        """Planned: shown and not done. Executed: shown and done. `untouched` are the partitions out of scope."""
        before = committed(t)
        arguments = ("--reset-offsets", "--group", GROUP, *scope, *option)
        equal(new_offsets(t.groups(*arguments, "--dry-run")), expected, "planned")
        equal(committed(t), before, "committed offsets after --dry-run")
        equal(new_offsets(t.groups(*arguments, "--execute")), expected, "executed")
        equal(committed(t), {**(untouched or {}), **expected}, "committed offsets after --execute")

    begin = {0: 0, 1: 0, 2: 0}
    run.must("consumer-groups --reset-offsets, a group without members", prepare)
    run.step("consumer-groups --reset-offsets --to-earliest", case, begin, "--to-earliest")
    run.step("consumer-groups --reset-offsets --to-latest", case, ENDS, "--to-latest")
    run.step("consumer-groups --reset-offsets --to-offset", case, {0: 3, 1: 3, 2: 3}, "--to-offset", 3)
    run.step("consumer-groups --reset-offsets --shift-by", case, {0: 5, 1: 5, 2: 5}, "--shift-by", 2)
    run.step("consumer-groups --reset-offsets --shift-by, negative, beyond the beginning", case, begin, "--shift-by", -100)
    run.step("consumer-groups --reset-offsets --to-datetime",
             lambda: case(KEYED_OF, "--to-datetime", between["time"]))
    run.step("consumer-groups --reset-offsets --by-duration", case, begin, "--by-duration", "PT1H")
    run.step("consumer-groups --reset-offsets --by-duration, now", case, ENDS, "--by-duration", "PT0S")
    run.step("consumer-groups --reset-offsets --to-current", case, ENDS, "--to-current")
    run.step("consumer-groups --reset-offsets --topic with partitions",
             lambda: case({0: 1, 1: 1}, "--to-offset", 1, scope=("--topic", f"{TOPIC}:0,1"), untouched=ENDS))
    run.step("consumer-groups --reset-offsets --all-topics",
             lambda: case({0: 4, 1: 4, 2: 4}, "--to-offset", 4, scope=("--all-topics",)))
    run.step("consumer-groups --reset-offsets --export and --from-file", from_file, t, case)
    run.step("consumer-groups --reset-offsets: a consumer goes on from there", goes_on, t)


def from_file(t, case):
    said = t.groups("--reset-offsets", "--group", GROUP, "--topic", TOPIC, "--to-current", "--export", "--dry-run")
    lines = re.findall(r"^reset,\d+,\d+$", said, re.M)
    equal(sorted(lines), [f"{TOPIC},{partition},4" for partition in range(3)], "lines")
    path = t.path("offsets.csv")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{TOPIC},{partition},{partition + 6}\n" for partition in range(3))
    case({0: 6, 1: 7, 2: 8}, "--from-file", path, scope=())


def goes_on(t):
    left = sum(ENDS.values()) - (6 + 7 + 8)
    equal(len(t.consume(TOPIC, left, "--group", GROUP)), left, "records")
    equal(committed(t), ENDS, "committed offsets")


def deletions(run, t):
    """delete-offsets and delete, and what is said of groups that are not there."""

    def delete_offsets():
        said = t.groups("--delete-offsets", "--group", GROUP, "--topic", f"{TOPIC}:0,1")
        equal(len(re.findall(r"^reset\s+[01]\s+Successful", said, re.M)), 2, "partitions")
        equal(committed(t), {2: ENDS[2]}, "committed offsets that are left")

    def delete():
        contains(t.groups("--delete", "--group", GROUP), "was successful")
        equal(GROUP in t.groups("--list").split(), False, "a deleted group in the list")

    def unknown():
        contains(t.groups("--describe", "--group", "nobody", expect=None), "not found")
        contains(t.groups("--delete", "--group", "nobody", expect=None), "GroupIdNotFoundException")

    run.step("consumer-groups --delete-offsets", delete_offsets)
    run.step("consumer-groups --delete", delete)
    run.step("consumer-groups: a group that does not exist", unknown)


def committed(t):
    found = rows(t.groups("--describe", "--group", GROUP))
    return {int(row["PARTITION"]): int(row["CURRENT-OFFSET"]) for row in found if row["CURRENT-OFFSET"] != "-"}


def new_offsets(said):
    return {int(row["PARTITION"]): int(row["NEW-OFFSET"]) for row in rows(said)}

"""What must hold of a group, judged from what its members wrote down.

- No partition belongs to two live members at a time. A member owns a partition from its `assigned` until its `revoked`.
  A killed one owns it until its session can have timed out. One that says `lost` was out of the group at some time that it
  did not notice: it is only certain to have owned it until its last commit that was taken.
- Every record was read by some member.
- What is committed never goes back: not from one commit to a later one, not in what an observer is told, and no new
  owner is told less than what was committed before.

All times are microseconds of one clock. `Trouble` collects sentences; none means that all of it holds.
"""

import json
from bisect import bisect_left
from dataclasses import dataclass, field

TROUBLES_MAX = 20


@dataclass
class Member:
    """What one process wrote, and when it was killed, if it was."""

    name: str
    events: list
    instance: str = ""
    killed_us: int = 0


@dataclass
class Ownership:
    """A partition belonged to a member from `begin_us` until `end_us`."""

    partition: int
    member: str
    instance: str
    generation: int
    begin_us: int
    end_us: int
    how: str


@dataclass
class Trouble:
    found: list = field(default_factory=list)
    count: int = 0

    def add(self, sentence):
        self.count += 1
        if len(self.found) < TROUBLES_MAX:
            self.found.append(sentence)


def read_events(path):
    """A process killed while it wrote leaves half a line at the end."""
    found = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                found.append(json.loads(line))
    return found


def ownerships(member, session_us, heartbeat_us):
    """All of one member's, those that it still has at the end included."""
    owned, done, last_commit_us = {}, [], 0

    def end(partitions, at_us, how):
        for partition in partitions:
            begun = owned.pop(partition, None)
            if begun is not None:
                begin_us, generation = begun
                done.append(Ownership(partition, member.name, member.instance, generation, begin_us, max(begin_us, at_us), how))

    for event in member.events:
        what = event["what"]
        if what == "assigned":
            for partition in event["partitions"]:
                owned[partition] = (event["at_us"], event["generation"])
        elif what == "committed":
            last_commit_us = event["at_us"]
        elif what == "revoked":
            end(event["partitions"], event["at_us"], "revoked")
        elif what == "lost":
            end(event["partitions"], last_commit_us, "lost")
    if member.killed_us:
        # Its session began anew with its last heartbeat, which it sent at most one interval before.
        end(list(owned), member.killed_us + session_us - heartbeat_us, "killed")
    else:
        last_us = member.events[-1]["at_us"] if member.events else 0
        end(list(owned), last_us, "unfinished")
    return done


def check_ownership(members, session_us, heartbeat_us, trouble):
    """No two live owners. Returns how many times a partition was owned."""
    of = {}
    for member in members:
        for one in ownerships(member, session_us, heartbeat_us):
            of.setdefault(one.partition, []).append(one)
    for partition, found in sorted(of.items()):
        found.sort(key=lambda one: one.begin_us)
        for at, one in enumerate(found):
            for other in found[at + 1:]:
                if other.begin_us >= one.end_us:
                    continue
                # A static member that was killed comes back in its own place, at once.
                if one.how == "killed" and one.instance and one.instance == other.instance:
                    continue
                trouble.add(f"partition {partition}: {other.member} (generation {other.generation}) owns it "
                            f"{(one.end_us - other.begin_us) / 1e6:.3f} s before {one.member} (generation {one.generation}, "
                            f"{one.how}) has given it up")
    return sum(len(found) for found in of.values())


def check_generations(members, trouble):
    """A member's generation or epoch never goes back while it is the same member."""
    for member in members:
        last = {}
        for event in member.events:
            if event["what"] == "assigned" and event["generation"] >= 0:
                if event["generation"] < last.get(event["member"], -1):
                    trouble.add(f"{member.name}: generation {event['generation']} after {last[event['member']]}")
                last[event["member"]] = event["generation"]


def check_records(members, ends, trouble):
    """Every offset below the end was read, in order within each member's turn. Returns how many were read more than once."""
    ranges = {partition: [] for partition in ends}
    read = 0
    for member in members:
        for event in member.events:
            if event["what"] == "read":
                count = event["last"] - event["first"] + 1
                if count != event["count"]:
                    trouble.add(f"{member.name}: {event['count']} records at {event['first']} to {event['last']} of partition "
                                f"{event['partition']}: a gap")
                ranges.setdefault(event["partition"], []).append((event["first"], event["last"]))
                read += event["count"]
    for partition, end in sorted(ends.items()):
        next_offset = 0
        for first, last in sorted(ranges[partition]):
            if first > next_offset:
                trouble.add(f"partition {partition}: nobody read offsets {next_offset} to {first - 1}")
            next_offset = max(next_offset, last + 1)
        if next_offset != end:
            trouble.add(f"partition {partition}: read up to {next_offset}, but it ends at {end}")
    return read - sum(ends.values())


def check_commits(members, observer, trouble):
    """Commits, new owners and the observer. Returns how many commits were taken."""
    # Per partition: commits by the time they were taken, each with the highest offset until then.
    taken = {}
    for member in members:
        for event in member.events:
            if event["what"] == "committed":
                for partition, offset in event["offsets"].items():
                    taken.setdefault(int(partition), []).append((event["at_us"], offset))
    times, highest = {}, {}
    for partition, found in taken.items():
        found.sort()
        times[partition] = [at_us for at_us, _ in found]
        highest[partition], most = [], 0
        for _, offset in found:
            most = max(most, offset)
            highest[partition].append(most)

    def before(partition, at_us):
        """The highest offset whose commit was taken before a question was asked."""
        count = bisect_left(times.get(partition, []), at_us)
        return highest[partition][count - 1] if count else None

    def judge(offsets, asked_us, who):
        for partition, offset in offsets.items():
            least = before(int(partition), asked_us)
            if least is not None and offset < least:
                trouble.add(f"partition {partition}: {who} {offset} after {least} was committed")

    for member in members:
        for event in member.events:
            if event["what"] == "committed":
                judge(event["offsets"], event["began_us"], f"{member.name} committed")
            elif event["what"] == "assigned":
                told = {partition: event["offsets"].get(str(partition), 0) for partition in event["partitions"]}
                judge(told, event["at_us"], f"{member.name} is told")
    for event in observer:
        if event["what"] == "observed":
            judge(event["offsets"], event["began_us"], "an observer is told")
    return sum(len(found) for found in taken.values())

"""Apache Kafka's Java consumer in groups whose members join, leave and are killed under load; `check` says what must hold."""

import time

from matrix.entries.java_groups import check
from matrix.entries.java_groups.scenario import Scenario
from matrix.entry import Entry
from matrix.processes import Failure

RANGE = "org.apache.kafka.clients.consumer.RangeAssignor"
COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
UNDER_LOAD_S = 3


def entry(name, protocol, assignor, static=False):
    words = f"group.protocol={protocol}, {assignor.rsplit('.', 1)[-1]}{', static members' if static else ''}"
    return Entry(
        name=f"java-groups-{name}",
        client="Apache Kafka's Java consumer",
        version="4.2.0",
        ran=f"{words}: ten members join, leave and are killed under load; ownership, records and commits are checked",
        deadline_s=1_800,
        prepare=lambda parts: parts.classes("groups", parts.kafka_classpath()),
        body=lambda run: body(run, Scenario(run, protocol, assignor, static)),
    )


def body(run, group):
    run.must("load begins", group.begin)
    group.start(4)
    run.must("4 members join", group.stable)
    time.sleep(UNDER_LOAD_S)
    for _ in range(6):
        group.start()
        time.sleep(UNDER_LOAD_S / 6)
    run.must("6 more join one after the other", group.stable)
    time.sleep(UNDER_LOAD_S)
    left = []
    run.must("3 leave", lambda: left.extend(group.leave(3)))
    group.start(3, left if any(left) else ())
    run.must("3 others join", group.stable)
    time.sleep(UNDER_LOAD_S)
    killed = group.kill(2)
    if any(killed) and group.newer:
        # The newer protocol keeps the name for a killed member until its session times out (UnreleasedInstanceIdException).
        run.must("2 are killed", group.stable)
        group.start(1, killed[:1])
        run.must("1 comes back under its name", group.stable)
    elif any(killed):
        # In its place, under the same static name and before its session times out.
        group.start(1, killed[:1])
        run.must("2 are killed, 1 comes back under its name", group.stable)
    else:
        run.must("2 are killed", group.stable)
        group.start(2)
        run.must("2 others join", group.stable)
    time.sleep(UNDER_LOAD_S)
    run.must("all is read and committed, all leave", group.drain)
    judge(run, group)


def judge(run, group):
    """One step for each rule."""
    members = group.members()
    ends = {int(partition): end for partition, end in group.load_event("ends")["offsets"].items()}

    def rule(body_of):
        trouble = check.Trouble()
        said = body_of(trouble)
        if trouble.count:
            raise Failure(f"{trouble.count} times, for example:\n" + "\n".join(trouble.found))
        return said

    run.step("no partition has two live members", rule, lambda trouble: "%d ownerships" % check.check_ownership(
        members, group.session_us, group.heartbeat_us, trouble))
    run.step("generations do not go back", rule, lambda trouble: check.check_generations(members, trouble))
    run.step("every record is read", rule, lambda trouble: "%d of %d read again" % (
        check.check_records(members, ends, trouble), sum(ends.values())))
    run.step("what is committed does not go back", rule, lambda trouble: "%d commits" % check.check_commits(
        members, group.observer(), trouble))


ENTRIES = (
    entry("classic-range", "classic", RANGE),
    entry("classic-cooperative", "classic", COOPERATIVE),
    entry("classic-static", "classic", COOPERATIVE, static=True),
    entry("consumer-uniform", "consumer", "uniform"),
    entry("consumer-range", "consumer", "range"),
    entry("consumer-static", "consumer", "uniform", static=True),
)

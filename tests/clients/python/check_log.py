#!/usr/bin/env python3
"""Hold a topic against what crash producers were promised, through one reader or several.

  check_log.py --topic t --partitions 0-7 --reader h:1 --reader h:2@zone-b --acks p1=p1.acks --acks p2=p2.acks

Checked for every reader: each acknowledged record stands at its offset, no record twice, n rising per
producer and partition, offsets dense from 0, no foreign record. All readers must see the same records at
the same offsets. A record that was never acknowledged may stand in the log, once and in order.

A client fetches from the broker that Metadata names, not from the one it bootstrapped with. A reader
`HOST:PORT@ZONE` therefore carries `zone=ZONE` in its client id, which asks for an agent of that zone;
`fetched_from` in the summary says which node ids really served the reader.
"""

import argparse
import os

from confluent_kafka import OFFSET_BEGINNING, KafkaException

from clientlib import PartitionTally, Stopwatch, finish, parser, partition_list, positive, refuse, say, tallies_summary
from log_check import Acks, LogCheck, Problems
from reader import Reader, Stalled


def acks_argument(text):
    producer, sep, path = text.partition("=")
    if not sep or not producer:
        raise argparse.ArgumentTypeError(f"expected PRODUCER=FILE, got {text!r}")
    if not os.path.isfile(path):
        raise argparse.ArgumentTypeError(f"{path}: no such file")
    return producer, path


def arguments():
    p = parser(__doc__)
    p.add_argument("--topic", required=True)
    p.add_argument("--partitions", type=partition_list, default=[0], metavar="0,2-4", help="default: 0")
    p.add_argument("--reader", action="append", required=True, metavar="HOST:PORT[@ZONE]", help="repeatable")
    p.add_argument("--acks", action="append", default=[], type=acks_argument, metavar="PRODUCER=FILE", help="repeatable")
    p.add_argument("--idle-timeout-s", type=positive, default=60, help="give up after so long without a record")
    return p.parse_args()


def read_all(args, name, check):
    """Read every partition from its first record to the end it has now, into `check`."""
    bootstrap, _, zone = name.partition("@")
    client_id = f"check_log,zone={zone}" if zone else "check_log"
    reader = Reader(bootstrap, client_id, args.topic, args.config)
    tallies = {partition: PartitionTally() for partition in args.partitions}
    ends = {}
    try:
        for partition in args.partitions:
            low, ends[partition] = reader.watermarks(partition)
            if low != 0:
                raise Stalled(f"partition {partition} starts at offset {low}, not at 0")
        for message in reader.read(ends, OFFSET_BEGINNING, args.idle_timeout_s):
            tallies[message.partition()].add(message.offset(), message.key(), message.value())
            check.add(message.partition(), message.offset(), message.value())
    finally:
        reader.close()
    return tallies, ends, reader.sources


def check_reader(args, name, problems):
    """One reader's view; returns its summary and a comparable digest of what it saw."""
    acks = Acks(problems)
    for producer, path in args.acks:
        acks.load(producer, path)
    check = LogCheck(acks, problems)
    summary = {"reader": name}
    view = None
    try:
        tallies, ends, sources = read_all(args, name, check)
        check.finish()
        for partition, end in ends.items():
            tally = tallies[partition]
            if end > 0 and (tally.first != 0 or tally.last != end - 1):
                problems.add("not_dense", f"partition {partition}: read {tally.first}..{tally.last} of 0..{end - 1}")
        summary["partitions"] = tallies_summary(tallies)
        summary["fetched_from"] = sources.summary()
        view = {p: (s["records"], s["sha256"]) for p, s in summary["partitions"].items()}
    except (KafkaException, Stalled) as e:
        problems.add("unreadable", f"{name}: {e}")
    summary["records"] = check.records
    summary["unacknowledged"] = check.unacknowledged
    return summary, view, acks


def main():
    args = arguments()
    watch = Stopwatch()
    problems_of = {}
    summaries = []
    views = []
    acks = None
    for name in args.reader:
        problems = problems_of[name] = Problems()
        try:
            summary, view, acks = check_reader(args, name, problems)
        except ValueError as e:
            refuse(str(e))
        summary["problems"] = problems.counts
        summary["examples"] = problems.examples
        summaries.append(summary)
        views.append(view)
        say(f"check_log: {name}: {summary['records']} records, problems: {problems.counts or 'none'}")
    agree = all(view is not None and view == views[0] for view in views)
    if not agree:
        say("check_log: the readers do not agree")
    finish({
        "acknowledged": acks.count,
        "acknowledged_without_offset": acks.without_offset,
        "readers": summaries,
        "readers_agree": agree,
        "seconds": watch.seconds(),
    }, ok=agree and not any(p.counts for p in problems_of.values()))


if __name__ == "__main__":
    main()

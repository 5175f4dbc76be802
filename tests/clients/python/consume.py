#!/usr/bin/env python3
"""Consume assigned partitions with confluent-kafka (no group), write the records to files, say what was read.

  consume.py --bootstrap 127.0.0.1:9092 --topic t --partitions 0-3 --output-dir got

Reads each partition from --from up to the end it had at the start, or up to --records in all. With one
partition `--output FILE` takes the records; with several, `--output-dir DIR` gets one file per partition.
CRCs are checked. The hash per partition is the one produce.py prints for the same records.
"""

import argparse
import os

from confluent_kafka import OFFSET_BEGINNING, KafkaException

import records
from clientlib import PartitionTally, Stopwatch, finish, parser, partition_list, positive, refuse, tallies_summary
from reader import Reader, Stalled


def start_offset(text):
    if text == "earliest":
        return OFFSET_BEGINNING
    if text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"expected `earliest` or an offset, got {text!r}")


def arguments():
    p = parser(__doc__)
    p.add_argument("--bootstrap", required=True, metavar="HOST:PORT[,HOST:PORT…]")
    p.add_argument("--topic", required=True)
    p.add_argument("--partitions", type=partition_list, default=[0], metavar="0,2-4", help="default: 0")
    p.add_argument("--from", dest="start", type=start_offset, default=OFFSET_BEGINNING, metavar="earliest|OFFSET")
    p.add_argument("--records", type=positive, metavar="N", help="stop after N records in all instead of at the end")
    p.add_argument("--format", choices=("lines", "blocks", "jsonl"), default="lines")
    p.add_argument("--output", metavar="FILE")
    p.add_argument("--output-dir", metavar="DIR")
    p.add_argument("--client-id", default="esker-consume", help="with zones, `…zone=<id>…` asks for an agent of that zone")
    p.add_argument("--idle-timeout-s", type=positive, default=60, help="give up after so long without a record")
    args = p.parse_args()
    if args.output and args.output_dir:
        p.error("--output and --output-dir exclude each other")
    if args.output and len(args.partitions) > 1:
        p.error("--output takes one partition: name --output-dir for several")
    return args


class Sink:
    """Where the records of each partition go."""

    def __init__(self, args):
        self._format = args.format
        self._files = {}
        if args.output:
            self._files[args.partitions[0]] = open(args.output, "wb", buffering=1 << 20)
        elif args.output_dir:
            os.makedirs(args.output_dir, exist_ok=True)
            for partition in args.partitions:
                path = os.path.join(args.output_dir, str(partition))
                self._files[partition] = open(path, "wb", buffering=1 << 20)

    def add(self, message):
        file = self._files.get(message.partition())
        if file is None:
            return
        if self._format == "jsonl":
            file.write(records.to_json(message).encode() + b"\n")
            return
        file.write(message.value() or b"")
        if self._format == "lines":
            file.write(b"\n")

    def close(self):
        for file in self._files.values():
            file.close()


def run(args, reader, tallies, ends):
    """Read until done; returns what stopped it, or None."""
    sink = Sink(args)
    total = 0
    try:
        for partition in args.partitions:
            _, ends[partition] = reader.watermarks(partition)
        stop_at = ends if args.records is None else dict.fromkeys(ends)
        for message in reader.read(stop_at, args.start, args.idle_timeout_s):
            tallies[message.partition()].add(message.offset(), message.key(), message.value())
            sink.add(message)
            total += 1
            if total == args.records:
                break
    except (KafkaException, Stalled) as e:
        return str(e)
    finally:
        sink.close()
    return None


def main():
    args = arguments()
    watch = Stopwatch()
    tallies = {partition: PartitionTally() for partition in args.partitions}
    ends = {}
    try:
        reader = Reader(args.bootstrap, args.client_id, args.topic, args.config)
    except KafkaException as e:
        refuse(str(e))
    stopped_by = run(args, reader, tallies, ends)
    reader.close()
    finish({
        "records": sum(t.records for t in tallies.values()),
        "ends": {str(p): end for p, end in ends.items()},
        "fetched_from": reader.sources.summary(),
        "stopped_by": stopped_by,
        "seconds": watch.seconds(),
        "partitions": tallies_summary(tallies),
    }, ok=stopped_by is None and all(t.gap_count == 0 for t in tallies.values()))


if __name__ == "__main__":
    main()

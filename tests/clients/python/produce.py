#!/usr/bin/env python3
"""Produce the records of a file with confluent-kafka and say what became of them.

  produce.py --bootstrap 127.0.0.1:9092 --topic t --partitions 0-3 --input words.txt --format lines --codec zstd

Records go to the listed partitions in turn (or to the one a jsonl record names). The summary holds,
per partition, counts, offsets and a hash of the records in offset order, all taken from the
acknowledgements; consume.py computes the same hash from what it read.
"""

import itertools
import os

from confluent_kafka import KafkaException, Producer

import records
from clientlib import (CODECS, Patience, PartitionTally, Stopwatch, finish, parser, partition_list, positive, refuse,
                       settings, tallies_summary)


def arguments():
    p = parser(__doc__)
    p.add_argument("--bootstrap", required=True, metavar="HOST:PORT[,HOST:PORT…]")
    p.add_argument("--topic", required=True)
    p.add_argument("--partitions", type=partition_list, default=[0], metavar="0,2-4", help="default: 0")
    p.add_argument("--input", required=True, metavar="FILE")
    p.add_argument("--format", choices=("lines", "blocks", "jsonl"), default="lines")
    p.add_argument("--block-bytes", type=positive, default=100_000, help="value size for --format blocks (default 100000)")
    p.add_argument("--codec", choices=CODECS, default="none")
    p.add_argument("--acks", choices=("0", "1", "all"), default="all")
    p.add_argument("--idempotence", action="store_true", help="producer id and sequences; needs --acks all")
    p.add_argument("--linger-ms", type=int, default=5)
    p.add_argument("--batch-bytes", type=positive, default=1_000_000)
    p.add_argument("--window", type=positive, default=5, metavar="N", help="requests in flight per connection (default 5)")
    p.add_argument("--client-id", default="esker-produce")
    p.add_argument("--idle-timeout-s", type=positive, default=120, help="give up after so long without an acknowledgement")
    args = p.parse_args()
    if args.idempotence and args.acks != "all":
        p.error("--idempotence needs --acks all")
    if args.idempotence and args.window > 5:
        p.error("--idempotence allows at most --window 5")
    if not os.path.isfile(args.input):
        p.error(f"--input {args.input}: no such file")
    return args


class Outcome:
    """What the delivery callbacks said."""

    def __init__(self):
        self.tallies = {}
        self.unplaced = 0  # acknowledged without an offset: always so with acks=0
        self.failed = 0
        self.errors = {}

    def delivered(self, error, message):
        if error is not None:
            self.failed += 1
            self.errors[error.name()] = self.errors.get(error.name(), 0) + 1
        elif message.offset() is None or message.offset() < 0:
            self.unplaced += 1
        else:
            tally = self.tallies.get(message.partition())
            if tally is None:
                tally = self.tallies[message.partition()] = PartitionTally()
            tally.add(message.offset(), message.key(), message.value())

    def settled(self):
        return self.failed + self.unplaced + sum(t.records for t in self.tallies.values())


def source(args):
    if args.format == "lines":
        return records.read_lines(args.input)
    if args.format == "blocks":
        return records.read_blocks(args.input, args.block_bytes)
    return records.read_jsonl(args.input)


def enqueue(producer, topic, record, partition, outcome, patience):
    """Queue one record; with the queue full, serve callbacks until there is room."""
    options = {}
    if record.timestamp_ms is not None:
        options["timestamp"] = record.timestamp_ms
    if record.headers:
        options["headers"] = record.headers
    while True:
        try:
            producer.produce(topic, record.value, record.key, partition, on_delivery=outcome.delivered, **options)
            return
        except BufferError:
            if producer.poll(0.5) > 0:
                patience.note()
            elif patience.ran_out():
                raise TimeoutError("no acknowledgement, and the queue is full") from None


def run(args, outcome):
    """Produce everything; returns (records queued, what stopped it or None)."""
    producer = Producer(settings({
        "bootstrap.servers": args.bootstrap,
        "client.id": args.client_id,
        "acks": args.acks,
        "enable.idempotence": args.idempotence,
        "compression.type": args.codec,
        "linger.ms": args.linger_ms,
        "batch.size": args.batch_bytes,
        "message.max.bytes": max(args.batch_bytes, 1_000_000),
        "max.in.flight.requests.per.connection": args.window,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 262_144,
        # An agent that ends or is replaced is normal here: come back quickly.
        "reconnect.backoff.max.ms": 1_000,
    }, args.config))
    queued = 0
    patience = Patience(args.idle_timeout_s)
    turns = itertools.cycle(args.partitions)
    try:
        for record in source(args):
            partition = record.partition if record.partition is not None else next(turns)
            enqueue(producer, args.topic, record, partition, outcome, patience)
            queued += 1
            if queued % 1_000 == 0 and producer.poll(0) > 0:
                patience.note()
        settled = outcome.settled()
        while producer.flush(1.0) > 0:
            if outcome.settled() > settled:
                settled = outcome.settled()
                patience.note()
            elif patience.ran_out():
                return queued, "no acknowledgement"
    except (KafkaException, TimeoutError, ValueError) as e:
        return queued, str(e)
    return queued, None


def main():
    args = arguments()
    watch = Stopwatch()
    outcome = Outcome()
    try:
        queued, stopped_by = run(args, outcome)
    except KafkaException as e:  # raised by the constructor: a setting that librdkafka refuses
        refuse(str(e))
    finish({
        "records": queued,
        "acknowledged": outcome.settled() - outcome.failed,
        "without_offset": outcome.unplaced,
        "failed": outcome.failed,
        "errors": outcome.errors,
        "stopped_by": stopped_by,
        "seconds": watch.seconds(),
        "partitions": tallies_summary(outcome.tallies),
    }, ok=stopped_by is None and outcome.failed == 0 and outcome.settled() == queued)


if __name__ == "__main__":
    main()

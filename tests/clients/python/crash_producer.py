#!/usr/bin/env python3
"""An idempotent producer at full speed, for suites that kill what it produces to.

  crash_producer.py --bootstrap h:1,h:2,h:3 --topic t --partitions 0-7 --seconds 60 --producer p1 --acks-file p1.acks

The n-th record of a partition has the value `<producer>-<partition>-<n>`, filled up with spaces to
--record-bytes; n counts from 0 without a gap. Every acknowledgement becomes a line `partition offset n`
of the acks file (offset -1 where the broker named none). check_log.py holds the log against these files.
SIGTERM or SIGINT ends the producing early; what is queued is still flushed. Exit 1 when the client hit
a fatal error or a record was neither acknowledged nor refused in time.
"""

import signal
import time

from confluent_kafka import KafkaException, Producer

from clientlib import CODECS, Stopwatch, finish, parser, partition_list, positive, refuse, settings


def arguments():
    p = parser(__doc__)
    p.add_argument("--bootstrap", required=True, metavar="HOST:PORT[,HOST:PORT…]")
    p.add_argument("--topic", required=True)
    p.add_argument("--partitions", type=partition_list, default=[0], metavar="0,2-4", help="default: 0")
    p.add_argument("--seconds", type=positive, required=True, help="how long to produce")
    p.add_argument("--producer", required=True, help="this producer's name, without `-`; it opens every value")
    p.add_argument("--acks-file", required=True, metavar="FILE")
    p.add_argument("--record-bytes", type=positive, default=200)
    p.add_argument("--records-per-second", type=positive, metavar="N", help="hold this rate instead of full speed")
    p.add_argument("--codec", choices=CODECS, default="none")
    p.add_argument("--linger-ms", type=int, default=5)
    p.add_argument("--batch-bytes", type=positive, default=200_000)
    p.add_argument("--window", type=positive, default=5, help="requests in flight per connection, at most 5")
    p.add_argument("--queue-records", type=positive, default=50_000, help="records waiting in the client at most")
    p.add_argument("--flush-s", type=positive, default=120, help="how long the last acknowledgements may take")
    p.add_argument("--client-id", default=None, help="default: the producer's name")
    args = p.parse_args()
    if "-" in args.producer or " " in args.producer:
        p.error("--producer must not hold `-` or a space: values are split at them")
    if args.window > 5:
        p.error("an idempotent producer has at most --window 5")
    return args


class Acks:
    """Writes acknowledgements as they come; the checker trusts nothing else."""

    def __init__(self, path):
        self._file = open(path, "w", buffering=1 << 16, encoding="ascii")
        self.acknowledged = 0
        self.failed = 0
        self.errors = {}

    def callback(self, partition, n):
        def delivered(error, message):
            if error is None:
                offset = message.offset()
                self._file.write(f"{partition} {offset if offset is not None and offset >= 0 else -1} {n}\n")
                self.acknowledged += 1
            else:
                self.failed += 1
                self.errors[error.name()] = self.errors.get(error.name(), 0) + 1
        return delivered

    def flush(self):
        self._file.flush()

    def close(self):
        self._file.close()


class Client:
    """The producer, what it complained of, and whether it may go on."""

    def __init__(self, args):
        self.complaints = {}
        self.fatal = None
        self.stopping = False
        self.producer = Producer(settings({
            "bootstrap.servers": args.bootstrap,
            "client.id": args.client_id or args.producer,
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": args.codec,
            "linger.ms": args.linger_ms,
            "batch.size": args.batch_bytes,
            "message.max.bytes": max(args.batch_bytes, 1_000_000),
            "max.in.flight.requests.per.connection": args.window,
            "queue.buffering.max.messages": args.queue_records,
            # Only the flush deadline ends a record: one that times out in the client would be
            # neither acknowledged nor refused, and hide a loss.
            "message.timeout.ms": 3_600_000,
            "socket.timeout.ms": 20_000,
            "request.timeout.ms": 15_000,
            "retry.backoff.ms": 50,
            "retry.backoff.max.ms": 500,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 5_000,
            # Lost connections are what the suites are about: counted in error_cb, not logged one by one.
            "log_level": 2,
            "error_cb": self.on_error,
        }, args.config))

    def on_error(self, error):
        name = error.name()
        self.complaints[name] = self.complaints.get(name, 0) + 1
        if error.fatal():
            self.fatal = f"{name}: {error.str()}"

    def stop(self, *_signal):
        self.stopping = True


def produce(args, client, acks):
    """Produce until time is up; returns how many records each partition was given."""
    producer = client.producer
    given = {partition: 0 for partition in args.partitions}
    prefix = {partition: f"{args.producer}-{partition}-" for partition in args.partitions}
    start = time.monotonic()
    total = 0
    while not client.stopping and client.fatal is None and time.monotonic() - start < args.seconds:
        for partition in args.partitions:
            n = given[partition]
            value = f"{prefix[partition]}{n}".ljust(args.record_bytes).encode()
            try:
                producer.produce(args.topic, value, partition=partition, on_delivery=acks.callback(partition, n))
            except BufferError:
                producer.poll(0.1)
                acks.flush()
                continue  # the same n again on the next turn
            except KafkaException as e:  # a client in its fatal state takes nothing more
                client.fatal = client.fatal or str(e)
                break
            given[partition] = n + 1
            total += 1
        producer.poll(0)
        if args.records_per_second is not None:
            early = total / args.records_per_second - (time.monotonic() - start)
            if early > 0:
                producer.poll(min(early, 0.2))
    return given


def flush(args, client, acks):
    """Wait for the last acknowledgements; returns how many are still open."""
    until = time.monotonic() + args.flush_s
    left = client.producer.flush(0.5)
    while left > 0 and time.monotonic() < until:
        left = client.producer.flush(0.5)
        acks.flush()
    return left


def main():
    args = arguments()
    watch = Stopwatch()
    try:
        client = Client(args)
        acks = Acks(args.acks_file)
    except (KafkaException, OSError) as e:
        refuse(str(e))
    signal.signal(signal.SIGTERM, client.stop)
    signal.signal(signal.SIGINT, client.stop)
    given = produce(args, client, acks)
    produced_s = watch.seconds()
    open_records = flush(args, client, acks)
    acks.close()
    finish({
        "producer": args.producer,
        "records": sum(given.values()),
        "acknowledged": acks.acknowledged,
        "failed": acks.failed,
        "unanswered": open_records,
        "errors": acks.errors,
        "client_errors": client.complaints,
        "fatal": client.fatal,
        "produced_seconds": produced_s,
        "seconds": watch.seconds(),
        "partitions": {str(p): n for p, n in given.items()},
    }, ok=client.fatal is None and open_records == 0)


if __name__ == "__main__":
    main()

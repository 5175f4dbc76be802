#!/usr/bin/env python3
"""A consumer of a chaos run: reads assigned partitions, compares every byte, and writes down what it saw.

  chaos_consumer.py --bootstrap h:1,h:2 --topic t --topic-number 0 --partitions 0-11 --client 7 --start-ns N
                    --history c7.jsonl --mode tail

--mode tail    follows all partitions from their beginning
--mode again   reads a piece of one partition from somewhere in it, and then of another, for ever

Both ask now and then where a partition begins and ends. SIGTERM ends it: a tail first reads up to the end
that all partitions have then. Exit 1 when it did not get there.
"""

import random
import signal
import time

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from chaos_history import EventLog
from chaos_seen import SeenRuns
from clientlib import Stopwatch, finish, parser, partition_list, positive, refuse, settings

RECORDS_AT_ONCE = 5_000
LIST_EVERY_S = 1.0
LIST_PATIENCE_S = 10
PIECE_RECORDS = 20_000
PIECE_S = 5.0
OUT_OF_RANGE = (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET)


def arguments():
    p = parser(__doc__)
    p.add_argument("--bootstrap", required=True, metavar="HOST:PORT[,HOST:PORT…]")
    p.add_argument("--topic", required=True)
    p.add_argument("--topic-number", type=int, default=0, help="the topic's number in the history")
    p.add_argument("--partitions", type=partition_list, default=[0], metavar="0,2-4", help="default: 0")
    p.add_argument("--client", type=int, required=True, help="this client's number in the history")
    p.add_argument("--start-ns", type=int, required=True, help="when the run began, by the monotonic clock")
    p.add_argument("--history", required=True, metavar="FILE")
    p.add_argument("--mode", choices=("tail", "again"), default="tail")
    p.add_argument("--catch-up-s", type=positive, default=120, help="how long the last records may take")
    p.add_argument("--client-id", default=None)
    return p.parse_args()


class Reading:
    """The consumer, where it stands, and what it saw."""

    def __init__(self, args):
        self.args = args
        self.log = EventLog(args.history, args.client, args.start_ns, args.topic_number)
        self.complaints = {}
        self.records = 0
        self.damaged = 0
        self.position = {}
        self.asked_us = {}
        self.stopping = False
        self.random = random.Random(args.client)
        self.listed_at = time.monotonic()
        client = {
            "bootstrap.servers": args.bootstrap,
            "client.id": args.client_id or f"chaos-{args.client}",
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 5_000,
            "socket.timeout.ms": 20_000,
            "log_level": 2,
            "error_cb": self.on_error,
        }
        self.admin = AdminClient(settings(client, args.config))
        self.consumer = Consumer(settings({
            **client,
            # librdkafka wants a name even where no group is ever joined.
            "group.id": "chaos-assigned-partitions",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "check.crcs": True,
            "allow.auto.create.topics": False,
            "fetch.error.backoff.ms": 100,
            "fetch.wait.max.ms": 200,
            "queued.max.messages.kbytes": 16_384,
        }, args.config))

    def on_error(self, error):
        self.complain(error.name())

    def complain(self, name):
        self.complaints[name] = self.complaints.get(name, 0) + 1

    def stop(self, *_signal):
        self.stopping = True

    def assign(self, positions):
        """Read these partitions from these offsets on, and no others."""
        now = self.log.now_us()
        self.position = dict(positions)
        self.asked_us = {partition: now for partition in positions}
        self.consumer.assign([
            TopicPartition(self.args.topic, partition, offset or OFFSET_BEGINNING)
            for partition, offset in positions.items()])

    def step(self, timeout_s):
        """Take what has come."""
        runs = {}
        out_of_range = []
        for message in self.consumer.consume(RECORDS_AT_ONCE, timeout=timeout_s):
            partition, error = message.partition(), message.error()
            if error is not None:
                self.complain(error.name())
                if error.code() in OUT_OF_RANGE:
                    out_of_range.append(partition)
            elif partition in self.position:
                runs.setdefault(partition, SeenRuns(self.log, partition)).add(message)
        self.write(runs)
        self.refused(out_of_range)

    def write(self, runs):
        for partition, seen in runs.items():
            self.records += seen.records
            self.damaged += seen.damaged
            self.log.fetched(partition, self.position[partition], self.asked_us[partition], seen.runs)
            self.position[partition] = seen.next

    def refused(self, partitions):
        """These were said to hold no such offset: note it, and ask again."""
        for partition in partitions:
            if partition in self.position:
                self.log.fetched(partition, self.position[partition], self.asked_us[partition], [], error=1)
        if partitions:
            self.assign(self.position)

    def list_offsets(self, partition):
        """Ask where a partition begins and ends; the end, None without an answer.

        Each is asked for itself: when one of the two requests behind get_watermark_offsets fails, librdkafka
        may forget that and give the other's offset for both.
        """
        self._list(partition, "Earliest", OffsetSpec.earliest())
        return self._list(partition, "Latest", OffsetSpec.latest())

    def _list(self, partition, query, spec):
        asked_us = self.log.now_us()
        at = TopicPartition(self.args.topic, partition)
        try:
            offset = self.admin.list_offsets({at: spec}, request_timeout=LIST_PATIENCE_S)[at].result().offset
        except KafkaException as e:
            self.complain(f"list offsets: {e.args[0].name()}")
            return None
        if offset == OFFSET_INVALID:
            # librdkafka's own number for an offset that nobody told it: some lost answers come without an error.
            self.complain("list offsets: no answer")
            return None
        self.log.listed(partition, query, asked_us, offset)
        return offset

    def list_now_and_then(self):
        if time.monotonic() - self.listed_at >= LIST_EVERY_S:
            self.listed_at = time.monotonic()
            self.list_offsets(self.random.choice(self.args.partitions))


def tail(reading):
    reading.assign({partition: 0 for partition in reading.args.partitions})
    while not reading.stopping:
        reading.step(0.2)
        reading.list_now_and_then()


def catch_up(reading):
    """Read up to the end that the partitions have now; returns those that it did not reach."""
    until = time.monotonic() + reading.args.catch_up_s
    ends = dict.fromkeys(reading.position)
    while True:
        for partition, end in ends.items():
            if end is None and time.monotonic() < until:
                ends[partition] = reading.list_offsets(partition)
        behind = [p for p, end in ends.items() if end is None or reading.position[p] < end]
        if not behind or time.monotonic() > until:
            return behind
        reading.step(0.2)


def again(reading):
    while not reading.stopping:
        partition = reading.random.choice(reading.args.partitions)
        end = reading.list_offsets(partition)
        if not end:
            time.sleep(0.1)
            continue
        reading.assign({partition: reading.random.randrange(end)})
        first, until = reading.records, time.monotonic() + PIECE_S
        while (not reading.stopping and time.monotonic() < until and reading.position[partition] < end
               and reading.records < first + PIECE_RECORDS):
            reading.step(0.1)


def main():
    args = arguments()
    watch = Stopwatch()
    try:
        reading = Reading(args)
    except (KafkaException, OSError) as e:
        refuse(str(e))
    signal.signal(signal.SIGTERM, reading.stop)
    signal.signal(signal.SIGINT, reading.stop)
    behind = []
    if args.mode == "tail":
        tail(reading)
        behind = catch_up(reading)
    else:
        again(reading)
    if behind:
        reading.log.write({"Stuck": {"why": f"did not read partitions {behind} up to their ends in {args.catch_up_s} s"}})
    else:
        reading.log.write("Finished")
    reading.log.close()
    reading.consumer.close()
    finish({
        "client": args.client,
        "mode": args.mode,
        "records": reading.records,
        "damaged": reading.damaged,
        "behind": behind,
        "client_errors": reading.complaints,
        "seconds": watch.seconds(),
    }, ok=not behind and not reading.damaged)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A producer of a chaos run: keeps a rate, and writes down what became of every record.

  chaos_producer.py --bootstrap h:1,h:2 --topic t --topic-number 0 --partitions 0-11 --client 3 --start-ns N
                    --history p3.jsonl --rate 1000 --kind idempotent

--kind idempotent   idempotent and patient: gives no record up before it is told to end
--kind impatient    idempotent, and gives a record up after --timeout-s
--kind plain        no idempotence: may write twice
--kind one          no idempotence, acks=1

Records go to one partition after the other, a block to each. SIGTERM ends the producing: what is queued is
still flushed, and then given up. Exit 1 when the client broke for good.
"""

import random
import signal
import time
from functools import partial

from confluent_kafka import KafkaException, Producer

from chaos_history import Block, EventLog
from chaos_records import headers, key, timestamp_ms, value
from clientlib import CODECS, Stopwatch, finish, parser, partition_list, positive, refuse, settings

IDEMPOTENT = ("idempotent", "impatient")


def arguments():
    p = parser(__doc__)
    p.add_argument("--bootstrap", required=True, metavar="HOST:PORT[,HOST:PORT…]")
    p.add_argument("--topic", required=True)
    p.add_argument("--topic-number", type=int, default=0, help="the topic's number in the history")
    p.add_argument("--partitions", type=partition_list, default=[0], metavar="0,2-4", help="default: 0")
    p.add_argument("--client", type=int, required=True, help="this client's number in the history")
    p.add_argument("--start-ns", type=int, required=True, help="when the run began, by the monotonic clock")
    p.add_argument("--history", required=True, metavar="FILE")
    p.add_argument("--rate", type=positive, required=True, help="records per second")
    p.add_argument("--block", type=positive, default=20, help="records for one partition before the next one's turn")
    p.add_argument("--kind", choices=("idempotent", "impatient", "plain", "one"), required=True)
    p.add_argument("--codec", choices=CODECS, default="none")
    p.add_argument("--timeout-s", type=positive, default=12, help="for --kind impatient")
    p.add_argument("--flush-s", type=positive, default=120, help="how long the last acknowledgements may take")
    p.add_argument("--client-id", default=None)
    return p.parse_args()


class Client:
    """The producer, its history, and what it complained of."""

    def __init__(self, args):
        self.args = args
        self.log = EventLog(args.history, args.client, args.start_ns, args.topic_number)
        self.errors = {}
        self.complaints = {}
        self.fatal = None
        self.stopping = False
        self.sent = 0
        patient = args.kind != "impatient"
        self.producer = Producer(settings({
            "bootstrap.servers": args.bootstrap,
            "client.id": args.client_id or f"chaos-{args.client}",
            "enable.idempotence": args.kind in IDEMPOTENT,
            "acks": 1 if args.kind == "one" else "all",
            "compression.type": args.codec,
            "linger.ms": 5,
            "queue.buffering.max.messages": 20_000,
            "message.timeout.ms": 3_600_000 if patient else args.timeout_s * 1_000,
            "socket.timeout.ms": 20_000 if patient else max(args.timeout_s * 500, 2_000),
            "request.timeout.ms": 15_000 if patient else max(args.timeout_s * 400, 2_000),
            "retry.backoff.ms": 50,
            "retry.backoff.max.ms": 500,
            "message.send.max.retries": 1_000_000,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 5_000,
            "log_level": 2,
            "error_cb": self.on_error,
        }, args.config))

    def on_error(self, error):
        count(self.complaints, error.name())
        if error.fatal() and self.fatal is None:
            # What the library calls fatal is wrapped: the text begins with what it was.
            self.fatal = f"{error.name()}: {error.str()}"
            self.log.write({"Fatal": {"error": max(error.code(), -1), "why": self.fatal}})

    def stop(self, *_signal):
        self.stopping = True

    def delivered(self, block, place, error, message):
        if error is not None:
            count(self.errors, error.name())
            block.answered(place, None)
        elif message.offset() is None or message.offset() < 0:
            # Acknowledged as a duplicate whose offset the broker did not say: nothing can be held against it.
            count(self.errors, "NO_OFFSET")
            block.answered(place, None)
        else:
            block.answered(place, message.offset())

    def send_block(self, partition):
        """Hands a block over; what the library does not take now is left for the next one."""
        args = self.args
        block = Block(self.log, args.kind in IDEMPOTENT, args.kind == "idempotent", partition, self.sent)
        for _ in range(args.block):
            number = self.sent
            place = block.sent()
            try:
                self.producer.produce(
                    args.topic, value(args.client, number), key(number), partition=partition,
                    timestamp=timestamp_ms(number), headers=headers(number) or [],
                    on_delivery=partial(self.delivered, block, place))
            except (BufferError, KafkaException):
                block.unsent()
                self.producer.poll(0.1)
                break
            self.sent += 1


def count(counts, name):
    counts[name] = counts.get(name, 0) + 1


def produce(client):
    """Produce until told to stop; a rate that was missed during an outage is not made up for."""
    args = client.args
    turn = random.Random(args.client)
    pause = args.block / args.rate
    due = time.monotonic()
    while not client.stopping and client.fatal is None:
        client.send_block(turn.choice(args.partitions))
        due = max(due + pause, time.monotonic() - 1.0)
        client.producer.poll(0)
        while (early := due - time.monotonic()) > 0 and not client.stopping:
            client.producer.poll(min(early, 0.1))


def flush(client):
    """Wait for the last acknowledgements; what is still open then is given up. Returns how many were."""
    until = time.monotonic() + client.args.flush_s
    left = client.producer.flush(0.5)
    while left > 0 and time.monotonic() < until:
        left = client.producer.flush(0.5)
        client.log.flush()
    if left > 0:
        client.producer.purge(in_queue=True, in_flight=True)
        client.producer.flush(5)
    return left


def main():
    args = arguments()
    watch = Stopwatch()
    try:
        client = Client(args)
    except (KafkaException, OSError) as e:
        refuse(str(e))
    signal.signal(signal.SIGTERM, client.stop)
    signal.signal(signal.SIGINT, client.stop)
    produce(client)
    open_records = flush(client)
    log = client.log
    if open_records:
        log.write({"Stuck": {"why": f"{open_records} records are not answered {args.flush_s} s after the end"}})
    else:
        log.write("Finished")
    log.close()
    finish({
        "client": args.client,
        "kind": args.kind,
        "records": client.sent,
        "acknowledged": log.acknowledged,
        "given_up": log.given_up,
        "unanswered": open_records,
        "errors": client.errors,
        "client_errors": client.complaints,
        "fatal": client.fatal,
        "seconds": watch.seconds(),
    }, ok=client.fatal is None and open_records == 0)


if __name__ == "__main__":
    main()

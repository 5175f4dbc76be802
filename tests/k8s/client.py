"""Runs in a pod: a producer and a group of two consumers on librdkafka, at work while agents come and go.

  client.py --bootstrap HOST:PORT --topic NAME [--rate RECORDS_PER_SECOND] [--bytes SIZE]

Writes numbered records until the file /tmp/stop is there, lets the consumers read what was acknowledged, and ends with
one line of JSON. What is an error: a record whose delivery failed, an error that a consumer is given, and whatever
librdkafka reports by its callback. Only that one connection ended, or that one agent's name is gone, is counted apart:
every Kafka client reconnects when a broker leaves, and librdkafka calls that informational.

The numbers tell more than errors do: `lost` are numbers that were acknowledged and never read, `twice` those that stand
at two offsets, which an idempotent producer forbids. Both lists must be empty.
"""
import argparse
import array
import itertools
import json
import os
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, Producer, libversion
from confluent_kafka.admin import AdminClient, NewTopic

STOP = "/tmp/stop"
CONNECTION = {KafkaError._TRANSPORT, KafkaError._RESOLVE}
PARTITIONS = 6
READ_AFTER_STOP_SECONDS = 60


NOWHERE = -1


class Seen:
    """What the clients were told, shared by their threads. Records are counted in arrays: there may be millions."""

    def __init__(self):
        self.lock = threading.Lock()
        self.errors = []
        self.connections = []
        self.acked = bytearray()  # by number: 1 once acknowledged
        self.places = array.array("q")  # by number: where it was read, partition and offset in one
        self.counts = {"acked": 0, "read": 0}
        self.twice = set()
        self.longest_ack = 0.0
        self.longest_silence = 0.0
        self.last_read = None

    def error(self, who, error):
        text = f"{who}: {error.name()}: {error.str()}"
        with self.lock:
            (self.connections if error.code() in CONNECTION else self.errors).append(text)
        print(json.dumps({"at": round(time.time(), 3), "told": text}), flush=True)

    def delivered(self, number, sent, error):
        if error is not None:
            self.error("delivery", error)
            with self.lock:
                self.errors.append(f"record {number} was not delivered: {error.str()}")
            return
        with self.lock:
            self._room_for(number)
            self.counts["acked"] += 1
            self.acked[number] = 1
            self.longest_ack = max(self.longest_ack, time.monotonic() - sent)

    def received(self, message):
        number = int(message.key())
        now = time.monotonic()
        with self.lock:
            if self.last_read is not None:
                self.longest_silence = max(self.longest_silence, now - self.last_read)
            self.last_read = now
            self._room_for(number)
            place = message.partition() << 48 | message.offset()
            if self.places[number] == NOWHERE:
                self.places[number] = place
                self.counts["read"] += 1
            elif self.places[number] != place:
                self.twice.add(number)

    def _room_for(self, number):
        while len(self.acked) <= number:
            self.acked.extend(bytes(4096))
            self.places.extend([NOWHERE] * 4096)

    def unread(self):
        """The first numbers that were acknowledged and are not read yet."""
        with self.lock:
            missing = (number for number, acked in enumerate(self.acked) if acked and self.places[number] == NOWHERE)
            return list(itertools.islice(missing, 20))


def common(arguments, name, seen):
    return {"bootstrap.servers": arguments.bootstrap, "client.id": name, "error_cb": lambda error: seen.error(name, error)}


def create_topic(arguments, seen):
    admin = AdminClient(common(arguments, "admin", seen))
    for future in admin.create_topics([NewTopic(arguments.topic, num_partitions=PARTITIONS)], request_timeout=30).values():
        future.result()


def write(arguments, seen):
    producer = Producer({**common(arguments, "writer", seen), "enable.idempotence": True, "acks": "all", "linger.ms": 20})
    value = os.urandom(arguments.bytes)
    number, began = 0, time.monotonic()
    while not os.path.exists(STOP):
        sent = time.monotonic()
        try:
            producer.produce(arguments.topic, value, key=str(number), on_delivery=lambda error, _, n=number, s=sent: seen.delivered(n, s, error))
        except BufferError:
            producer.poll(0.1)
            continue
        number += 1
        producer.poll(0)
        ahead = began + number / arguments.rate - time.monotonic()
        if ahead > 0:
            producer.poll(ahead)
    left = producer.flush(60)
    if left:
        with seen.lock:
            seen.errors.append(f"{left} records were still not acknowledged a minute after the end")
    return number


def read(arguments, name, seen, over):
    consumer = Consumer({
        **common(arguments, name, seen),
        "group.id": arguments.topic,
        "auto.offset.reset": "earliest",
        "auto.commit.interval.ms": 1000,
    })
    consumer.subscribe([arguments.topic])
    while not over.is_set():
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            seen.error(name, message.error())
        else:
            seen.received(message)
    consumer.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--bytes", type=int, default=500)
    arguments = parser.parse_args()
    seen, over = Seen(), threading.Event()
    create_topic(arguments, seen)
    readers = [threading.Thread(target=read, args=(arguments, f"reader-{n}", seen, over)) for n in (1, 2)]
    for reader in readers:
        reader.start()
    threading.Thread(target=tell_progress, args=(seen, over), daemon=True).start()
    written = write(arguments, seen)
    deadline = time.monotonic() + READ_AFTER_STOP_SECONDS
    while seen.unread() and time.monotonic() < deadline:
        time.sleep(0.5)
    over.set()
    for reader in readers:
        reader.join()
    print(json.dumps({"result": {
        "librdkafka": libversion()[0],
        "written": written,
        **seen.counts,
        "lost": seen.unread(),
        "twice": sorted(seen.twice)[:20],
        "errors": seen.errors[:50],
        "connections": seen.connections[:50],
        "connections_lost": len(seen.connections),
        "longest_ack_seconds": round(seen.longest_ack, 3),
        "longest_silence_seconds": round(seen.longest_silence, 3),
    }}), flush=True)
    sys.exit(0)


def tell_progress(seen, over):
    while not over.wait(1):
        with seen.lock:
            print(json.dumps({"at": round(time.time(), 3), **seen.counts}), flush=True)


if __name__ == "__main__":
    main()

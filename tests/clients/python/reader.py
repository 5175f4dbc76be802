"""A consumer of assigned partitions, without a group: where it stops, and which brokers served it."""

import json
import threading

from confluent_kafka import Consumer, KafkaError, TopicPartition

from clientlib import Patience, settings


class Stalled(Exception):
    """The reader could not get to where it was to stop; the text says why."""


class FetchSources:
    """Counts Fetch requests per broker from librdkafka's statistics.

    A client asks the broker that Metadata names as leader, wherever it bootstrapped: only this shows
    which agent served the bytes.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._by_node = {}

    def on_statistics(self, text):
        brokers = json.loads(text).get("brokers", {})
        with self._lock:
            for broker in brokers.values():
                fetches = broker.get("req", {}).get("Fetch", 0)
                if broker.get("nodeid", -1) >= 0 and fetches:
                    self._by_node[str(broker["nodeid"])] = fetches

    def summary(self):
        with self._lock:
            return dict(self._by_node)


class Reader:
    """Reads assigned partitions of one topic; close it when done."""

    def __init__(self, bootstrap, client_id, topic, extra):
        self.sources = FetchSources()
        self._topic = topic
        self._consumer = Consumer(settings({
            "bootstrap.servers": bootstrap,
            "client.id": client_id,
            # librdkafka wants a name even where no group is ever joined.
            "group.id": "esker-assigned-partitions",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "check.crcs": True,
            "allow.auto.create.topics": False,
            "reconnect.backoff.max.ms": 1_000,
            "fetch.wait.max.ms": 200,
            "statistics.interval.ms": 200,
            "stats_cb": self.sources.on_statistics,
        }, extra))

    def watermarks(self, partition):
        """(first offset, end) as the broker answers ListOffsets now."""
        return self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=30)

    def read(self, ends, start, idle_timeout_s):
        """Yield each record from `start` until every partition is read up to its end in `ends` (None: for ever).

        Raises Stalled on an error that does not pass, or when nothing came for `idle_timeout_s`.
        """
        self._consumer.assign([TopicPartition(self._topic, partition, start) for partition in ends])
        unread = {partition for partition, end in ends.items() if end != 0}
        patience = Patience(idle_timeout_s)
        while unread:
            for message in self._consumer.consume(10_000, timeout=0.5):
                partition, error = message.partition(), message.error()
                end = ends[partition]
                if error is None:
                    patience.note()
                    if end is None or message.offset() < end:
                        yield message
                    position = message.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    # What comes last need not be a record: a marker, or one that was cleaned away.
                    position = message.offset()
                elif error.retriable():
                    continue
                else:
                    raise Stalled(f"partition {partition}: {error.name()}: {error.str()}")
                if end is not None and position >= end:
                    unread.discard(partition)
            if patience.ran_out():
                raise Stalled(f"nothing for {idle_timeout_s} s, partitions {sorted(unread)} not read to the end")

    def close(self):
        self._consumer.close()

"""Writes records to a topic and reads them back in a consumer group, with confluent-kafka.

    python confluent_kafka_group.py [BOOTSTRAP [TOPIC [RECORDS]]]

It ends with exit code 0 once it has read as many records as it wrote, and with 1 after a minute without.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic


def create_topic(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, num_partitions=3)]).values():
        try:
            future.result()
        except KafkaException as e:
            if e.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def produce(bootstrap, topic, records):
    failed = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for n in range(records):
        producer.produce(topic, key=f"key-{n}", value=f"hello {n}",
                         on_delivery=lambda error, _: failed.append(error) if error else None)
        producer.poll(0)
    if producer.flush(60) or failed:
        sys.exit(f"not everything was written: {failed[:1]}")


def consume(bootstrap, topic, group, records):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.subscribe([topic])
    until = time.monotonic() + 60
    read = 0
    while read < records:
        message = consumer.poll(1)
        if time.monotonic() > until:
            sys.exit(f"{read} of {records} records within a minute")
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        read += 1
    consumer.commit(asynchronous=False)
    consumer.close()


def main(bootstrap="127.0.0.1:9092", topic="greetings", records="100"):
    group = f"{topic}-confluent-kafka"
    create_topic(bootstrap, topic)
    produce(bootstrap, topic, int(records))
    print(f"{records} records written to {topic}")
    consume(bootstrap, topic, group, int(records))
    print(f"{records} records read in group {group}")


if __name__ == "__main__":
    main(*sys.argv[1:])

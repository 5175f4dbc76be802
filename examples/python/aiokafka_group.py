"""Writes records to a topic and reads them back in a consumer group, with aiokafka.

    python aiokafka_group.py [BOOTSTRAP [TOPIC [RECORDS]]]

It ends with exit code 0 once it has read as many records as it wrote, and with 1 after a minute without.
"""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError


async def create_topic(bootstrap, topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1)])
    except TopicAlreadyExistsError:
        pass
    finally:
        await admin.close()


async def produce(bootstrap, topic, records):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        sent = [await producer.send(topic, f"hello {n}".encode(), key=f"key-{n}".encode()) for n in range(records)]
        await asyncio.gather(*sent)


async def consume(bootstrap, topic, group, records):
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
                                enable_auto_commit=False)
    async with consumer:
        for _ in range(records):
            await consumer.getone()
        await consumer.commit()


async def main(bootstrap="127.0.0.1:9092", topic="greetings", records="100"):
    group = f"{topic}-aiokafka"
    await create_topic(bootstrap, topic)
    await produce(bootstrap, topic, int(records))
    print(f"{records} records written to {topic}")
    await asyncio.wait_for(consume(bootstrap, topic, group, int(records)), timeout=60)
    print(f"{records} records read in group {group}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

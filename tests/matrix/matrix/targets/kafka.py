"""The oracle: one Apache Kafka broker."""

import os
import signal
import sys

from matrix.parts import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "clients"))

from apache_kafka import ApacheKafka, free_ports  # noqa: E402  (it stands in a folder of its own)

__all__ = ["Kafka", "free_ports", "kafka_version"]

# As in the server.properties that Apache Kafka ships: a first group does not wait for further members.
PROPERTIES = {"group.initial.rebalance.delay.ms": "0"}


class Kafka:
    """Apache Kafka from the jars of tests/clients/java."""

    name = "kafka"

    def __init__(self, parts, directory, settings=()):
        self.version = kafka_version(parts)
        self._broker = ApacheKafka(parts.kafka_jars(), directory, {**PROPERTIES, **dict(settings)})
        self.bootstrap = self._broker.bootstrap

    def start(self):
        self._broker.start()

    def stop(self):
        self._broker.stop(signal.SIGKILL)


def kafka_version(parts):
    """From the name of the jar: kafka_2.13-4.2.0.jar."""
    for name in os.listdir(parts.kafka_jars()):
        if name.startswith("kafka_2.13-"):
            return name[len("kafka_2.13-"):-len(".jar")]
    raise ValueError(f"no jar of Apache Kafka in {parts.kafka_jars()}")

"""What clients are run against: `kafka`, `dev`, `cluster`. Each has a `name`, a `version` and a `bootstrap`, and is
started empty for every entry and ended after it."""

from matrix.targets.esker import Cluster, Dev
from matrix.targets.kafka import Kafka

TARGETS = {target.name: target for target in (Kafka, Dev, Cluster)}

"""What Apache Kafka brings beside its clients: Streams, Connect, MirrorMaker 2."""

from matrix.entries.ecosystem import connect, mirror, streams

ENTRIES = (streams.ENTRY, connect.ENTRY, mirror.ENTRY)

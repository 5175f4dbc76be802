"""Records in files: how the drivers read what they produce and write what they consumed.

lines   one record per line, its value the line without the newline; written back with a newline
blocks  values of N bytes each, the last one shorter; written back to back
jsonl   one JSON object per record: key, value, headers, timestamp_ms, partition. Bytes are base64,
        null stays null; what is left out is null or chosen by the client
"""

import base64
import json


class Record:
    """One record to produce; `partition` and `timestamp_ms` may be None."""

    __slots__ = ("key", "value", "headers", "timestamp_ms", "partition")

    def __init__(self, value, key=None, headers=None, timestamp_ms=None, partition=None):
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp_ms = timestamp_ms
        self.partition = partition


def read_lines(path):
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                raise ValueError(f"{path}: its last line has no newline, so it could not be written back byte for byte")
            yield Record(line[:-1])


def read_blocks(path, block_bytes):
    with open(path, "rb") as file:
        while block := file.read(block_bytes):
            yield Record(block)


def read_jsonl(path):
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                item = json.loads(line)
                yield Record(
                    value=_bytes(item.get("value")),
                    key=_bytes(item.get("key")),
                    headers=[(name, _bytes(value)) for name, value in item.get("headers", [])],
                    timestamp_ms=item.get("timestamp_ms"),
                    partition=item.get("partition"),
                )
            except (ValueError, TypeError, AttributeError) as e:
                raise ValueError(f"{path}:{number}: not a record: {e}") from None


def to_json(message):
    """A consumed message as a line of jsonl, with where it was found."""
    kind, timestamp_ms = message.timestamp()
    return json.dumps(
        {
            "partition": message.partition(),
            "offset": message.offset(),
            "key": _base64(message.key()),
            "value": _base64(message.value()),
            "headers": [[name, _base64(value)] for name, value in message.headers() or []],
            "timestamp_kind": {1: "create", 2: "append"}.get(kind, "none"),
            "timestamp_ms": timestamp_ms if kind else None,
        }
    )


def _bytes(text):
    return None if text is None else base64.b64decode(text, validate=True)


def _base64(data):
    return None if data is None else base64.b64encode(data).decode("ascii")

"""What a client of a chaos run saw, as lines of JSON: the events of the crate `esker-history`.

Times are microseconds of the machine's monotonic clock since an instant that all clients of a run are given,
so that their files merge. The library does not show its batches: each record counts as a batch of its own,
as any of them may have been sent again, or been lost, without its neighbours. Only where nothing can stand
in the log twice (an idempotent producer that gives nothing up), acknowledged records that follow on each
other share one event. Its time is that of the first for what was sent, and that of the last for what came
back, which claims less than is true, never more.
"""

import json
import time


class EventLog:
    """A file of events of one client."""

    def __init__(self, path, client, start_ns, topic):
        self._file = open(path, "w", buffering=1 << 16, encoding="ascii")
        self._start_ns = start_ns
        self._topic = topic
        self.client = client
        self.acknowledged = 0
        self.given_up = 0
        self._batches = 0

    def now_us(self):
        return (time.monotonic_ns() - self._start_ns) // 1_000

    def write(self, what, at_us=None):
        """Append one event: `what` is a name or {name: fields}."""
        line = {"at_us": self.now_us() if at_us is None else at_us, "client": self.client, "what": what}
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def partition(self, index):
        return {"topic": self._topic, "index": index}

    def run(self, run, idempotent):
        """What became of consecutive records of one partition that were sent and answered together."""
        batch = {"by": self.client, "number": self._batches}
        self._batches += 1
        identity = {"id": self.client, "epoch": 0, "first_sequence": -1} if idempotent else None
        records = {"by": self.client, "first": run.first, "count": run.count}
        self.write({"Sent": {"batch": batch, "partition": self.partition(run.partition), "by_name": True,
                             "identity": identity, "records": records, "to": None}}, run.sent_us)
        if run.base_offset is None:
            self.given_up += run.count
            self.write({"GivenUp": {"batch": batch}}, run.answered_us)
        else:
            self.acknowledged += run.count
            self.write({"Acked": {"batch": batch, "base_offset": run.base_offset, "log_start": -1, "by": None}},
                       run.answered_us)

    def fetched(self, partition, start, asked_us, seen, by=None, error=0):
        """Records found one after the other from `start` on; `seen` is a list of (offset, client, first, count)."""
        self.write({"Fetched": {
            "partition": self.partition(partition), "by_name": True, "from": start, "asked_us": asked_us, "by": by,
            "error": error, "high_watermark": -1, "log_start": -1,
            "seen": [{"base_offset": offset, "records": {"by": client, "first": first, "count": count},
                      "batch_hash": None} for offset, client, first, count in seen],
        }})

    def damaged(self, partition, offset, why):
        self.write({"Damaged": {"partition": self.partition(partition), "offset": offset, "why": why}})

    def listed(self, partition, query, asked_us, offset, by=None):
        self.write({"Listed": {"partition": self.partition(partition), "query": query, "asked_us": asked_us, "by": by,
                               "error": 0, "offset": offset}})

    def read_through(self, partition, through, began_us, log_start, end):
        self.write({"ReadThrough": {"partition": self.partition(partition), "through": through, "began_us": began_us,
                                    "log_start": log_start, "end": end}})

    def flush(self):
        self._file.flush()

    def close(self):
        self._file.close()


class Run:
    """Consecutive records of one partition that were acknowledged; or one that was given up, without an offset."""

    __slots__ = ("partition", "first", "count", "sent_us", "answered_us", "base_offset")

    def __init__(self, partition, first, sent_us, answered_us, base_offset):
        self.partition = partition
        self.first = first
        self.count = 1
        self.sent_us = sent_us
        self.answered_us = answered_us
        self.base_offset = base_offset

    def takes(self, number, offset):
        """Whether the record `number`, answered with `offset`, follows on this run."""
        if self.base_offset is None or offset is None:
            return False
        return number == self.first + self.count and offset == self.base_offset + self.count

    def add(self, answered_us):
        self.count += 1
        self.answered_us = answered_us


class Block:
    """Records that were handed to the library one after the other for one partition, until all are answered.

    `once` says that none of them can stand in the log twice.
    """

    def __init__(self, log, idempotent, once, partition, first):
        self._log = log
        self._idempotent = idempotent
        self._once = once
        self._partition = partition
        self._first = first
        self._sent_us = []
        self._answered = 0
        self._run = None

    def sent(self):
        """The next record is being handed over; returns its place."""
        self._sent_us.append(self._log.now_us())
        return len(self._sent_us) - 1

    def unsent(self):
        """The library did not take it."""
        self._sent_us.pop()

    def answered(self, place, offset):
        """The record was acknowledged at `offset` or, if that is None, given up."""
        now = self._log.now_us()
        number = self._first + place
        if self._once and self._run is not None and self._run.takes(number, offset):
            self._run.add(now)
        else:
            self._end_run()
            self._run = Run(self._partition, number, self._sent_us[place], now, offset)
        self._answered += 1
        if self._answered == len(self._sent_us):
            self._end_run()

    def _end_run(self):
        if self._run is not None:
            self._log.run(self._run, self._idempotent)
            self._run = None

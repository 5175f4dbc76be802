#!/usr/bin/env python3
"""Read all partitions through one agent, after a chaos run, and write down what stands there.

  chaos_read.py --bootstrap h:1 --zone zone-1 --node 1 --life 17 --topic t --topic-number 0 --partitions 0-11
                --client 20 --start-ns N --history r20.jsonl

A client fetches from the broker that Metadata names, not from the one it bootstrapped with: `zone=` in the
client id asks for an agent of that zone, and the library's own statistics must show that no other served it.
Exit 1 when a partition was not read to its end, or another agent had a part in it.
"""

from confluent_kafka import OFFSET_BEGINNING, KafkaException

from chaos_history import EventLog
from chaos_seen import SeenRuns
from clientlib import Stopwatch, finish, parser, partition_list, positive, refuse, say
from reader import Reader, Stalled

RECORDS_AT_ONCE = 10_000


def arguments():
    p = parser(__doc__)
    p.add_argument("--bootstrap", required=True, metavar="HOST:PORT")
    p.add_argument("--zone", required=True, help="the agent's zone, in which it is alone")
    p.add_argument("--node", required=True, help="its node id")
    p.add_argument("--life", type=int, required=True, help="the number of its present life in the history")
    p.add_argument("--topic", required=True)
    p.add_argument("--topic-number", type=int, default=0, help="the topic's number in the history")
    p.add_argument("--partitions", type=partition_list, default=[0], metavar="0,2-4", help="default: 0")
    p.add_argument("--client", type=int, required=True, help="this client's number in the history")
    p.add_argument("--start-ns", type=int, required=True, help="when the run began, by the monotonic clock")
    p.add_argument("--history", required=True, metavar="FILE")
    p.add_argument("--idle-timeout-s", type=positive, default=120, help="give up after so long without a record")
    return p.parse_args()


class ReadThrough:
    """One reader's way through all partitions, in one go."""

    def __init__(self, args, log, reader):
        self.args = args
        self.log = log
        self.reader = reader
        self.records = 0
        self.damaged = 0
        self._runs = {}
        self._position = dict.fromkeys(args.partitions, 0)
        self._began_us = {}
        self._starts = {}
        self._ends = {}

    def run(self):
        for partition in self.args.partitions:
            self._began_us[partition] = self.log.now_us()
            self._starts[partition], self._ends[partition] = self.reader.watermarks(partition)
            self._position[partition] = self._starts[partition]
        for message in self.reader.read(self._ends, OFFSET_BEGINNING, self.args.idle_timeout_s):
            partition = message.partition()
            runs = self._runs.get(partition)
            if runs is None:
                runs = self._runs[partition] = SeenRuns(self.log, partition)
            runs.add(message)
            if runs.records >= RECORDS_AT_ONCE:
                self._write(partition)
        for partition in list(self._runs):
            self._write(partition)

    def _write(self, partition):
        runs = self._runs.pop(partition)
        self.records += runs.records
        self.damaged += runs.damaged
        self.log.fetched(partition, self._position[partition], self._began_us[partition], runs.runs, by=self.args.life)
        self._position[partition] = runs.next

    def conclude(self):
        """Say that it was all."""
        for partition, began_us in self._began_us.items():
            self.log.read_through(partition, self.args.life, began_us, self._starts[partition], self._ends[partition])


def main():
    args = arguments()
    watch = Stopwatch()
    try:
        log = EventLog(args.history, args.client, args.start_ns, args.topic_number)
        reader = Reader(args.bootstrap, f"chaos-read,zone={args.zone}", args.topic, args.config)
    except (KafkaException, OSError) as e:
        refuse(str(e))
    through = ReadThrough(args, log, reader)
    problem = None
    try:
        through.run()
        through.conclude()
    except (KafkaException, Stalled) as e:
        problem = str(e)
        log.write({"Stuck": {"why": f"could not read through agent {args.node}: {problem}"}})
        say(f"chaos_read: {problem}")
    reader.close()
    log.close()
    sources = reader.sources.summary()
    strangers = sorted(set(sources) - {args.node})
    finish({
        "node": args.node,
        "records": through.records,
        "damaged": through.damaged,
        "fetched_from": sources,
        "problem": problem or (f"nodes {strangers} had a part in it" if strangers else None),
        "seconds": watch.seconds(),
    }, ok=problem is None and not strangers and not through.damaged)


if __name__ == "__main__":
    main()

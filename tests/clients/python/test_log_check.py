"""The checker must catch what it is there for: each test plants one fault.

Run: `python3 -m unittest discover -s tests/clients/python` (needs no client library and no broker).
"""

import os
import tempfile
import unittest

from clientlib import PartitionTally, RecordHash, partition_list
from log_check import Acks, LogCheck, Problems, parse_value


def check(acked, log):
    """`acked`: (producer, partition, offset, n); `log`: (partition, offset, value). Returns the faults by kind."""
    problems = Problems()
    acks = Acks(problems)
    for item in acked:
        acks.add(*item)
    checker = LogCheck(acks, problems)
    for partition, offset, value in log:
        checker.add(partition, offset, value)
    checker.finish()
    return problems.counts


def log_of(*values, partition=0):
    return [(partition, offset, value) for offset, value in enumerate(values)]


class LogCheckTest(unittest.TestCase):
    def test_sound_log_passes(self):
        log = log_of(b"a-0-0  ", b"b-0-0", b"a-0-1", b"b-0-1")
        self.assertEqual(check([("a", 0, 0, 0), ("b", 0, 1, 0), ("a", 0, 2, 1)], log), {})

    def test_unacknowledged_record_may_stand_once(self):
        self.assertEqual(check([], log_of(b"a-0-0", b"a-0-1")), {})

    def test_lost_at_the_end(self):
        self.assertEqual(check([("a", 0, 0, 0), ("a", 0, 1, 1)], log_of(b"a-0-0")), {"lost": 1})

    def test_lost_in_the_middle(self):
        self.assertEqual(check([("a", 0, 0, 0), ("a", 0, 1, 1), ("a", 0, 2, 2)], log_of(b"a-0-0", b"a-0-2")),
                         {"lost": 1, "moved": 1})

    def test_lost_partition(self):
        self.assertEqual(check([("a", 1, 0, 0)], log_of(b"a-0-0")), {"lost": 1})

    def test_moved(self):
        self.assertEqual(check([("a", 0, 1, 0)], log_of(b"a-0-0")), {"moved": 1})

    def test_duplicate(self):
        self.assertEqual(check([("a", 0, 0, 0)], log_of(b"a-0-0", b"a-0-0")), {"moved": 1, "duplicate": 1})

    def test_duplicate_of_an_unacknowledged_record(self):
        self.assertEqual(check([], log_of(b"a-0-0", b"a-0-1", b"a-0-0")), {"duplicate": 1})

    def test_disorder(self):
        self.assertEqual(check([], log_of(b"a-0-1", b"a-0-0")), {"disorder": 1})

    def test_order_is_per_producer(self):
        self.assertEqual(check([], log_of(b"a-0-5", b"b-0-0", b"a-0-6", b"b-0-1")), {})

    def test_gap(self):
        self.assertEqual(check([], [(0, 0, b"a-0-0"), (0, 2, b"a-0-1")]), {"gap": 1})

    def test_offset_repeated(self):
        self.assertEqual(check([], [(0, 0, b"a-0-0"), (0, 0, b"a-0-1")]), {"offset_repeated": 1})

    def test_foreign_value(self):
        self.assertEqual(check([], log_of(b"hello", b"a-0-x", b"a-b-0-0")), {"foreign_value": 3})

    def test_null_value(self):
        self.assertEqual(parse_value(None), None)

    def test_wrong_partition(self):
        self.assertEqual(check([], log_of(b"a-1-0")), {"wrong_partition": 1})

    def test_one_record_acknowledged_at_two_offsets(self):
        self.assertEqual(check([("a", 0, 0, 0), ("a", 0, 1, 0)], log_of(b"a-0-0")), {"acked_twice": 1})

    def test_acknowledged_without_offset_may_stand_anywhere(self):
        self.assertEqual(check([("a", 0, -1, 0)], log_of(b"b-0-0", b"a-0-0")), {})

    def test_acknowledged_without_offset_and_lost(self):
        self.assertEqual(check([("a", 0, -1, 0)], log_of(b"b-0-0")), {"lost": 1})


class AcksFileTest(unittest.TestCase):
    def load(self, text):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "acks")
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            acks = Acks(Problems())
            acks.load("a", path)
            return acks

    def test_reads_lines(self):
        acks = self.load("0 7 0\n1 9 3\n")
        self.assertEqual((acks.count, acks.offset("a", 0, 0), acks.offset("a", 1, 3)), (2, 7, 9))

    def test_line_cut_short_by_a_kill_is_ignored(self):
        self.assertEqual(self.load("0 7 0\n0 8").count, 1)

    def test_garbage_is_refused(self):
        with self.assertRaisesRegex(ValueError, "acks:2: expected"):
            self.load("0 7 0\nhello\n")


class LibTest(unittest.TestCase):
    def test_null_and_empty_hash_differently(self):
        digests = set()
        for key, value in ((None, b""), (b"", b""), (b"", None), (None, None), (b"a", b"b"), (b"ab", b"")):
            record_hash = RecordHash()
            record_hash.add(key, value)
            digests.add(record_hash.hexdigest())
        self.assertEqual(len(digests), 6)

    def test_tally_reports_gaps(self):
        tally = PartitionTally()
        for offset in (0, 1, 5, 6):
            tally.add(offset, None, b"x")
        self.assertEqual((tally.gap_count, tally.gaps), (1, [[2, 5]]))

    def test_partition_list(self):
        self.assertEqual(partition_list("0,2-4"), [0, 2, 3, 4])


if __name__ == "__main__":
    unittest.main()

"""What the clients of chaos runs write down, without a client."""

import json
import os
import tempfile
import time
import unittest

from chaos_history import Block, EventLog
from chaos_records import damage, headers, key, name_of, timestamp_ms, value
from chaos_seen import SeenRuns


class Message:
    """A consumed message, as far as it is looked at."""

    def __init__(self, client, number, offset=0, data=None, kind=1):
        self._number = number
        self._offset = offset
        self._value = value(client, number) if data is None else data
        self._kind = kind

    def value(self):
        return self._value

    def key(self):
        return key(self._number)

    def headers(self):
        return headers(self._number)

    def timestamp(self):
        return self._kind, timestamp_ms(self._number)

    def offset(self):
        return self._offset


class RecordsTest(unittest.TestCase):
    def test_a_value_says_whose_it_is(self):
        self.assertEqual(name_of(value(3, 41)), (3, 41))
        self.assertNotEqual(value(3, 41)[5:], value(4, 41)[5:])
        for other in (None, b"", b"hello", b"1-x-", b"-1-2-"):
            self.assertIsNone(name_of(other))

    def test_the_first_values_of_two_clients(self):
        # The Java clients make the same, and each reads what the other wrote.
        self.assertEqual(value(0, 0)[:16], b"0-0-qmzrhlajoetb")
        self.assertEqual((len(value(2, 5)), value(2, 5)[:12]), (213, b"2-5-dcgtlbqo"))

    def test_every_changed_bit_is_damage(self):
        self.assertIsNone(damage(Message(3, 41), 3, 41))
        data = bytearray(value(3, 41))
        data[-1] ^= 1
        self.assertEqual(damage(Message(3, 41, data=bytes(data)), 3, 41), "another value")
        self.assertEqual(damage(Message(3, 41, data=value(3, 42)), 3, 42), "another key")


class FileTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "events")
        self.log = EventLog(self.path, 7, time.monotonic_ns(), 0)

    def events(self):
        self.log.close()
        with open(self.path, encoding="ascii") as file:
            return [json.loads(line)["what"] for line in file]

    def block(self, once, offsets):
        block = Block(self.log, True, once, 2, 100)
        for _ in offsets:
            block.sent()
        for place, offset in enumerate(offsets):
            block.answered(place, offset)
        events = self.events()
        sent = [e["Sent"]["records"] for e in events if "Sent" in e]
        acked = [e["Acked"]["base_offset"] for e in events if "Acked" in e]
        return [(r["first"], r["count"]) for r in sent], acked, len(events) - len(sent) - len(acked)

    def test_acknowledged_neighbours_share_an_event(self):
        self.assertEqual(self.block(True, [5, 6, 7, 20, 21]), ([(100, 3), (103, 2)], [5, 20], 0))

    def test_what_was_given_up_stands_alone(self):
        self.assertEqual(self.block(True, [5, None, None, 6]), ([(100, 1), (101, 1), (102, 1), (103, 1)], [5, 6], 2))

    def test_where_records_may_stand_twice_each_stands_alone(self):
        self.assertEqual(self.block(False, [5, 6]), ([(100, 1), (101, 1)], [5, 6], 0))

    def test_runs_of_what_was_seen(self):
        seen = SeenRuns(self.log, 1)
        for message in (Message(3, 8, 40), Message(3, 9, 41), Message(4, 10, 42), Message(4, 11, 44)):
            seen.add(message)
        self.assertEqual(seen.runs, [(40, 3, 8, 2), (42, 4, 10, 1), (44, 4, 11, 1)])
        self.assertEqual((seen.next, seen.damaged, self.events()), (45, 0, []))

    def test_damage_is_written_down(self):
        seen = SeenRuns(self.log, 1)
        seen.add(Message(3, 8, 40, data=b"garbage"))
        self.assertEqual((seen.runs, seen.damaged), ([], 1))
        self.assertEqual(self.events()[0]["Damaged"]["offset"], 40)


if __name__ == "__main__":
    unittest.main()

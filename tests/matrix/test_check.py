"""The rules of the group checker, each against what holds and against what does not."""

import unittest

from matrix.entries.java_groups.check import (Member, Trouble, check_commits, check_generations, check_ownership,
                                              check_records)

SESSION_US = 10_000_000
HEARTBEAT_US = 1_000_000


def assigned(at_us, *partitions, generation=1, member="m", offsets=None):
    return {"at_us": at_us, "what": "assigned", "partitions": list(partitions), "generation": generation, "member": member,
            "offsets": offsets or {}}


def revoked(at_us, *partitions):
    return {"at_us": at_us, "what": "revoked", "partitions": list(partitions), "generation": 1}


def lost(at_us, *partitions):
    return {"at_us": at_us, "what": "lost", "partitions": list(partitions), "generation": -1}


def committed(began_us, at_us, offset, partition=0):
    return {"at_us": at_us, "began_us": began_us, "what": "committed", "offsets": {str(partition): offset}}


def read(first, last, partition=0, count=None):
    return {"at_us": 0, "what": "read", "partition": partition, "first": first, "last": last,
            "count": last - first + 1 if count is None else count}


def observed(began_us, offset):
    return {"at_us": began_us + 1, "began_us": began_us, "what": "observed", "offsets": {"0": offset}}


class Ownership(unittest.TestCase):
    def troubles(self, *members):
        trouble = Trouble()
        check_ownership(members, SESSION_US, HEARTBEAT_US, trouble)
        return trouble.count

    def test_one_after_the_other(self):
        self.assertEqual(0, self.troubles(Member("a", [assigned(1, 0, 1), revoked(5, 0, 1)]), Member("b", [assigned(5, 0), revoked(9, 0)])))

    def test_two_owners(self):
        self.assertEqual(1, self.troubles(Member("a", [assigned(1, 0, 1), revoked(5, 0, 1)]), Member("b", [assigned(4, 0), revoked(9, 0)])))

    def test_a_short_ownership_within_a_long_one(self):
        self.assertEqual(2, self.troubles(Member("a", [assigned(1, 0), revoked(90, 0)]), Member("b", [assigned(4, 0), revoked(5, 0)]),
                                          Member("c", [assigned(40, 0), revoked(50, 0)])))

    def test_a_killed_member_keeps_its_partitions_for_its_session(self):
        killed = Member("a", [assigned(1, 0)], killed_us=100)
        early, late = 100 + SESSION_US - HEARTBEAT_US - 1, 100 + SESSION_US - HEARTBEAT_US
        self.assertEqual(1, self.troubles(killed, Member("b", [assigned(early, 0), revoked(early + 1, 0)])))
        self.assertEqual(0, self.troubles(killed, Member("b", [assigned(late, 0), revoked(late + 1, 0)])))

    def test_a_killed_static_member_may_come_back_in_its_place(self):
        killed = Member("a", [assigned(1, 0)], instance="one", killed_us=100)
        self.assertEqual(0, self.troubles(killed, Member("a2", [assigned(200, 0), revoked(300, 0)], instance="one")))
        self.assertEqual(1, self.troubles(killed, Member("b", [assigned(200, 0), revoked(300, 0)], instance="two")))

    def test_what_is_lost_was_owned_until_the_last_commit(self):
        zombie = Member("a", [assigned(1, 0), committed(5, 6, 1), lost(50, 0)])
        self.assertEqual(0, self.troubles(zombie, Member("b", [assigned(20, 0), revoked(30, 0)])))
        self.assertEqual(1, self.troubles(zombie, Member("b", [assigned(4, 0), revoked(30, 0)])))

    def test_generations_do_not_go_back(self):
        for generations, wanted in (((1, 2), 0), ((2, 1), 1)):
            trouble = Trouble()
            check_generations([Member("a", [assigned(n, 0, generation=g) for n, g in enumerate(generations)])], trouble)
            self.assertEqual(wanted, trouble.count)


class Records(unittest.TestCase):
    def troubles(self, end, *events):
        trouble = Trouble()
        again = check_records([Member("a", list(events))], {0: end}, trouble)
        return trouble.count, again

    def test_all_of_them(self):
        self.assertEqual((0, 0), self.troubles(10, read(5, 9), read(0, 4)))

    def test_some_twice(self):
        self.assertEqual((0, 2), self.troubles(10, read(0, 4), read(3, 9)))

    def test_a_hole(self):
        self.assertEqual(1, self.troubles(10, read(0, 3), read(5, 9))[0])

    def test_the_end_is_missing(self):
        self.assertEqual(1, self.troubles(11, read(0, 9))[0])

    def test_a_hole_within_a_poll(self):
        self.assertEqual(1, self.troubles(10, read(0, 9, count=9))[0])


class Commits(unittest.TestCase):
    def troubles(self, *events, observer=()):
        trouble = Trouble()
        check_commits([Member("a", list(events))], observer, trouble)
        return trouble.count

    def test_forward(self):
        self.assertEqual(0, self.troubles(committed(1, 2, 10), committed(3, 4, 20), observer=[observed(5, 20)]))

    def test_back(self):
        self.assertEqual(1, self.troubles(committed(1, 2, 10), committed(3, 4, 9)))

    def test_side_by_side_says_nothing(self):
        self.assertEqual(0, self.troubles(committed(1, 4, 10), committed(2, 5, 9)))

    def test_a_new_owner_is_told_too_little(self):
        self.assertEqual(1, self.troubles(committed(1, 2, 10), assigned(3, 0, offsets={"0": 9})))
        self.assertEqual(1, self.troubles(committed(1, 2, 10), assigned(3, 0)))
        self.assertEqual(0, self.troubles(committed(1, 2, 10), assigned(3, 0, offsets={"0": 10})))

    def test_an_observer_is_told_too_little(self):
        self.assertEqual(1, self.troubles(committed(1, 2, 10), observer=[observed(3, 9)]))


if __name__ == "__main__":
    unittest.main()

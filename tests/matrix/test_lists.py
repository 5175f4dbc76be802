"""The lists of what is left out or known to fail, and the settings that targets are given."""

import unittest
from types import SimpleNamespace

from matrix.entries import kafka_python, librdkafka
from matrix.targets.esker import options

DEV, CLUSTER, KAFKA = (SimpleNamespace(name=name) for name in ("dev", "cluster", "kafka"))


class Lists(unittest.TestCase):
    def test_a_part_is_left_out_on_one_target(self):
        part = "0081_admin/do_test_CreatePartitions"
        self.assertIn(part, librdkafka.excluded(CLUSTER))
        self.assertNotIn(part, librdkafka.excluded(DEV))
        self.assertLess(set(librdkafka.excluded(DEV)), set(librdkafka.excluded(CLUSTER)))

    def test_what_fails_on_esker_must_pass_on_apache_kafka(self):
        self.assertIn("test_transactional_producer_offsets", kafka_python.known(DEV))
        self.assertNotIn("test_transactional_producer_offsets", kafka_python.known(KAFKA))
        self.assertLess(set(kafka_python.known(KAFKA)), set(kafka_python.known(CLUSTER)))

    def test_each_has_a_cause(self):
        for causes in (librdkafka.excluded(CLUSTER), kafka_python.known(DEV)):
            self.assertTrue(all(causes.values()))

    def test_settings_become_options(self):
        self.assertEqual(["--auto-create-topics", "true", "--num-partitions", "4"], options((("num.partitions", "4"),)))


if __name__ == "__main__":
    unittest.main()

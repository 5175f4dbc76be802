"""What tests of the documentation need from the machine, and what they say when it is not there."""

import os
import unittest

REQUIRE_ALL = "ESKER_TEST_REQUIRE_ALL"


def need(value, test, why):
    """The part, or the test ends: as skipped and counted, or as failed where nothing may be skipped."""
    if value and os.path.exists(value):
        return value
    if os.environ.get(REQUIRE_ALL):
        raise AssertionError(f"{test}: {why}")
    skips = os.environ.get("ESKER_TEST_SKIPS")
    if skips:
        with open(skips, "a", encoding="utf-8") as file:
            file.write(f"{test}: {why}\n")
    raise unittest.SkipTest(why)


def build_directory():
    return os.environ.get("CARGO_TARGET_DIR") or os.path.join(os.getcwd(), "target")


def esker():
    """The program: $ESKER_TEST_PROGRAM, else what `cargo build` leaves."""
    return os.environ.get("ESKER_TEST_PROGRAM") or os.path.join(build_directory(), "debug", "esker")

"""What the drivers share: arguments, partition lists, hashes, one JSON summary on stdout.

Every driver prints exactly one JSON object on stdout, everything meant for people goes to stderr.
Exit codes: 0 done; 1 it ran and something is wrong (the summary says what); 2 wrong usage.
"""

import argparse
import hashlib
import json
import sys
import time

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
NULL_LENGTH = (1 << 64) - 1


def parser(doc, **kwargs):
    """An argument parser with what every driver takes; `doc` is the driver's module docstring."""
    p = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **kwargs
    )
    p.add_argument("--config", action="append", default=[], metavar="NAME=VALUE", type=name_value,
                   help="any further librdkafka setting; repeatable, wins over the driver's own")
    return p


def name_value(text):
    name, sep, value = text.partition("=")
    if not sep or not name:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def positive(text):
    try:
        n = int(text)
    except ValueError:
        n = 0
    if n <= 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return n


def partition_list(text):
    """`0,2-4` means partitions 0, 2, 3 and 4."""
    found = []
    for part in text.split(","):
        low, dash, high = part.partition("-")
        try:
            first = int(low)
            last = int(high) if dash else first
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected partitions as 0,2-4, got {text!r}") from None
        if first < 0 or last < first:
            raise argparse.ArgumentTypeError(f"expected partitions as 0,2-4, got {text!r}")
        found.extend(range(first, last + 1))
    if len(set(found)) != len(found):
        raise argparse.ArgumentTypeError(f"a partition is named twice in {text!r}")
    return found


def settings(base, extra):
    """The driver's own settings, then what `--config` asked for."""
    merged = dict(base)
    merged.update(extra)
    return merged


class RecordHash:
    """SHA-256 over records in log order: key and value, each behind its length as 8 bytes big endian.

    A null is a length of 2^64-1 and no bytes, so that null and empty differ. Producer and consumer
    use the same rule, so equal digests mean equal records in equal order.
    """

    def __init__(self):
        self._sha = hashlib.sha256()

    def add(self, key, value):
        sha = self._sha
        for part in (key, value):
            if part is None:
                sha.update(NULL_LENGTH.to_bytes(8, "big"))
            else:
                sha.update(len(part).to_bytes(8, "big"))
                sha.update(part)

    def hexdigest(self):
        return self._sha.hexdigest()


class PartitionTally:
    """Counts, offsets and hash of one partition's records, in log order.

    `gaps` lists [expected, found] where an offset did not follow the one before it.
    """

    GAPS_KEPT = 20

    def __init__(self):
        self.records = 0
        self.bytes = 0
        self.first = None
        self.last = None
        self.gap_count = 0
        self.gaps = []
        self._hash = RecordHash()

    def add(self, offset, key, value):
        if self.first is None:
            self.first = offset
        elif offset != self.last + 1:
            self.gap_count += 1
            if len(self.gaps) < self.GAPS_KEPT:
                self.gaps.append([self.last + 1, offset])
        self.last = offset
        self.records += 1
        self.bytes += len(value) if value is not None else 0
        self._hash.add(key, value)

    def summary(self):
        return {
            "records": self.records,
            "bytes": self.bytes,
            "first_offset": self.first,
            "last_offset": self.last,
            "gap_count": self.gap_count,
            "gaps": self.gaps,
            "sha256": self._hash.hexdigest(),
        }


def tallies_summary(tallies):
    return {str(partition): tallies[partition].summary() for partition in sorted(tallies)}


def say(text):
    print(text, file=sys.stderr, flush=True)


def finish(summary, ok):
    """Print the summary as one line of JSON and leave with 0 or 1."""
    summary["ok"] = ok
    print(json.dumps(summary, sort_keys=True), flush=True)
    sys.exit(0 if ok else 1)


def refuse(text):
    """Wrong usage: one sentence, exit 2, nothing was started."""
    say(f"{sys.argv[0].rsplit('/', 1)[-1]}: {text}")
    sys.exit(2)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self):
        self._start = time.monotonic()

    def seconds(self):
        return round(time.monotonic() - self._start, 3)


class Patience:
    """Runs out when nothing was noted for `seconds`."""

    def __init__(self, seconds):
        self._seconds = seconds
        self.note()

    def note(self):
        self._until = time.monotonic() + self._seconds

    def ran_out(self):
        return time.monotonic() > self._until

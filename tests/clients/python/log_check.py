"""What a log must look like after the crash producers: pure rules, no client.

Feed it the acknowledgements, then every record of every partition in the order it was read.
"""

from array import array

NOT_ACKED = -1
ACKED_SOMEWHERE = -2
PROBLEMS_KEPT = 20


class Problems:
    """Counts each kind of fault and keeps the first few in words."""

    def __init__(self):
        self.counts = {}
        self.examples = []

    def add(self, kind, text):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(self.examples) < PROBLEMS_KEPT:
            self.examples.append(f"{kind}: {text}")


class Acks:
    """Every acknowledged n of every (producer, partition), with its offset."""

    def __init__(self, problems):
        self._problems = problems
        self._offsets = {}
        self.count = 0
        self.without_offset = 0

    def add(self, producer, partition, offset, n):
        offsets = self._offsets.get((producer, partition))
        if offsets is None:
            offsets = self._offsets[(producer, partition)] = array("q")
        while len(offsets) <= n:
            offsets.append(NOT_ACKED)
        if offsets[n] != NOT_ACKED:
            self._problems.add("acked_twice", f"{producer}-{partition}-{n} at {offsets[n]} and at {offset}")
            return
        if offset < 0:
            offset = ACKED_SOMEWHERE
            self.without_offset += 1
        offsets[n] = offset
        self.count += 1

    def load(self, producer, path):
        """Read one acks file. A last line without its newline was being written at a kill: ignored."""
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    partition, offset, n = (int(word) for word in line.split())
                except ValueError:
                    raise ValueError(f"{path}:{number}: expected `partition offset n`, found {line!r}") from None
                self.add(producer, partition, offset, n)

    def offset(self, producer, partition, n):
        offsets = self._offsets.get((producer, partition))
        return offsets[n] if offsets is not None and n < len(offsets) else NOT_ACKED

    def missing(self, producer, partition, seen):
        """Acknowledged n that `seen` (a byte per n) does not hold."""
        for n, offset in enumerate(self._offsets[(producer, partition)]):
            if offset != NOT_ACKED and (n >= len(seen) or not seen[n]):
                yield n, offset

    def pairs(self):
        return list(self._offsets)


class LogCheck:
    """Holds one reader's view of the log against the acknowledgements."""

    def __init__(self, acks, problems):
        self._acks = acks
        self._problems = problems
        self._seen = {}
        self._last_n = {}
        self._next_offset = {}
        self.records = 0
        self.unacknowledged = 0

    def add(self, partition, offset, value):
        expected = self._next_offset.get(partition)
        if expected is not None and offset != expected:
            self._problems.add("gap" if offset > expected else "offset_repeated",
                               f"partition {partition}: offset {offset} where {expected} was due")
        self._next_offset[partition] = offset + 1
        self.records += 1

        parsed = parse_value(value)
        if parsed is None:
            self._problems.add("foreign_value", f"partition {partition} offset {offset}: {value[:60]!r}")
            return
        producer, home, n = parsed
        if home != partition:
            self._problems.add("wrong_partition", f"partition {partition} offset {offset} holds {producer}-{home}-{n}")
            return
        pair = (producer, partition)
        self._mark_seen(pair, n, offset)

        acked = self._acks.offset(producer, partition, n)
        if acked == NOT_ACKED:
            self.unacknowledged += 1
        elif acked not in (ACKED_SOMEWHERE, offset):
            self._problems.add("moved", f"{producer}-{partition}-{n} acknowledged at {acked}, found at {offset}")

    def _mark_seen(self, pair, n, offset):
        seen = self._seen.get(pair)
        if seen is None:
            seen = self._seen[pair] = bytearray()
        if n >= len(seen):
            seen.extend(bytes(n + 1 - len(seen)))
        if seen[n]:
            self._problems.add("duplicate", f"{pair[0]}-{pair[1]}-{n} again at offset {offset}")
            return
        seen[n] = 1
        last = self._last_n.get(pair, -1)
        if n < last:
            self._problems.add("disorder", f"{pair[0]}-{pair[1]}-{n} at offset {offset}, after n {last}")
        else:
            self._last_n[pair] = n

    def finish(self):
        """Call once everything was read: what was acknowledged and never found is lost."""
        for producer, partition in self._acks.pairs():
            for n, offset in self._acks.missing(producer, partition, self._seen.get((producer, partition), b"")):
                self._problems.add("lost", f"{producer}-{partition}-{n} acknowledged at {offset}")


def parse_value(value):
    """`<producer>-<partition>-<n>` with trailing spaces, or None."""
    if value is None:
        return None
    parts = value.rstrip(b" ").split(b"-")
    if len(parts) != 3 or not parts[0] or not parts[1].isdigit() or not parts[2].isdigit():
        return None
    return parts[0].decode("ascii", "replace"), int(parts[1]), int(parts[2])

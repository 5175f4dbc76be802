"""What a consumer found in one partition: every record compared with what it says it is."""

from chaos_records import damage, name_of


class SeenRuns:
    """Consecutive messages of one partition as runs of (offset, client, first number, count)."""

    def __init__(self, log, partition):
        self._log = log
        self._partition = partition
        self.runs = []
        self.records = 0
        self.damaged = 0
        self.next = None

    def add(self, message):
        offset = message.offset()
        self.records += 1
        self.next = offset + 1
        name = name_of(message.value())
        why = "no record of ours" if name is None else damage(message, *name)
        if why is not None:
            self.damaged += 1
            self._log.damaged(self._partition, offset, why)
        if name is None:
            return
        client, number = name
        if self.runs:
            at, by, first, count = self.runs[-1]
            if by == client and first + count == number and at + count == offset:
                self.runs[-1] = (at, by, first, count + 1)
                return
        self.runs.append((offset, client, number, 1))

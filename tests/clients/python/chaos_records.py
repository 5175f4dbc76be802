"""Records that say who made them: the n-th record of a client has the same bytes everywhere.

A value is `<client>-<n>-` and padding that follows from both; key, timestamp and headers follow too. So a
reader that knows nothing else can tell which record it holds, and whether every byte of it is right.
java/chaos/Records.java makes the same records.
"""

FILL_BYTES = 1 << 16
PADDING_MAX = 480
TIMESTAMP_BASE_MS = 1_700_000_000_000
CREATE_TIME = 1


def _fill():
    """Letters without a pattern that a codec could use up at once."""
    state = 1
    letters = bytearray()
    for _ in range(FILL_BYTES + PADDING_MAX):
        state = (state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        letters.append(97 + (state >> 16) % 26)
    return bytes(letters)


FILL = _fill()


def value(client, number):
    start = (number * 7_919 + client * 104_729) % FILL_BYTES
    length = 20 + (number * 31 + client * 17) % (PADDING_MAX - 20)
    return b"%d-%d-%b" % (client, number, FILL[start:start + length])


def key(number):
    """Every eighth record has none."""
    return None if number % 8 == 0 else b"k%d" % (number % 1_000)


def timestamp_ms(number):
    return TIMESTAMP_BASE_MS + number


def headers(number):
    """Every sixteenth record has one."""
    return [("n", b"%d" % number)] if number % 16 == 0 else None


def name_of(data):
    """(client, number) as a value says; None if it is not one of ours."""
    parts = data.split(b"-", 2) if data is not None else ()
    if len(parts) != 3 or not parts[0].isdigit() or not parts[1].isdigit():
        return None
    return int(parts[0]), int(parts[1])


def damage(message, client, number):
    """What about a consumed message differs from the record it says it is; None if nothing does."""
    if message.value() != value(client, number):
        return "another value"
    if message.key() != key(number):
        return "another key"
    kind, at = message.timestamp()
    if kind == CREATE_TIME and at != timestamp_ms(number):
        return "another timestamp"
    if (message.headers() or None) != headers(number):
        return "other headers"
    return None

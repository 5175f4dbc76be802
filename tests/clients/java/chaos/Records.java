import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Iterator;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;

/** Records that say who made them: the same as those of python/chaos_records.py, which says how. */
final class Records {
    private static final int FILL_BYTES = 1 << 16;
    private static final int PADDING_MAX = 480;
    private static final long TIMESTAMP_BASE_MS = 1_700_000_000_000L;
    private static final byte[] FILL = fill();

    /** Who made a record, and which of theirs it is. */
    record Name(int client, long number) {}

    private Records() {}

    private static byte[] fill() {
        long state = 1;
        byte[] letters = new byte[FILL_BYTES + PADDING_MAX];
        for (int at = 0; at < letters.length; at++) {
            state = (state * 1_103_515_245L + 12_345) & 0x7FFFFFFFL;
            letters[at] = (byte) ('a' + (state >> 16) % 26);
        }
        return letters;
    }

    static byte[] value(int client, long number) {
        int start = (int) ((number * 7_919 + client * 104_729L) % FILL_BYTES);
        int length = 20 + (int) ((number * 31 + client * 17L) % (PADDING_MAX - 20));
        byte[] name = (client + "-" + number + "-").getBytes(StandardCharsets.US_ASCII);
        byte[] value = Arrays.copyOf(name, name.length + length);
        System.arraycopy(FILL, start, value, name.length, length);
        return value;
    }

    private static byte[] key(long number) {
        return number % 8 == 0 ? null : ("k" + number % 1_000).getBytes(StandardCharsets.US_ASCII);
    }

    static ProducerRecord<byte[], byte[]> make(String topic, int partition, int client, long number) {
        ProducerRecord<byte[], byte[]> made = new ProducerRecord<>(
            topic, partition, TIMESTAMP_BASE_MS + number, key(number), value(client, number));
        if (number % 16 == 0) {
            made.headers().add("n", Long.toString(number).getBytes(StandardCharsets.US_ASCII));
        }
        return made;
    }

    /** Null if it is not one of ours. */
    static Name nameOf(byte[] value) {
        if (value == null) {
            return null;
        }
        int first = indexOf(value, 0);
        int second = first < 0 ? -1 : indexOf(value, first + 1);
        if (second < 0 || second > 32) {
            return null;
        }
        String[] parts = new String(value, 0, second, StandardCharsets.US_ASCII).split("-");
        try {
            return new Name(Integer.parseInt(parts[0]), Long.parseLong(parts[1]));
        } catch (NumberFormatException e) {
            return null;
        }
    }

    private static int indexOf(byte[] value, int from) {
        for (int at = from; at < value.length; at++) {
            if (value[at] == '-') {
                return at;
            }
        }
        return -1;
    }

    /** What differs from the record that it says it is; null if nothing does. */
    static String damage(ConsumerRecord<byte[], byte[]> found, Name name) {
        if (!Arrays.equals(found.value(), value(name.client(), name.number()))) {
            return "another value";
        }
        if (!Arrays.equals(found.key(), key(name.number()))) {
            return "another key";
        }
        if (found.timestampType() == TimestampType.CREATE_TIME && found.timestamp() != TIMESTAMP_BASE_MS + name.number()) {
            return "another timestamp";
        }
        Iterator<Header> headers = found.headers().iterator();
        if (name.number() % 16 == 0) {
            byte[] expected = Long.toString(name.number()).getBytes(StandardCharsets.US_ASCII);
            if (!headers.hasNext() || !Arrays.equals(headers.next().value(), expected)) {
                return "other headers";
            }
        }
        return headers.hasNext() ? "other headers" : null;
    }
}

import java.io.BufferedWriter;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a client of a chaos run saw, as lines of JSON: the events of the crate esker-history, as
 * python/chaos_history.py writes them. Several threads may write.
 */
final class History implements Closeable {
    private final BufferedWriter file;
    private final long startNs;
    private final int topic;
    final int client;
    private long batches;
    private long acknowledged;
    private long givenUp;

    History(Path path, int client, long startNs, int topic) throws IOException {
        this.file = Files.newBufferedWriter(path, StandardCharsets.US_ASCII);
        this.client = client;
        this.startNs = startNs;
        this.topic = topic;
    }

    /** Microseconds since the beginning of the run, by the machine's monotonic clock. */
    long nowUs() {
        return (System.nanoTime() - startNs) / 1_000;
    }

    /** Appends an event; {@code what} is JSON. */
    synchronized void write(long atUs, String what) {
        try {
            file.write("{\"at_us\":" + atUs + ",\"client\":" + client + ",\"what\":" + what + "}\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void write(String what) {
        write(nowUs(), what);
    }

    /** Records that were sent and acknowledged together from {@code offset} on, or one given up: -1. */
    synchronized void fate(
        int partition, long first, int count, long sentUs, long answeredUs, long offset, boolean idempotent) {
        String batch = "{\"by\":" + client + ",\"number\":" + batches + "}";
        batches++;
        String identity = idempotent ? "{\"id\":" + client + ",\"epoch\":0,\"first_sequence\":-1}" : "null";
        write(sentUs, "{\"Sent\":{\"batch\":" + batch + ",\"partition\":" + partition(partition)
            + ",\"by_name\":true,\"identity\":" + identity + ",\"records\":" + records(client, first, count)
            + ",\"to\":null}}");
        if (offset < 0) {
            givenUp += count;
            write(answeredUs, "{\"GivenUp\":{\"batch\":" + batch + "}}");
        } else {
            acknowledged += count;
            write(answeredUs, "{\"Acked\":{\"batch\":" + batch + ",\"base_offset\":" + offset
                + ",\"log_start\":-1,\"by\":null}}");
        }
    }

    /** {@code seen} is a JSON list of runs, see {@link #seen}. */
    void fetched(int partition, long from, long askedUs, int error, String seen) {
        write("{\"Fetched\":{\"partition\":" + partition(partition) + ",\"by_name\":true,\"from\":" + from
            + ",\"asked_us\":" + askedUs + ",\"by\":null,\"error\":" + error
            + ",\"high_watermark\":-1,\"log_start\":-1,\"seen\":" + seen + "}}");
    }

    static String seen(long offset, int client, long first, int count) {
        return "{\"base_offset\":" + offset + ",\"records\":" + records(client, first, count) + ",\"batch_hash\":null}";
    }

    void damaged(int partition, long offset, String why) {
        write("{\"Damaged\":{\"partition\":" + partition(partition) + ",\"offset\":" + offset
            + ",\"why\":\"" + why + "\"}}");
    }

    void listed(int partition, String query, long askedUs, long offset) {
        write("{\"Listed\":{\"partition\":" + partition(partition) + ",\"query\":\"" + query + "\",\"asked_us\":"
            + askedUs + ",\"by\":null,\"error\":0,\"offset\":" + offset + "}}");
    }

    /** Everything that was to be done is done, or not: then {@code why} is not null. */
    void ended(String why) {
        write(why == null ? "\"Finished\"" : "{\"Stuck\":{\"why\":\"" + why + "\"}}");
    }

    synchronized long acknowledged() {
        return acknowledged;
    }

    synchronized long givenUp() {
        return givenUp;
    }

    private String partition(int index) {
        return "{\"topic\":" + topic + ",\"index\":" + index + "}";
    }

    private static String records(int client, long first, int count) {
        return "{\"by\":" + client + ",\"first\":" + first + ",\"count\":" + count + "}";
    }

    @Override
    public synchronized void close() throws IOException {
        file.close();
    }
}

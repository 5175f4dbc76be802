import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * A file of events, one JSON object a line. Each is handed to the operating system before the caller goes on, so that
 * kill -9 loses none. Times are microseconds of the machine's monotonic clock, which all processes share.
 */
final class Events implements AutoCloseable {
    private final FileOutputStream file;

    Events(String path) throws IOException {
        this.file = new FileOutputStream(path, true);
    }

    static long nowUs() {
        return System.nanoTime() / 1_000;
    }

    /** `fields` is what stands between the braces after time and name. */
    synchronized void write(long atUs, String what, String fields) {
        String line = "{\"at_us\":" + atUs + ",\"what\":\"" + what + "\"" + (fields.isEmpty() ? "" : ",") + fields + "}\n";
        try {
            file.write(line.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void write(String what, String fields) {
        write(nowUs(), what, fields);
    }

    static String partitions(Collection<TopicPartition> partitions) {
        return "\"partitions\":" + partitions.stream().map(TopicPartition::partition).sorted().toList();
    }

    static String offsets(Map<TopicPartition, OffsetAndMetadata> offsets) {
        return offsets.entrySet().stream().filter(entry -> entry.getValue() != null)
            .map(entry -> "\"" + entry.getKey().partition() + "\":" + entry.getValue().offset())
            .collect(Collectors.joining(",", "\"offsets\":{", "}"));
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A consumer of a chaos run on Apache Kafka's own client: follows all partitions from their beginning,
 * compares every byte, and asks now and then where a partition begins and ends. SIGTERM ends it, after it has
 * read up to the ends that the partitions have then.
 */
public final class ChaosConsumer {
    private static final long LIST_EVERY_NS = 1_000_000_000L;
    private static final Duration STEP = Duration.ofMillis(200);
    private static final Duration LIST_PATIENCE = Duration.ofSeconds(10);

    private final Options options;
    private final History history;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final List<TopicPartition> partitions;
    private final Map<TopicPartition, Long> position = new HashMap<>();
    private final Options.Counts errors = new Options.Counts();
    private long askedUs;
    private long records;
    private long damaged;
    private volatile boolean stopping;

    private ChaosConsumer(Options options) throws IOException {
        this.options = options;
        this.history = new History(Path.of(options.text("history")), (int) options.number("client"),
            options.number("start-ns"), (int) options.number("topic-number"));
        this.partitions = IntStream.range(0, options.partitions())
            .mapToObj(index -> new TopicPartition(options.text("topic"), index)).toList();
        Properties settings = new Properties();
        settings.put("bootstrap.servers", options.text("bootstrap"));
        settings.put("client.id", options.text("client-id"));
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "none");
        settings.put("max.poll.records", 5_000);
        settings.put("fetch.max.wait.ms", 200);
        settings.put("request.timeout.ms", 15_000);
        settings.put("retry.backoff.ms", 50);
        settings.put("retry.backoff.max.ms", 500);
        settings.put("reconnect.backoff.ms", 50);
        settings.put("reconnect.backoff.max.ms", 500);
        settings.put("metadata.max.age.ms", 5_000);
        settings.put("allow.auto.create.topics", false);
        settings.put("enable.metrics.push", false);
        this.consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private void step() {
        ConsumerRecords<byte[], byte[]> found;
        try {
            found = consumer.poll(STEP);
        } catch (OffsetOutOfRangeException e) {
            errors.add("OffsetOutOfRangeException");
            e.offsetOutOfRangePartitions().forEach((partition, offset) ->
                history.fetched(partition.partition(), offset, askedUs, 1, "[]"));
            seek();
            return;
        } catch (KafkaException e) {
            errors.add(e.getClass().getSimpleName());
            return;
        }
        for (TopicPartition partition : found.partitions()) {
            take(partition, found.records(partition));
        }
    }

    private void take(TopicPartition partition, List<ConsumerRecord<byte[], byte[]>> found) {
        StringBuilder seen = new StringBuilder("[");
        long runOffset = -1;
        Records.Name runName = null;
        int runCount = 0;
        for (ConsumerRecord<byte[], byte[]> one : found) {
            records++;
            Records.Name name = Records.nameOf(one.value());
            String why = name == null ? "no record of ours" : Records.damage(one, name);
            if (why != null) {
                damaged++;
                history.damaged(partition.partition(), one.offset(), why);
            }
            boolean follows = name != null && runName != null && name.client() == runName.client()
                && name.number() == runName.number() + runCount && one.offset() == runOffset + runCount;
            if (follows) {
                runCount++;
                continue;
            }
            append(seen, runOffset, runName, runCount);
            runOffset = one.offset();
            runName = name;
            runCount = 1;
        }
        append(seen, runOffset, runName, runCount);
        history.fetched(partition.partition(), position.get(partition), askedUs, 0, seen.append(']').toString());
        position.put(partition, found.get(found.size() - 1).offset() + 1);
    }

    private static void append(StringBuilder seen, long offset, Records.Name name, int count) {
        if (name != null) {
            seen.append(seen.length() > 1 ? "," : "").append(History.seen(offset, name.client(), name.number(), count));
        }
    }

    private void seek() {
        askedUs = history.nowUs();
        partitions.forEach(partition -> consumer.seek(partition, position.get(partition)));
    }

    /** Where a partition ends; null without an answer. */
    private Long list(TopicPartition partition) {
        try {
            long asked = history.nowUs();
            long begin = consumer.beginningOffsets(List.of(partition), LIST_PATIENCE).get(partition);
            history.listed(partition.partition(), "Earliest", asked, begin);
            asked = history.nowUs();
            long end = consumer.endOffsets(List.of(partition), LIST_PATIENCE).get(partition);
            history.listed(partition.partition(), "Latest", asked, end);
            return end;
        } catch (KafkaException e) {
            errors.add("list offsets: " + e.getClass().getSimpleName());
            return null;
        }
    }

    private void run() {
        consumer.assign(partitions);
        partitions.forEach(partition -> position.put(partition, 0L));
        seek();
        Random turn = new Random(history.client);
        long listed = System.nanoTime();
        while (!stopping) {
            step();
            if (System.nanoTime() - listed > LIST_EVERY_NS) {
                listed = System.nanoTime();
                list(partitions.get(turn.nextInt(partitions.size())));
            }
        }
        long behind = catchUp();
        history.ended(behind > 0 ? behind + " partitions were not read up to their ends" : null);
        System.out.println("{\"client\":" + history.client + ",\"mode\":\"tail\",\"records\":" + records
            + ",\"damaged\":" + damaged + ",\"behind\":" + behind + ",\"client_errors\":" + errors.json() + "}");
    }

    /** Reads up to the ends that the partitions have now; returns how many it did not reach. */
    private long catchUp() {
        long until = System.nanoTime() + options.number("catch-up-s") * 1_000_000_000L;
        Map<TopicPartition, Long> ends = new HashMap<>();
        while (true) {
            for (TopicPartition partition : partitions) {
                if (!ends.containsKey(partition) && System.nanoTime() < until) {
                    Long end = list(partition);
                    if (end != null) {
                        ends.put(partition, end);
                    }
                }
            }
            long behind = partitions.stream()
                .filter(partition -> !ends.containsKey(partition) || position.get(partition) < ends.get(partition))
                .count();
            if (behind == 0 || System.nanoTime() > until) {
                return behind;
            }
            step();
        }
    }

    public static void main(String[] arguments) throws Exception {
        ChaosConsumer client = new ChaosConsumer(new Options(arguments));
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            client.stopping = true;
            try {
                ended.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        try {
            client.run();
        } finally {
            client.history.close();
            ended.countDown();
        }
    }
}

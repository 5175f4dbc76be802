import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A member of a group that writes down what it owns, reads and commits. It commits what it has read after every poll, and
 * before it gives a partition up. SIGTERM makes it leave.
 *
 * <p>What it owns begins with the event `assigned` and ends with `revoked` (written when the callback is done) or `lost`.
 */
public final class GroupMember implements ConsumerRebalanceListener {
    private static final Duration STEP = Duration.ofMillis(100);
    private static final Duration COMMIT_PATIENCE = Duration.ofSeconds(20);

    private final Events events;
    private final String topic;
    private final KafkaConsumer<byte[], byte[]> consumer;
    /** The offset after the last record read, of partitions that have something to commit. */
    private final Map<TopicPartition, OffsetAndMetadata> read = new HashMap<>();
    private volatile boolean stopping;

    private GroupMember(Options options) throws Exception {
        this.events = new Events(options.text("events"));
        this.topic = options.text("topic");
        Properties settings = new Properties();
        settings.put("bootstrap.servers", options.text("bootstrap"));
        settings.put("group.id", options.text("group"));
        settings.put("client.id", options.text("name"));
        settings.put("group.protocol", options.text("protocol"));
        if (options.has("instance")) {
            settings.put("group.instance.id", options.text("instance"));
        }
        if (options.text("protocol").equals("classic")) {
            settings.put("partition.assignment.strategy", options.text("assignor"));
            settings.put("session.timeout.ms", options.text("session-ms"));
            settings.put("heartbeat.interval.ms", options.text("heartbeat-ms"));
        } else {
            settings.put("group.remote.assignor", options.text("assignor"));
        }
        settings.put("max.poll.interval.ms", options.text("poll-interval-ms"));
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", 200);
        settings.put("allow.auto.create.topics", false);
        this.consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        long began = Events.nowUs();
        Map<TopicPartition, OffsetAndMetadata> committed = Map.of();
        if (!partitions.isEmpty()) {
            committed = consumer.committed(new java.util.HashSet<>(partitions));
        }
        events.write(began, "assigned", Events.partitions(partitions) + "," + membership() + "," + Events.offsets(committed));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        commit(partitions);
        partitions.forEach(read::remove);
        events.write("revoked", Events.partitions(partitions) + "," + membership());
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        partitions.forEach(read::remove);
        events.write("lost", Events.partitions(partitions) + "," + membership());
    }

    /** The generation of a classic group, the member's epoch in the newer protocol. */
    private String membership() {
        return "\"generation\":" + consumer.groupMetadata().generationId()
            + ",\"member\":\"" + consumer.groupMetadata().memberId() + "\"";
    }

    private void commit(Collection<TopicPartition> of) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>(read);
        offsets.keySet().retainAll(of);
        if (offsets.isEmpty()) {
            return;
        }
        long began = Events.nowUs();
        String fields = Events.offsets(offsets) + ",\"began_us\":" + began + ",";
        try {
            consumer.commitSync(offsets, COMMIT_PATIENCE);
            events.write("committed", fields + membership());
            offsets.keySet().forEach(read::remove);
        } catch (CommitFailedException | RebalanceInProgressException e) {
            // No longer a member, or not before the rebalance is through: the next owner reads these again.
            events.write("not-committed", fields + "\"why\":\"" + e.getClass().getSimpleName() + "\"");
        } catch (KafkaException e) {
            events.write("not-committed", fields + "\"why\":\"" + e.getClass().getSimpleName() + "\"");
        }
    }

    private void step() {
        ConsumerRecords<byte[], byte[]> found = consumer.poll(STEP);
        for (TopicPartition partition : found.partitions()) {
            List<ConsumerRecord<byte[], byte[]>> records = found.records(partition);
            long first = records.get(0).offset();
            long last = records.get(records.size() - 1).offset();
            events.write("read", "\"partition\":" + partition.partition() + ",\"first\":" + first + ",\"last\":" + last
                + ",\"count\":" + records.size());
            read.put(partition, new OffsetAndMetadata(last + 1));
        }
        commit(List.copyOf(read.keySet()));
    }

    private void run() {
        events.write("joining", "");
        consumer.subscribe(List.of(topic), this);
        try {
            while (!stopping) {
                step();
            }
        } catch (WakeupException e) {
            // Asked to leave.
        }
        consumer.close();
        events.write("left", "");
    }

    public static void main(String[] arguments) throws Exception {
        GroupMember member = new GroupMember(new Options(arguments));
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            member.stopping = true;
            member.consumer.wakeup();
            try {
                ended.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        try {
            member.run();
        } catch (RuntimeException e) {
            member.events.write("failed", "\"why\":\"" + e.toString().replace('"', '\'').replace('\n', ' ') + "\"");
            throw e;
        } finally {
            member.events.close();
            ended.countDown();
        }
    }
}

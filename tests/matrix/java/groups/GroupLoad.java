import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes to all partitions of a topic at a steady rate, and asks meanwhile what a group has committed. SIGTERM ends the
 * writing: the event `ends` then says where each partition ends. After that it goes on asking until a second event,
 * `drained`, says that the group has committed all of it.
 */
public final class GroupLoad {
    private static final int VALUE_BYTES = 100;
    private static final long STEP_MS = 50;
    private static final long ASK_EVERY_US = 500_000;

    private final Options options;
    private final Events events;
    private final String topic;
    private final int partitions;
    private final Map<Integer, Long> ends = new TreeMap<>();
    private volatile boolean stopping;
    private volatile RuntimeException failed;

    private GroupLoad(Options options) throws Exception {
        this.options = options;
        this.events = new Events(options.text("events"));
        this.topic = options.text("topic");
        this.partitions = (int) options.number("partitions");
    }

    private Properties common(String client) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", options.text("bootstrap"));
        settings.put("client.id", client);
        return settings;
    }

    private void run() throws Exception {
        Properties settings = common("load");
        settings.put("linger.ms", 20);
        long perStep = options.number("records-per-s") * STEP_MS / 1_000;
        long number = 0;
        long asked = 0;
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
            Admin admin = Admin.create(common("observer"))) {
            while (!stopping && failed == null) {
                for (long sent = 0; sent < perStep; sent++, number++) {
                    producer.send(new ProducerRecord<>(topic, (int) (number % partitions), null, new byte[VALUE_BYTES]), (found, e) -> {
                        if (e != null) {
                            failed = new RuntimeException(e);
                            return;
                        }
                        synchronized (ends) {
                            ends.merge(found.partition(), found.offset() + 1, Math::max);
                        }
                    });
                }
                asked = ask(admin, asked);
                Thread.sleep(STEP_MS);
            }
            producer.flush();
            if (failed != null) {
                throw failed;
            }
            events.write("ends", "\"records\":" + number + ",\"offsets\":" + json(ends));
            while (!ends.equals(committed)) {
                asked = ask(admin, asked);
                Thread.sleep(STEP_MS);
            }
            events.write("drained", "");
        }
    }

    private Map<Integer, Long> committed = new TreeMap<>();

    /** Asks when it is time again; returns when it asked last. */
    private long ask(Admin admin, long asked) throws InterruptedException {
        long began = Events.nowUs();
        if (began - asked < ASK_EVERY_US) {
            return asked;
        }
        try {
            Map<TopicPartition, OffsetAndMetadata> found = admin.listConsumerGroupOffsets(options.text("group"))
                .partitionsToOffsetAndMetadata().get();
            committed = new TreeMap<>();
            found.forEach((partition, offset) -> {
                if (offset != null) {
                    committed.put(partition.partition(), offset.offset());
                }
            });
            events.write("observed", "\"began_us\":" + began + ",\"offsets\":" + json(committed));
        } catch (ExecutionException e) {
            // Before the first member there is no group.
            events.write("not-observed", "\"why\":\"" + e.getCause().getClass().getSimpleName() + "\"");
        }
        return began;
    }

    private static String json(Map<Integer, Long> offsets) {
        StringBuilder json = new StringBuilder("{");
        offsets.forEach((partition, offset) ->
            json.append(json.length() > 1 ? "," : "").append('"').append(partition).append("\":").append(offset));
        return json.append('}').toString();
    }

    public static void main(String[] arguments) throws Exception {
        GroupLoad load = new GroupLoad(new Options(arguments));
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            load.stopping = true;
            try {
                ended.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        try {
            load.run();
        } finally {
            load.events.close();
            ended.countDown();
        }
    }
}

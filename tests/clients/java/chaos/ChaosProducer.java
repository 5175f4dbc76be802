import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A producer of a chaos run on Apache Kafka's own client; python/chaos_producer.py says what it does.
 * SIGTERM ends the producing: what is queued is still flushed, and then given up.
 */
public final class ChaosProducer {
    private static final int BLOCK = 20;
    private static final int IMPATIENT_MS = 12_000;

    private final Options options;
    private final History history;
    private final Options.Counts errors = new Options.Counts();
    private final AtomicLong open = new AtomicLong();
    private final boolean idempotent;
    private final boolean once;
    private volatile boolean stopping;
    private long sent;

    private ChaosProducer(Options options) throws IOException {
        this.options = options;
        String kind = options.text("kind");
        this.idempotent = kind.equals("idempotent") || kind.equals("impatient");
        this.once = kind.equals("idempotent");
        this.history = new History(Path.of(options.text("history")), (int) options.number("client"),
            options.number("start-ns"), (int) options.number("topic-number"));
    }

    private KafkaProducer<byte[], byte[]> producer() {
        boolean impatient = options.text("kind").equals("impatient");
        Properties settings = new Properties();
        settings.put("bootstrap.servers", options.text("bootstrap"));
        settings.put("client.id", options.text("client-id"));
        settings.put("enable.idempotence", idempotent);
        settings.put("acks", "all");
        settings.put("compression.type", options.text("codec"));
        settings.put("linger.ms", 5);
        settings.put("max.block.ms", 2_000);
        settings.put("request.timeout.ms", impatient ? IMPATIENT_MS / 2 : 15_000);
        settings.put("delivery.timeout.ms", impatient ? IMPATIENT_MS : 3_600_000);
        settings.put("retries", Integer.MAX_VALUE);
        settings.put("retry.backoff.ms", 50);
        settings.put("retry.backoff.max.ms", 500);
        settings.put("reconnect.backoff.ms", 50);
        settings.put("reconnect.backoff.max.ms", 500);
        settings.put("metadata.max.age.ms", 5_000);
        settings.put("enable.metrics.push", false);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Records that were handed over one after the other for one partition, until all are answered. */
    private final class Block {
        private final int partition;
        private final long first;
        private final long[] sentUs = new long[BLOCK];
        private int handedOver;
        private int answered;
        private boolean whole;
        private int runFirst;
        private int runCount;
        private long runOffset;
        private long runAnsweredUs;

        Block(int partition, long first) {
            this.partition = partition;
            this.first = first;
        }

        synchronized int handOver() {
            sentUs[handedOver] = history.nowUs();
            return handedOver++;
        }

        /** It was not taken. */
        synchronized void takeBack() {
            handedOver--;
        }

        /** No more records come. */
        synchronized void end() {
            whole = true;
            endRunIfAnswered();
        }

        synchronized void answer(int place, long offset) {
            long now = history.nowUs();
            boolean follows = once && runCount > 0 && offset >= 0 && runOffset >= 0
                && place == runFirst + runCount && offset == runOffset + runCount;
            if (follows) {
                runCount++;
            } else {
                endRun();
                runFirst = place;
                runCount = 1;
                runOffset = offset;
            }
            runAnsweredUs = now;
            answered++;
            endRunIfAnswered();
        }

        private void endRunIfAnswered() {
            if (whole && answered == handedOver) {
                endRun();
            }
        }

        private void endRun() {
            if (runCount > 0) {
                history.fate(partition, first + runFirst, runCount, sentUs[runFirst], runAnsweredUs, runOffset, idempotent);
                runCount = 0;
            }
        }
    }

    private void sendBlock(KafkaProducer<byte[], byte[]> producer, int partition) {
        Block block = new Block(partition, sent);
        for (int count = 0; count < BLOCK; count++) {
            if (!send(producer, block)) {
                block.takeBack();
                break;
            }
            sent++;
        }
        block.end();
    }

    /** Hands over the next record; whether it was taken. */
    private boolean send(KafkaProducer<byte[], byte[]> producer, Block block) {
        int place = block.handOver();
        Thread caller = Thread.currentThread();
        boolean[] refused = {false};
        open.incrementAndGet();
        try {
            producer.send(Records.make(options.text("topic"), block.partition, history.client, sent), (data, error) -> {
                open.decrementAndGet();
                if (error != null) {
                    errors.add(error.getClass().getSimpleName());
                }
                if (error != null && Thread.currentThread() == caller) {
                    // Its buffer is full or it has no metadata: the record went nowhere.
                    refused[0] = true;
                } else {
                    // Without an offset nothing can be held against the acknowledgement.
                    block.answer(place, error == null ? data.offset() : -1);
                }
            });
        } catch (KafkaException e) {
            errors.add("send: " + e.getClass().getSimpleName());
            open.decrementAndGet();
            return false;
        }
        return !refused[0];
    }

    private void run() throws InterruptedException {
        KafkaProducer<byte[], byte[]> producer = producer();
        Random turn = new Random(history.client);
        int partitions = options.partitions();
        long pauseNs = 1_000_000_000L * BLOCK / options.number("rate");
        long due = System.nanoTime();
        while (!stopping) {
            sendBlock(producer, turn.nextInt(partitions));
            // A rate that was missed during an outage is not made up for.
            due = Math.max(due + pauseNs, System.nanoTime() - 1_000_000_000L);
            long early = due - System.nanoTime();
            if (early > 0) {
                Thread.sleep(early / 1_000_000, (int) (early % 1_000_000));
            }
        }
        long until = System.nanoTime() + options.number("flush-s") * 1_000_000_000L;
        while (open.get() > 0 && System.nanoTime() < until) {
            Thread.sleep(50);
        }
        long unanswered = open.get();
        producer.close(Duration.ofSeconds(unanswered > 0 ? 0 : 5));
        history.ended(unanswered > 0 ? unanswered + " records are not answered after the end" : null);
        System.out.println("{\"client\":" + history.client + ",\"kind\":\"" + options.text("kind")
            + "\",\"records\":" + sent + ",\"acknowledged\":" + history.acknowledged() + ",\"given_up\":"
            + history.givenUp() + ",\"unanswered\":" + unanswered + ",\"errors\":" + errors.json() + "}");
    }

    public static void main(String[] arguments) throws Exception {
        ChaosProducer client = new ChaosProducer(new Options(arguments));
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

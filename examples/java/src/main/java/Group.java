// Writes records to a topic and reads them back in a consumer group, with Apache Kafka's Java client.
//
//   mvn -q package && java -jar target/group.jar [BOOTSTRAP [TOPIC [RECORDS]]]
//
// It ends with exit code 0 once it has read as many records as it wrote, and with 1 after a minute without.

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Group {
    private static final int PARTITIONS = 3;
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments.length > 0 ? arguments[0] : "127.0.0.1:9092";
        String topic = arguments.length > 1 ? arguments[1] : "greetings";
        int records = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 100;
        String group = topic + "-java";

        createTopic(bootstrap, topic);
        produce(bootstrap, topic, records);
        System.out.println(records + " records written to " + topic);
        consume(bootstrap, topic, group, records);
        System.out.println(records + " records read in group " + group);
    }

    private static void createTopic(String bootstrap, String topic) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, Optional.of(PARTITIONS), Optional.empty()))).all().get();
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof TopicExistsException)) {
                throw e;
            }
        }
    }

    private static void produce(String bootstrap, String topic, int records) throws Exception {
        // Idempotence and acks=all are this client's defaults.
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = 0; n < records; n++) {
                sent.add(producer.send(new ProducerRecord<>(topic, "key-" + n, "hello " + n)));
            }
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
        }
    }

    private static void consume(String bootstrap, String topic, String group, int records) {
        // Without group.protocol the group speaks the classic protocol.
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "group.id", group, "group.protocol", "consumer",
                "auto.offset.reset", "earliest", "enable.auto.commit", false);
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            long until = System.nanoTime() + PATIENCE.toNanos();
            for (int read = 0; read < records;) {
                read += consumer.poll(Duration.ofSeconds(1)).count();
                if (System.nanoTime() > until) {
                    throw new IllegalStateException(read + " of " + records + " records within a minute");
                }
            }
            consumer.commitSync();
        }
    }
}

/* Writes records to a topic and reads them back in a consumer group, with librdkafka.
 *
 *   make && ./group [BOOTSTRAP [TOPIC [RECORDS]]]
 *
 * It ends with exit code 0 once it has read as many records as it wrote, and with 1 after a minute without.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

enum { PARTITIONS = 3, PATIENCE_S = 60, ERROR_BYTES = 512 };

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(const char *what, rd_kafka_resp_err_t code) {
  if (code) fail(what, rd_kafka_err2str(code));
}

static rd_kafka_conf_t *configuration(const char *const settings[][2]) {
  char error[ERROR_BYTES];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  for (int at = 0; settings[at][0] != NULL; ++at) {
    if (rd_kafka_conf_set(conf, settings[at][0], settings[at][1], error, sizeof error) != RD_KAFKA_CONF_OK)
      fail(settings[at][0], error);
  }
  return conf;
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
  char error[ERROR_BYTES];
  rd_kafka_t *handle = rd_kafka_new(type, conf, error, sizeof error);
  if (handle == NULL) fail("client", error);
  return handle;
}

static void create_topic(rd_kafka_t *handle, const char *topic) {
  char error[ERROR_BYTES];
  rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, PARTITIONS, -1, error, sizeof error);
  if (wanted == NULL) fail(topic, error);
  rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
  rd_kafka_CreateTopics(handle, &wanted, 1, NULL, queue);
  rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, PATIENCE_S * 1000);
  if (answer == NULL) fail(topic, "no answer to CreateTopics");
  check("CreateTopics", rd_kafka_event_error(answer));
  size_t count = 0;
  const rd_kafka_topic_result_t **topics =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &count);
  for (size_t at = 0; at < count; ++at) {
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[at]);
    if (code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) check(topic, code);
  }
  rd_kafka_event_destroy(answer);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(wanted);
}

static void delivered(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque) {
  (void)handle;
  (void)opaque;
  check("delivery", message->err);
}

static void produce(const char *bootstrap, const char *topic, int records) {
  rd_kafka_conf_t *conf = configuration((const char *const[][2]){
      {"bootstrap.servers", bootstrap}, {"enable.idempotence", "true"}, {NULL, NULL}});
  rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, conf);
  create_topic(producer, topic);
  for (int n = 0; n < records; ++n) {
    char key[32], value[32];
    int key_bytes = snprintf(key, sizeof key, "key-%d", n), value_bytes = snprintf(value, sizeof value, "hello %d", n);
    check("produce", rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, (size_t)key_bytes),
                                       RD_KAFKA_V_VALUE(value, (size_t)value_bytes),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END));
    rd_kafka_poll(producer, 0);
  }
  check("flush", rd_kafka_flush(producer, PATIENCE_S * 1000));
  rd_kafka_destroy(producer);
}

static void consume(const char *bootstrap, const char *topic, const char *group, int records) {
  rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, configuration((const char *const[][2]){
                                                       {"bootstrap.servers", bootstrap},
                                                       {"group.id", group},
                                                       {"auto.offset.reset", "earliest"},
                                                       {"enable.auto.commit", "false"},
                                                       {NULL, NULL}}));
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
  check("subscribe", rd_kafka_subscribe(consumer, topics));
  rd_kafka_topic_partition_list_destroy(topics);
  const time_t until = time(NULL) + PATIENCE_S;
  for (int read = 0; read < records;) {
    if (time(NULL) > until) fail(group, "not all records within a minute");
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 1000);
    if (message == NULL) continue;
    check("consume", message->err);
    rd_kafka_message_destroy(message);
    ++read;
  }
  check("commit", rd_kafka_commit(consumer, NULL, 0));
  check("close", rd_kafka_consumer_close(consumer));
  rd_kafka_destroy(consumer);
}

int main(int argc, char **argv) {
  const char *bootstrap = argc > 1 ? argv[1] : "127.0.0.1:9092", *topic = argc > 2 ? argv[2] : "greetings";
  const int records = argc > 3 ? atoi(argv[3]) : 100;
  char group[256];
  snprintf(group, sizeof group, "%s-librdkafka-c", topic);
  produce(bootstrap, topic, records);
  printf("%d records written to %s\n", records, topic);
  consume(bootstrap, topic, group, records);
  printf("%d records read in group %s\n", records, group);
  return 0;
}

// Writes records to a topic and reads them back in a consumer group, with librdkafka's C++ interface.
//
//   make && ./group [BOOTSTRAP [TOPIC [RECORDS]]]
//
// It ends with exit code 0 once it has read as many records as it wrote, and with 1 after a minute without.

#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafkacpp.h>

namespace {

constexpr int kPartitions = 3;
constexpr int kPatienceMs = 60'000;

using Settings = std::vector<std::pair<std::string, std::string>>;

void check(RdKafka::ErrorCode code) {
  if (code != RdKafka::ERR_NO_ERROR) throw std::runtime_error(RdKafka::err2str(code));
}

std::unique_ptr<RdKafka::Conf> configuration(const Settings& settings) {
  std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  std::string error;
  for (const auto& [name, value] : settings) {
    if (conf->set(name, value, error) != RdKafka::Conf::CONF_OK) throw std::runtime_error(error);
  }
  return conf;
}

// The C++ interface has no administration: this is the one of C, on the producer's own handle.
void create_topic(rd_kafka_t* handle, const std::string& topic) {
  char error[512] = "";
  rd_kafka_NewTopic_t* wanted = rd_kafka_NewTopic_new(topic.c_str(), kPartitions, -1, error, sizeof error);
  if (wanted == nullptr) throw std::runtime_error(error);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle);
  rd_kafka_CreateTopics(handle, &wanted, 1, nullptr, queue);
  rd_kafka_event_t* answer = rd_kafka_queue_poll(queue, kPatienceMs);
  std::string refused = "no answer to CreateTopics";
  if (answer != nullptr) {
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t* result = rd_kafka_event_CreateTopics_result(answer);
    const rd_kafka_topic_result_t** topics = rd_kafka_CreateTopics_result_topics(result, &count);
    refused = rd_kafka_event_error(answer) ? rd_kafka_event_error_string(answer) : "";
    for (size_t at = 0; at < count; ++at) {
      const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[at]);
      if (code && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) refused = rd_kafka_err2str(code);
    }
    rd_kafka_event_destroy(answer);
  }
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(wanted);
  if (!refused.empty()) throw std::runtime_error(refused);
}

class Deliveries : public RdKafka::DeliveryReportCb {
 public:
  void dr_cb(RdKafka::Message& message) override { check(message.err()); }
};

void produce(const std::string& bootstrap, const std::string& topic, int records) {
  Deliveries deliveries;
  auto conf = configuration({{"bootstrap.servers", bootstrap}, {"enable.idempotence", "true"}});
  std::string error;
  if (conf->set("dr_cb", &deliveries, error) != RdKafka::Conf::CONF_OK) throw std::runtime_error(error);
  std::unique_ptr<RdKafka::Producer> producer(RdKafka::Producer::create(conf.get(), error));
  if (!producer) throw std::runtime_error(error);
  create_topic(producer->c_ptr(), topic);
  for (int n = 0; n < records; ++n) {
    std::string key = "key-" + std::to_string(n), value = "hello " + std::to_string(n);
    check(producer->produce(topic, RdKafka::Topic::PARTITION_UA, RdKafka::Producer::RK_MSG_COPY, value.data(), value.size(),
                            key.data(), key.size(), 0, nullptr));
    producer->poll(0);
  }
  check(producer->flush(kPatienceMs));
}

void consume(const std::string& bootstrap, const std::string& topic, const std::string& group, int records) {
  auto conf = configuration({{"bootstrap.servers", bootstrap},
                             {"group.id", group},
                             {"auto.offset.reset", "earliest"},
                             {"enable.auto.commit", "false"}});
  std::string error;
  std::unique_ptr<RdKafka::KafkaConsumer> consumer(RdKafka::KafkaConsumer::create(conf.get(), error));
  if (!consumer) throw std::runtime_error(error);
  check(consumer->subscribe({topic}));
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  for (int read = 0; read < records;) {
    std::unique_ptr<RdKafka::Message> message(consumer->consume(1'000));
    if (message->err() == RdKafka::ERR_NO_ERROR) {
      ++read;
    } else if (message->err() != RdKafka::ERR__TIMED_OUT) {
      throw std::runtime_error(message->errstr());
    }
    if (std::chrono::steady_clock::now() > until) throw std::runtime_error("not all records within a minute");
  }
  check(consumer->commitSync());
  consumer->close();
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string bootstrap = argc > 1 ? argv[1] : "127.0.0.1:9092", topic = argc > 2 ? argv[2] : "greetings";
  const int records = argc > 3 ? std::stoi(argv[3]) : 100;
  const std::string group = topic + "-librdkafka-cpp";
  produce(bootstrap, topic, records);
  std::cout << records << " records written to " << topic << '\n';
  consume(bootstrap, topic, group, records);
  std::cout << records << " records read in group " << group << '\n';
  return 0;
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}

// Writes records to a topic and reads them back in a consumer group, with kafkajs.
//
//   npm ci && node group.js [BOOTSTRAP [TOPIC [RECORDS]]]
//
// It ends with exit code 0 once it has read as many records as it wrote, and with 1 after a minute without.

import { Kafka, logLevel } from "kafkajs";

const [bootstrap = "127.0.0.1:9092", topic = "greetings", count = "100"] = process.argv.slice(2);
const records = Number(count);
const group = `${topic}-kafkajs`;

const kafka = new Kafka({ clientId: "example", brokers: bootstrap.split(","), logLevel: logLevel.ERROR });

const admin = kafka.admin();
await admin.connect();
if (!(await admin.listTopics()).includes(topic)) {
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
}
await admin.disconnect();

// Without idempotence a request that is sent again may be written twice.
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
await producer.connect();
await producer.send({
  topic,
  acks: -1,
  messages: Array.from({ length: records }, (_, n) => ({ key: `key-${n}`, value: `hello ${n}` })),
});
await producer.disconnect();
console.log(`${records} records written to ${topic}`);

const consumer = kafka.consumer({ groupId: group });
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
let read = 0;
await new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`${read} of ${records} records within a minute`)), 60_000).unref();
  consumer.run({
    eachMessage: async () => {
      read += 1;
      if (read === records) {
        resolve();
      }
    },
  });
});
// Offsets of what was handled are committed on the way out.
await consumer.stop();
await consumer.disconnect();
console.log(`${records} records read in group ${group}`);

//! Writes records to a topic and reads them back in a consumer group, with rdkafka.
//!
//! ```sh
//! cargo run -- [BOOTSTRAP [TOPIC [RECORDS]]]
//! ```
//!
//! It ends with exit code 0 once it has read as many records as it wrote, and with 1 after a minute without.

use std::env;
use std::error::Error;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode::TopicAlreadyExists;

const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let mut arguments = env::args().skip(1);
    let bootstrap = arguments.next().unwrap_or("127.0.0.1:9092".to_owned());
    let topic = arguments.next().unwrap_or("greetings".to_owned());
    let records: usize = arguments.next().map_or(Ok(100), |count| count.parse())?;
    let group = format!("{topic}-rdkafka");

    create_topic(&bootstrap, &topic).await?;
    produce(&bootstrap, &topic, records)?;
    println!("{records} records written to {topic}");
    tokio::time::timeout(PATIENCE, consume(&bootstrap, &topic, &group, records)).await??;
    println!("{records} records read in group {group}");
    Ok(())
}

async fn create_topic(bootstrap: &str, topic: &str) -> Outcome {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let wanted = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(-1));
    for created in admin.create_topics(&[wanted], &AdminOptions::new()).await? {
        match created {
            Ok(_) | Err((_, TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(format!("{name}: {code}").into()),
        }
    }
    Ok(())
}

fn produce(bootstrap: &str, topic: &str, records: usize) -> Outcome {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .create()?;
    for n in 0..records {
        let (key, value) = (format!("key-{n}"), format!("hello {n}"));
        producer
            .send(BaseRecord::to(topic).key(&key).payload(&value))
            .map_err(|(err, _)| err)?;
    }
    // What could not be written shows when the records are read: there are fewer of them.
    Ok(producer.flush(PATIENCE)?)
}

async fn consume(bootstrap: &str, topic: &str, group: &str, records: usize) -> Outcome {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()?;
    consumer.subscribe(&[topic])?;
    for _ in 0..records {
        consumer.recv().await?;
    }
    Ok(consumer.commit_consumer_state(CommitMode::Sync)?)
}

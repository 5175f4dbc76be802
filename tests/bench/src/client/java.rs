//! Apache Kafka's own producer, by its performance tool: what librdkafka cannot show.
//!
//! With idempotence librdkafka holds its limit of 5 requests in flight against a count of records (in
//! `rd_kafka_toppar_producer_serve`, 2.12), so that a batch of 5 records or more is under way alone. The Java
//! producer has 5 batches under way.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use esker_harness::process::Process;

use crate::load::RECORD_BYTES;
use crate::system::{Bench, Broker};

const TOOL: &str = "org.apache.kafka.tools.ProducerPerformance";
/// A broker that does not take the records within this is not measured.
const LIMIT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(200);

/// An idempotent producer with 5 requests in flight, at full speed.
pub(crate) struct JavaProducer {
    pub batch_bytes: usize,
    pub records: u64,
}

impl JavaProducer {
    /// Sends the records to `topic` and returns the rate in records per second, from the first one on. (What the tool
    /// says of its steady state divides the records after a warm-up by the time of all.)
    pub(crate) fn run(
        &self,
        bench: &Bench,
        jars: &Path,
        broker: &dyn Broker,
        topic: &str,
    ) -> Result<f64, String> {
        let mut command = Command::new("java");
        command
            .args(["-Xmx512M", "-cp", &format!("{}/*", jars.display()), TOOL])
            .args(["--topic", topic, "--throughput", "-1"])
            .args(["--record-size", &RECORD_BYTES.to_string()])
            .args(["--num-records", &self.records.to_string()])
            .arg("--command-property")
            .arg(format!("bootstrap.servers={}", broker.bootstrap()))
            .args(["acks=all", "enable.idempotence=true", "linger.ms=100"])
            .arg("max.in.flight.requests.per.connection=5")
            .arg(format!("batch.size={}", self.batch_bytes));
        let log = bench.dir.join(format!("{topic}-producer.log"));
        let mut process = Process::start("Kafka's producer", command, &log);
        let mut waited = Duration::ZERO;
        while process.is_running() {
            if waited >= LIMIT {
                return Err(format!(
                    "Kafka's producer was not done after {} s",
                    LIMIT.as_secs()
                ));
            }
            bench.wait(LOOK)?;
            waited += LOOK;
        }
        records_per_second(&process.log())
            .ok_or_else(|| format!("Kafka's producer did not say its rate: see {}", log.display()))
    }
}

/// From the last line with a rate: `30000 records sent, 2801.1 records/sec (2.74 MB/sec), …`.
fn records_per_second(log: &str) -> Option<f64> {
    let line = log.lines().rfind(|line| line.contains(" records/sec"))?;
    let (before, _) = line.split_once(" records/sec")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rate_counts() {
        let log = "14996 records sent, 2999.2 records/sec (2.93 MB/sec), 900.0 ms avg latency.\n\
                   30000 records sent, 2801.120000 records/sec (2.74 MB/sec), 9000.12 ms avg latency, 1 ms 50th.\n";
        assert_eq!(records_per_second(log), Some(2801.12));
        assert_eq!(records_per_second("Exception in thread main"), None);
    }
}

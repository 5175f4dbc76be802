//! A load on a broker, and what was used while it was measured.

use std::time::Duration;

use esker_harness::proc;

use crate::client::{Client, ConsumeSpec, Outcome, ProduceSpec, Spec};
use crate::clock::{monotonic_ns, seconds};
use crate::system::{Bench, Broker, Usage, create_topic, delete_topic};

pub(crate) const GIB: f64 = (1u64 << 30) as f64;
pub(crate) const MB: f64 = 1e6;
/// Values of records.
pub(crate) const RECORD_BYTES: usize = 1024;
/// Partitions of a topic, unless the figure says otherwise.
pub(crate) const PARTITIONS: i32 = 16;
/// Requests in flight that are as good as no limit.
pub(crate) const IN_FLIGHT_UNLIMITED: u32 = 1000;
/// How long a new Apache Kafka works before it counts: its code is compiled on the way.
const KAFKA_WARM_UP: Duration = Duration::from_secs(12);

/// Clients, and how long they work.
pub(crate) struct Load {
    pub clients: Vec<Spec>,
    pub warm_up: Duration,
    pub measure: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Measured {
    pub seconds: f64,
    pub used: Usage,
    /// CPU seconds of all clients.
    pub client_cpu_s: f64,
    /// By client, in the load's order.
    pub outcomes: Vec<Outcome>,
    /// Resident memory of the broker at the end, in bytes.
    pub resident_bytes: u64,
}

impl Measured {
    /// GiB of values that the given client sent or got.
    pub(crate) fn gib(&self, client: usize) -> f64 {
        self.outcomes
            .get(client)
            .map_or(0.0, |outcome| outcome.bytes as f64)
            / GIB
    }

    pub(crate) fn mb_per_s(&self, client: usize) -> f64 {
        let rate = |outcome: &Outcome| outcome.bytes as f64 / MB / outcome.seconds;
        self.outcomes.get(client).map_or(0.0, rate)
    }

    /// A sentence if something failed meanwhile.
    pub(crate) fn complaint(&self) -> Option<String> {
        let errors: u64 = self.outcomes.iter().map(|outcome| outcome.errors).sum();
        let first = self
            .outcomes
            .iter()
            .find_map(|outcome| outcome.first_error.as_ref());
        first.map(|first| format!("{errors} errors at the clients, the first: {first}"))
    }
}

impl Load {
    /// Seconds of warm-up and of measuring; both shorter in a quick run.
    pub(crate) fn new(bench: &Bench, clients: Vec<Spec>, warm_up_s: f64, measure_s: f64) -> Self {
        let (warm_up_s, measure_s) = match bench.quick {
            true => (warm_up_s.min(1.5), measure_s.min(3.0)),
            false => (warm_up_s, measure_s),
        };
        Self {
            clients,
            warm_up: Duration::from_secs_f64(warm_up_s),
            measure: Duration::from_secs_f64(measure_s),
        }
    }

    /// Starts the clients, lets them warm up, measures, ends them.
    pub(crate) fn run(&self, bench: &Bench, broker: &dyn Broker) -> Result<Measured, String> {
        self.run_with(bench, broker, &mut |_| {})
    }

    /// The same; `look` is called when measuring begins (with true) and when it ends.
    pub(crate) fn run_with(
        &self,
        bench: &Bench,
        broker: &dyn Broker,
        look: &mut dyn FnMut(bool),
    ) -> Result<Measured, String> {
        let mut clients = Vec::new();
        for spec in &self.clients {
            clients.push(Client::start(spec)?);
        }
        bench.wait(self.warm_up)?;
        let cpu = |clients: &[Client]| -> f64 {
            let cpus = clients.iter().filter_map(|client| proc::cpu(client.pid()));
            cpus.map(|cpu| cpu.own_s).sum()
        };
        for client in &mut clients {
            client.measure()?;
        }
        look(true);
        let (from, client_before, before) = (monotonic_ns(), cpu(&clients), broker.usage());
        bench.wait(self.measure)?;
        let (client_after, after) = (cpu(&clients), broker.usage());
        let to = monotonic_ns();
        look(false);
        let resident_bytes = proc::resident_bytes(broker.pid()).0;
        let mut outcomes = Vec::new();
        for client in clients {
            outcomes.push(client.stop()?);
        }
        let measured = Measured {
            seconds: seconds(from, to),
            used: after.since(&before),
            client_cpu_s: client_after - client_before,
            outcomes,
            resident_bytes,
        };
        match measured.outcomes.iter().find(|outcome| outcome.records == 0) {
            Some(_) => Err(measured
                .complaint()
                .unwrap_or_else(|| "a client got no record through while it was measured".to_owned())),
            None => Ok(measured),
        }
    }
}

/// A producer at full speed.
pub(crate) fn producer(broker: &dyn Broker, topic: &str, partitions: i32, batch_bytes: usize) -> ProduceSpec {
    ProduceSpec {
        bootstrap: broker.bootstrap(),
        topic: topic.to_owned(),
        partitions,
        record_bytes: RECORD_BYTES,
        batch_bytes,
        linger_ms: 100.0,
        in_a_row: (batch_bytes / RECORD_BYTES) as u64,
        idempotent: false,
        in_flight: IN_FLIGHT_UNLIMITED,
        rate: None,
        tick_ms: 1,
        records_max: None,
    }
}

/// A producer that sends so many bytes a second, record by record to the partitions in turn, with librdkafka's
/// own defaults for batches.
pub(crate) fn paced_producer(
    broker: &dyn Broker,
    topic: &str,
    partitions: i32,
    bytes_per_s: f64,
) -> ProduceSpec {
    ProduceSpec {
        linger_ms: 5.0,
        in_a_row: 1,
        rate: Some(bytes_per_s / RECORD_BYTES as f64),
        ..producer(broker, topic, partitions, 1_000_000)
    }
}

/// A consumer that follows.
pub(crate) fn consumer(broker: &dyn Broker, topic: &str, partitions: i32) -> ConsumeSpec {
    ConsumeSpec {
        bootstrap: broker.bootstrap(),
        topic: topic.to_owned(),
        first_partition: 0,
        partitions,
        again: false,
        records_max: None,
        yields: false,
    }
}

/// Fills a topic with so many bytes, all of them acknowledged.
pub(crate) fn fill(broker: &dyn Broker, topic: &str, partitions: i32, bytes: usize) -> Result<(), String> {
    let mut spec = producer(broker, topic, partitions, 1_000_000);
    spec.records_max = Some((bytes / RECORD_BYTES) as u64);
    let outcome = Client::start(&Spec::Produce(spec))?.finish()?;
    match outcome.first_error {
        None => Ok(()),
        Some(error) => Err(format!("filling {topic} failed: {error}")),
    }
}

/// Lets a new Apache Kafka work until its code is compiled.
pub(crate) fn warm_up(bench: &Bench, kafka: &dyn Broker) -> Result<(), String> {
    let topic = "warm-up";
    create_topic(&bench.parts, kafka, topic, PARTITIONS)?;
    let time = match bench.quick {
        true => KAFKA_WARM_UP / 6,
        false => KAFKA_WARM_UP / 2,
    };
    for batch_bytes in [16 * 1024, 1_000_000] {
        let load = Load {
            clients: vec![
                Spec::Produce(producer(kafka, topic, PARTITIONS, batch_bytes)),
                Spec::Consume(consumer(kafka, topic, PARTITIONS)),
            ],
            warm_up: time / 2,
            measure: time / 2,
        };
        load.run(bench, kafka)?;
    }
    delete_topic(&bench.parts, kafka, topic);
    Ok(())
}

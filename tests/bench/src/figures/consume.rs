//! What a byte costs on its way out, while it is still in memory.

use super::{Entry, System, alternate, note_complaint, on, sample};
use crate::client::{ConsumeSpec, Spec};
use crate::load::{Load, PARTITIONS, consumer, fill};
use crate::results::{Figure, higher, lower, told};
use crate::system::{Bench, Settings, create_topic};

const WARM_UP_S: f64 = 4.0;
const MEASURE_S: f64 = 10.0;
/// Less than an agent keeps of recent segments, and than the page cache has for Apache Kafka.
const TAIL_BYTES: usize = 128 << 20;

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "consume-tail",
    title: "CPU of the broker to consume what is still in memory, in 1 MB batches",
    metrics: &[
        lower("cpu-s-per-gib", "CPU-s/GiB").at_most(0.4),
        higher("mb-per-s", "MB/s"),
        told("client-cpu-s-per-gib", "CPU-s/GiB"),
        told("from-memory", "share"),
    ],
    by_default: true,
    take,
}];

fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let measured = on(bench, system, &Settings::default(), |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, PARTITIONS)?;
            fill(broker, topic, PARTITIONS, TAIL_BYTES)?;
            let client = Spec::Consume(ConsumeSpec {
                again: true,
                ..consumer(broker, topic, PARTITIONS)
            });
            Load::new(bench, vec![client], WARM_UP_S, MEASURE_S).run(bench, broker)
        })?;
        let (gib, used) = (measured.gib(0), measured.used);
        sample(figure, system, "cpu-s-per-gib", used.broker_cpu_s / gib);
        sample(figure, system, "mb-per-s", measured.mb_per_s(0));
        sample(
            figure,
            system,
            "client-cpu-s-per-gib",
            measured.client_cpu_s / gib,
        );
        if system == System::Esker {
            figure.esker("from-memory", used.fetched_memory_bytes / used.fetched_bytes);
        }
        note_complaint(figure, system, &measured);
        Ok(())
    })
}

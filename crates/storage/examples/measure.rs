//! Measures what the storage layer costs: `cargo run --release -p esker-storage --example measure`.
//!
//! Checksums, sealing and verifying always; PUT and GET for each bucket URL given as an argument, with
//! the usual `AWS_*` environment. CPU time is this process's own, from /proc/self/stat.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use esker_model::seams::{Rng, Seams, SeededRng};
use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind, TopicUuid};
use esker_storage::keys::object_key;
use esker_storage::segment::{Batch, Receipts, Run, Sealed, SegmentWriter, crc32c_combine, verify};
use esker_storage::{Bucket, BucketOptions, StoreMetrics, open};
use futures::StreamExt;

const SEGMENT: usize = 8 << 20;

fn main() {
    checksums();
    for batch in [1 << 10, 4 << 10, 16 << 10, 1 << 20] {
        segments(batch);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for url in std::env::args().skip(1) {
        for batch in [1 << 10, 16 << 10, 1 << 20] {
            runtime.block_on(store(&url, batch));
        }
    }
}

fn time(repeat: u32, mut work: impl FnMut()) -> Duration {
    work();
    let began = Instant::now();
    for _ in 0..repeat {
        work();
    }
    began.elapsed() / repeat
}

fn checksums() {
    for bytes in [1usize, 2, 4, 6, 8, 12, 16, 32, 64, 1000, 1024].map(|kib| (kib << 10) - 21) {
        let data = vec![7u8; bytes];
        let pass = time(2000, || {
            black_box(crc32c::crc32c_append(1, black_box(&data)));
        });
        let combine = time(2000, || {
            black_box(crc32c_combine(
                black_box(1),
                black_box(2),
                black_box(bytes as u64),
            ));
        });
        println!("crc of {bytes:>8} bytes: pass {pass:?}, combine {combine:?}");
    }
}

fn id(seq: u64) -> SegmentId {
    let incarnation = IncarnationId(SeededRng::from_system().uuid());
    SegmentId {
        kind: SegmentKind::Ingest,
        epoch: ClusterEpoch(1),
        incarnation,
        seq,
    }
}

fn batches(bytes: usize) -> Vec<Batch> {
    (0..SEGMENT / bytes)
        .map(|i| {
            let mut batch: Vec<u8> = (0..bytes).map(|j| (i * 31 + j * 7 + (j >> 8)) as u8).collect();
            let crc = crc32c::crc32c(&batch[21..]);
            batch[17..21].copy_from_slice(&crc.to_be_bytes());
            Batch::whole(10, Bytes::from(batch))
        })
        .collect()
}

fn seal(id: SegmentId, batches: &[Batch]) -> Sealed {
    let mut writer = SegmentWriter::new(id, Receipts::default());
    for (partition, batch) in batches.iter().enumerate() {
        let run = Run {
            topic: TopicUuid(uuid::Uuid::from_u128(1)),
            partition: partition as i32 / 4,
            producer: None,
            transactional: false,
            control: false,
            max_timestamp: 1,
            batches: vec![batch.clone()],
        };
        writer.push(run).unwrap();
    }
    writer.seal()
}

fn segments(bytes: usize) {
    let batches = batches(bytes);
    let id = id(1);
    let sealing = time(20, || {
        black_box(seal(id, &batches));
    });
    let sealed = seal(id, &batches);
    let object = Bytes::from(sealed.payload.concat());
    let verifying = time(20, || {
        black_box(verify(&object).unwrap());
    });
    println!(
        "segment of {} batches of {bytes}: seal {sealing:?}, verify {verifying:?}, footer {} bytes",
        batches.len(),
        object.len() - SEGMENT - 32,
    );
}

/// User and system time of this process, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

async fn store(url: &str, bytes: usize) {
    let began = Instant::now();
    let bucket = open(url, BucketOptions::new(Seams::real(), StoreMetrics::default())).unwrap();
    let opened = began.elapsed();
    let batches = batches(bytes);
    let sealed: Vec<_> = (1..=128).map(|seq| seal(id(seq), &batches)).collect();
    bucket.get("warm").await.unwrap_err();
    let (put, put_cpu) = measured(&bucket, &sealed, |bucket, sealed| async move {
        let deadline = bucket.seams().clock.now().plus(Duration::from_secs(60));
        let key = object_key(&sealed.id);
        bucket
            .put_new(&key, sealed.payload.clone(), sealed.tail, deadline)
            .await
            .unwrap();
    })
    .await;
    let (raw, raw_cpu) = measured(&bucket, &sealed, |bucket, sealed| async move {
        assert_eq!(
            bucket.get(&object_key(&sealed.id)).await.unwrap().len() as u64,
            sealed.object_bytes
        );
    })
    .await;
    let (get, get_cpu) = measured(&bucket, &sealed, |bucket, sealed| async move {
        assert_eq!(
            bucket.get_segment(&sealed.id).await.unwrap().len() as u64,
            sealed.object_bytes
        );
    })
    .await;
    for sealed in &sealed {
        bucket.delete(&object_key(&sealed.id)).await.unwrap();
    }
    println!(
        "{url}, 1 GiB in 8 MiB objects of {bytes}-byte slices, 4 at a time (opened in {opened:?}): put {put_cpu:.2} \
         CPU-s in {put:.2?}, get {raw_cpu:.2} CPU-s in {raw:.2?}, get and verify {get_cpu:.2} CPU-s in {get:.2?}"
    );
}

async fn measured<F: Future<Output = ()>>(
    bucket: &Bucket,
    sealed: &[Sealed],
    work: impl Fn(Bucket, Sealed) -> F,
) -> (Duration, f64) {
    let (began, cpu_before) = (Instant::now(), cpu());
    futures::stream::iter(sealed)
        .for_each_concurrent(4, |sealed| work(bucket.clone(), sealed.clone()))
        .await;
    (began.elapsed(), cpu() - cpu_before)
}

//! Objects that an S3 server does not give out, while it gives out the others: found, and the check goes on.

use std::time::Duration;

use esker_model::ClusterId;
use esker_model::seams::Seams;
use esker_s3_server::{Kind, Op, Options, Rule, Server};
use esker_storage::cluster_file::{self, CLUSTER_FILE, ClusterFile};
use esker_storage::keys::{manifest_key, object_key};
use esker_storage::{BucketOptions, Environment, StoreError, StoreMetrics, open_with};

use super::world::{EPOCH, World, found};
use crate::check::deep::Deep;
use crate::check::deep::ingest::Tail;
use crate::check::deep::unreadable::{Part, Patience, Unreadable};
use crate::failure::Failure;

/// Short, so that a test does not wait for long.
const PATIENCE: Patience = Patience {
    object: Duration::from_millis(300),
    store: Duration::from_secs(4),
    retry: Duration::from_millis(20),
};

const OFFSETS: u64 = 14 + 12;

/// Partition 0: two merged segments, one of them listed by a leaf, and one ingest segment. Partition 1: two archive
/// segments, and that ingest segment.
async fn cluster() -> (Server, World) {
    let server = Server::start(&Options::default()).unwrap();
    let environment = [
        ("AWS_ENDPOINT_URL", server.endpoint()),
        ("AWS_ACCESS_KEY_ID", "x".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ];
    let environment: Environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
    let seams = Seams::real();
    let options = BucketOptions {
        read_patience: Duration::from_secs(1),
        ..BucketOptions::new(seams.clone(), StoreMetrics::default())
    };
    let bucket = open_with("s3://esker", &environment, options).unwrap();
    let file = ClusterFile::new(ClusterId("c".to_owned()), EPOCH);
    cluster_file::create(&bucket, &file).await.unwrap();
    let world = World::on(bucket, seams, 2).await;
    world.ingest(&[(0, &[2, 3]), (1, &[4])]).await;
    world.archive(&[0, 1], &[]).await;
    world.ingest(&[(0, &[1, 1]), (1, &[6])]).await;
    world.archive(&[0, 1], &[]).await;
    world.ingest(&[(0, &[7]), (1, &[1, 1])]).await;
    (server, world)
}

fn deep(world: &World) -> Deep {
    let mut deep = world.deep();
    deep.reader.unreadable = Unreadable::with(PATIENCE);
    deep
}

async fn checked(world: &World) -> (u64, Deep) {
    let deep = deep(world);
    deep.everything_in(&Tail::default()).await.unwrap();
    let offsets = deep.progress.offsets.load(std::sync::atomic::Ordering::Relaxed);
    (offsets, deep)
}

/// The sentences of all findings.
fn sentences(deep: &Deep) -> Vec<String> {
    let findings = deep.findings.sorted();
    findings.into_iter().map(|finding| finding.what).collect()
}

#[tokio::test]
async fn each_is_a_finding_and_the_others_are_right() {
    let (server, world) = cluster().await;
    assert_eq!(checked(&world).await.0, OFFSETS);
    let merged = world.merge(0, 1, |_| ()).await;
    let ingest = object_key(&world.plan(0, 7).await.extents[0].segment);
    let archive = object_key(&world.plan(1, 0).await.extents[0].segment);
    let (root, leaf) = (manifest_key(&merged.root), manifest_key(&merged.leaf));
    let segment = object_key(&merged.segments[1]);
    let denied = || Kind::error(403, "AccessDenied");
    let slow = || Kind::error(503, "SlowDownRead");
    for (key, kind, lost, places) in [
        (&ingest, slow(), 9, &["0 7..14", "1 10..12"][..]),
        (&archive, Kind::internal_error(), 4, &["1 0..4"]),
        (&archive, Kind::DropBefore, 4, &["1 0..4"]),
        (&segment, Kind::TruncatedBody { bytes: None }, 2, &["0 5..7"]),
        (&segment, denied(), 2, &["0 5..7"]),
        (&leaf, Kind::internal_error(), 5, &["0 0..5"]),
        (&root, denied(), 7, &["0 0..7"]),
    ] {
        server
            .faults()
            .replace([Rule::on(Op::Get, kind.clone()).key_prefix(key)]);
        let (offsets, deep) = checked(&world).await;
        let expected: Vec<_> = places
            .iter()
            .map(|place| format!("unreadable {place} {key}"))
            .collect();
        assert_eq!(found(&deep), expected, "{kind:?}: {:?}", sentences(&deep));
        assert_eq!(offsets, OFFSETS - lost, "{kind:?}");
        for sentence in sentences(&deep) {
            assert!(
                sentence.starts_with("it cannot be read: the "),
                "{kind:?}: {sentence}"
            );
        }
    }
    server
        .faults()
        .replace([Rule::on(Op::Get, slow()).key_prefix(&ingest)]);
    let finding = checked(&world).await.1.findings.sorted().remove(0).document();
    assert_eq!(
        (&finding["kind"], &finding["key"]),
        (&"unreadable".into(), &ingest.into())
    );
    let sentence = finding["sentence"].as_str().unwrap();
    assert!(sentence.contains("HTTP 503, SlowDownRead"), "{sentence}");
    // Its end alone: the records are right.
    server
        .faults()
        .replace([Rule::on(Op::Head, denied()).key_prefix(&archive)]);
    let (offsets, deep) = checked(&world).await;
    assert_eq!(
        (offsets, found(&deep)),
        (OFFSETS, vec![format!("footer 1 0..4 {archive}")])
    );
}

#[tokio::test]
async fn what_answers_again_is_right() {
    let (server, world) = cluster().await;
    // More than the bucket tries by itself.
    let passing = Rule::on(Op::Get, Kind::internal_error()).count(12);
    let id = server.faults().add(passing.key_prefix("archive/"));
    let mut deep = world.deep();
    deep.reader.unreadable = Unreadable::with(Patience {
        object: Duration::from_secs(30),
        ..PATIENCE
    });
    deep.everything_in(&Tail::default()).await.unwrap();
    assert_eq!(found(&deep), Vec::<String>::new());
    let rule = server.faults().list().into_iter().find(|rule| rule.id == id);
    assert_eq!(rule.map(|rule| rule.done), Some(12));
}

#[tokio::test]
async fn a_bucket_that_does_not_show_its_cluster_file_ends_it() {
    let (server, world) = cluster().await;
    for (kind, why) in [
        (Kind::internal_error(), " failed for a moment "),
        (Kind::error(403, "AccessDenied"), " denies access "),
    ] {
        let on = |prefix| Rule::on(Op::Get, kind.clone()).key_prefix(prefix);
        server.faults().replace([on("archive/"), on(CLUSTER_FILE)]);
        let deep = deep(&world);
        let stopped = deep.everything_in(&Tail::default()).await.unwrap_err();
        assert!(
            matches!(&stopped, Failure::Failed(sentence) if sentence.contains(why)),
            "{stopped:?}"
        );
        assert_eq!(found(&deep), Vec::<String>::new());
    }
}

#[test]
fn the_first_are_waited_for_and_the_next_ones_not() {
    let unreadable = Unreadable::default();
    let seconds = |key: &str| unreadable.patience_for(key).as_secs();
    let error = StoreError::Unavailable("no".to_owned());
    for key in ["a", "b", "c"] {
        assert_eq!(seconds(key), 20);
        unreadable.remember(Part::whole(key.to_owned()), error.clone());
        // The next request for the same object is not repeated, and the same one is not sent.
        assert_eq!(seconds(key), 0);
        assert_eq!(unreadable.why(&Part::whole(key.to_owned())), Some(error.clone()));
        assert_eq!(unreadable.why(&Part::size(key)), None);
    }
    assert_eq!(seconds("d"), 0);
}

//! One kit, every store: memory, a local directory, S3 servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use esker_s3_server::{Kind, Op, Options, Rule, Server};
use esker_storage::{Bucket, Environment, open, open_with};
use support::s3_server::S3Server;
use support::store_kit::{self, FULL, Size};
use support::{options, skip};

#[tokio::test]
async fn memory() {
    store_kit::all(&open("memory://", options()).unwrap(), &FULL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn local_directory() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}/new/one", directory.path().display());
    store_kit::all(&open(&url, options()).unwrap(), &FULL).await;
    let left: Vec<_> = std::fs::read_dir(directory.path().join("new/one/.esker-tmp"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn kit_server() -> (Server, Bucket) {
    let server = Server::start(&Options {
        buckets: vec!["kit".to_owned()],
        ..Options::default()
    })
    .unwrap();
    let environment = support::s3_server::environment(&server.endpoint());
    let bucket = open_with("s3://kit", &environment, options()).unwrap();
    (server, bucket)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn esker_s3_server() {
    let (_server, bucket) = kit_server();
    store_kit::all(&bucket, &FULL).await;
}

/// A store on a bad day: the same checks hold, it only takes longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn esker_s3_server_with_faults() {
    let (server, bucket) = kit_server();
    let some = |op, kind| Rule::on(op, kind).probability(0.05);
    server.faults().replace([
        some(Op::Put, Kind::slow_down()),
        some(Op::Put, Kind::internal_error().after_effect()),
        some(Op::Put, Kind::DropBefore),
        some(Op::Put, Kind::DropAfter),
        some(Op::Put, Kind::DuplicateEffect),
        // Elsewhere the kit removes what it wrote, and would meet it again.
        some(Op::Put, Kind::LateEffect { ms: 50 }).key_prefix("kit/race/"),
        some(Op::Get, Kind::DropBefore),
        some(Op::Get, Kind::TruncatedBody { bytes: None }),
        some(Op::Head, Kind::internal_error()),
        some(Op::List, Kind::slow_down()),
        some(Op::Delete, Kind::DropAfter),
    ]);
    let size = Size {
        listed: 100,
        races: 15,
    };
    store_kit::all(&bucket, &size).await;
    let counts = server.counts();
    for kind in ["drop_after", "duplicate_effect", "late_effect", "truncated_body"] {
        assert!(counts.faults_of(kind) > 0, "{kind}: {:?}", counts.faults);
    }
}

/// A prefix holds a cluster of its own, also where one is the beginning of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn prefixes_keep_clusters_apart() {
    let Some(server) = S3Server::minio() else {
        return skip("prefixes_keep_clusters_apart", "ESKER_TEST_MINIO is not set");
    };
    let small = Size { listed: 20, races: 1 };
    for url in ["s3://kit/one", "s3://kit/one-more", "s3://kit/a/deep/prefix/"] {
        store_kit::all(&open_with(url, &server.environment(), options()).unwrap(), &small).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn minio() {
    let Some(server) = S3Server::minio() else {
        return skip("minio", "ESKER_TEST_MINIO is not set");
    };
    store_kit::all(
        &open_with("s3://kit", &server.environment(), options()).unwrap(),
        &FULL,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn moto() {
    let Some(server) = S3Server::moto() else {
        return skip("moto", "ESKER_TEST_MOTO is not set");
    };
    let size = Size {
        listed: 150,
        races: 10,
    };
    store_kit::all(
        &open_with("s3://kit", &server.environment(), options()).unwrap(),
        &size,
    )
    .await;
}

/// Any S3 server: set ESKER_TEST_S3_ENDPOINT, ESKER_TEST_S3_BUCKET (an empty one, or with a prefix) and
/// the AWS_* credentials. Not part of the usual run, so not a skip either.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_s3_server() {
    let Ok(endpoint) = std::env::var("ESKER_TEST_S3_ENDPOINT") else {
        return;
    };
    let bucket = std::env::var("ESKER_TEST_S3_BUCKET").unwrap();
    let mut environment: Environment = std::env::vars().collect();
    environment.insert("AWS_ENDPOINT_URL".to_owned(), endpoint);
    store_kit::all(
        &open_with(&format!("s3://{bucket}"), &environment, options()).unwrap(),
        &FULL,
    )
    .await;
}

//! One suite for every S3 server that the tests trust: this one, in memory and in a directory, and MinIO.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a failure is a failed test"
)]

mod suite;

use std::time::Duration;

use esker_harness::dirs::TestDir;
use esker_harness::minio::Minio;
use esker_s3_server::{EtagKind, Keep, Options, Server};
use suite::Target;

fn ours(options: &Options) -> (Server, Target) {
    let server = Server::start(options).unwrap();
    let target = Target::new(&server.endpoint());
    (server, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory() {
    let (server, target) = ours(&Options::default());
    suite::all(&target).await;
    let counts = server.counts();
    assert_eq!((counts.requests_open, counts.uploads_open), (0, 0));
    assert!(counts.faults.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_directory() {
    let dir = TestDir::new("s3-suite");
    let (server, target) = ours(&Options {
        keep: Keep::Directory {
            path: dir.join("data"),
            sync: false,
        },
        etag: EtagKind::Md5,
        ..Options::default()
    });
    suite::all(&target).await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_minio() {
    let dir = TestDir::new("s3-minio");
    let Some(minio) = Minio::start(dir.path()) else {
        return;
    };
    let environment = minio.environment();
    let of = |name: &str| {
        let found = environment.iter().find(|(known, _)| known == name);
        found.unwrap().1.clone()
    };
    let target = Target {
        access_key: of("AWS_ACCESS_KEY_ID"),
        secret_key: of("AWS_SECRET_ACCESS_KEY"),
        ..Target::new(&of("AWS_ENDPOINT_URL"))
    };
    // It takes connections before it takes requests.
    while target.bucket_request("HEAD", suite::BUCKET).send().await.status == 503 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    suite::all(&target).await;
}

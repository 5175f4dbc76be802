//! What a bucket does when the store misbehaves: retries, counts, gives up, and says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use esker_model::seams::Seams;
use esker_storage::bucket::ChunkPlace;
use esker_storage::metrics::Op;
use esker_storage::segment::TAIL_BYTES;
use esker_storage::{Bucket, BucketOptions, StoreError, StoreMetrics, cluster_file, open_with, preflight};
use support::http_stub::{Answer, Stub, code, say};
use support::s3_server::{S3Server, environment, free_port};
use support::segments::segment_id;
use support::{manifests, options, skip};

const KEY: &str = "ingest/1/x";

fn bucket_at(endpoint: &str, patience: Duration) -> Bucket {
    let options = BucketOptions {
        read_patience: patience,
        ..BucketOptions::new(Seams::real(), StoreMetrics::default())
    };
    open_with("s3://kit", &environment(endpoint), options).unwrap()
}

async fn stub(answers: impl IntoIterator<Item = Answer>) -> (Stub, Bucket) {
    let stub = Stub::start(answers).await;
    let bucket = bucket_at(&stub.endpoint, Duration::from_secs(10));
    (stub, bucket)
}

fn put_ok() -> Answer {
    Answer::Say {
        status: 200,
        headers: "etag: \"e\"\r\n",
        body: Vec::new(),
    }
}

fn object() -> Bytes {
    (0..1000u32).map(|i| i as u8).collect()
}

async fn put(bucket: &Bucket, patience: Duration) -> Result<(), StoreError> {
    let object = object();
    let tail = *object.last_chunk::<TAIL_BYTES>().unwrap();
    let slices = vec![object.slice(..300), object.slice(300..)];
    bucket
        .put_new(KEY, slices, tail, bucket.seams().clock.now().plus(patience))
        .await
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_put_repeats_the_same_bytes_until_it_succeeds() {
    let (stub, bucket) = stub([
        code(503, "SlowDown"),
        Answer::Hang,
        code(500, "InternalError"),
        code(400, "RequestTimeout"),
        put_ok(),
    ])
    .await;
    put(&bucket, LONG).await.unwrap();
    let requests = stub.requests();
    assert_eq!(requests.len(), 5);
    for request in &requests {
        assert_eq!(request.line, format!("PUT /kit/{KEY} HTTP/1.1"));
        assert_eq!(request.body, object());
        assert!(
            request.headers.contains("if-none-match: *"),
            "{}",
            request.headers
        );
        assert!(
            request.headers.contains("UNSIGNED-PAYLOAD"),
            "{}",
            request.headers
        );
    }
    let count = |outcome| bucket.metrics().requests(Op::Put, outcome);
    assert_eq!(
        (count("ok"), count("throttled"), count("unavailable")),
        (1, 1, 3),
        "every attempt is counted"
    );
    assert_eq!(bucket.metrics().bytes(Op::Put), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_found_out_by_the_tail() {
    let Some(server) = S3Server::minio() else {
        return skip(
            "a_lost_answer_is_found_out_by_the_tail",
            "ESKER_TEST_MINIO is not set",
        );
    };
    let bucket = bucket_at(&server.endpoint, LONG);
    put(&bucket, LONG).await.unwrap();
    put(&bucket, LONG).await.unwrap();
    let count = |op, outcome| bucket.metrics().requests(op, outcome);
    assert_eq!((count(Op::Put, "ok"), count(Op::Put, "exists")), (1, 1));
    assert_eq!((count(Op::Head, "ok"), count(Op::Get, "ok")), (1, 1));
}

#[tokio::test]
async fn a_put_that_meets_another_put_tries_again() {
    let (stub, bucket) = stub([code(409, "ConditionalRequestConflict"), say(404, ""), put_ok()]).await;
    put(&bucket, LONG).await.unwrap();
    let lines: Vec<_> = stub
        .requests()
        .iter()
        .map(|request| request.line[..4].to_owned())
        .collect();
    assert_eq!(lines, ["PUT ", "HEAD", "PUT "]);
}

#[tokio::test]
async fn a_put_gives_up_at_its_deadline_and_says_what_it_met() {
    let (_stub, bucket) = stub([code(503, "SlowDown")]).await;
    match put(&bucket, Duration::from_secs(1)).await {
        Err(StoreError::GaveUp { key, attempts, last }) => {
            assert_eq!(key, KEY);
            assert!(attempts > 2, "{attempts}");
            assert!(last.contains("SlowDown"), "{last}");
        }
        other => panic!("{other:?}"),
    }
    let (stub, bucket) = self::stub([Answer::Silence]).await;
    let result = tokio::time::timeout(Duration::from_secs(3), put(&bucket, Duration::from_millis(500))).await;
    assert!(
        matches!(result, Ok(Err(StoreError::GaveUp { attempts: 1, .. }))),
        "{result:?}"
    );
    assert_eq!(bucket.metrics().requests(Op::Put, "timeout"), 1);
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn callers_share_the_slower_pace_that_a_store_asks_for() {
    let head = "etag: \"e\"\r\nlast-modified: Tue, 01 Jul 2025 00:00:00 GMT\r\n";
    let good = Answer::Say {
        status: 200,
        headers: head,
        body: b"hello".to_vec(),
    };
    let answers = std::iter::repeat_n(code(503, "SlowDown"), 6).chain([good]);
    let (stub, bucket) = stub(answers).await;
    bucket.get("k").await.unwrap();
    let clock = &bucket.seams().clock;
    let began = clock.now();
    let gets = (0..8).map(|_| bucket.get("k"));
    assert!(
        futures::future::join_all(gets)
            .await
            .into_iter()
            .all(|got| got.is_ok())
    );
    // The gap has grown to 4 ms times two to the fifth.
    assert!(
        clock.now() - began > Duration::from_millis(400),
        "{:?}",
        clock.now() - began
    );
    assert_eq!(stub.requests().len(), 15);
}

/// One object that MinIO cannot read is no reason to ask for others less often.
#[tokio::test]
async fn what_cannot_be_read_slows_nobody_down_and_is_not_asked_for_chunk_by_chunk() {
    let (stub, _) = stub([code(503, "SlowDownRead")]).await;
    let bucket = bucket_at(&stub.endpoint, Duration::from_millis(300));
    let places = [0, 100, 200].map(|at| ChunkPlace {
        range: at..at + 100,
        crc: 0,
    });
    let began = bucket.seams().clock.now();
    let read = bucket.get_chunks(&manifests::merged_id(1), &places).await;
    assert_eq!(read.len(), 3);
    for one in &read {
        assert!(
            matches!(one, Err(StoreError::Unavailable(why)) if why.contains("SlowDownRead")),
            "{one:?}"
        );
    }
    // All together, and the first.
    assert!(bucket.seams().clock.now() - began < Duration::from_millis(800));
    assert_eq!(bucket.metrics().requests(Op::Get, "throttled"), 0);
}

#[tokio::test]
async fn reads_are_repeated_and_cut_off() {
    let head = "etag: \"e\"\r\nlast-modified: Tue, 01 Jul 2025 00:00:00 GMT\r\n";
    let good = Answer::Say {
        status: 200,
        headers: head,
        body: b"hello".to_vec(),
    };
    let (_stub, bucket) = stub([code(503, "SlowDown"), Answer::Hang, say(502, "<html>"), good]).await;
    assert_eq!(bucket.get("k").await.unwrap(), "hello");
    let count = |outcome| bucket.metrics().requests(Op::Get, outcome);
    assert_eq!((count("ok"), count("throttled"), count("unavailable")), (1, 1, 2));

    let stub = Stub::start([Answer::Silence]).await;
    let bucket = bucket_at(&stub.endpoint, Duration::from_millis(400));
    let result = tokio::time::timeout(Duration::from_secs(3), bucket.get("k"))
        .await
        .unwrap();
    assert!(result.unwrap_err().is_transient());
    // The first attempt leaves time for a second: it may have met a dead connection.
    assert_eq!(bucket.metrics().requests(Op::Get, "timeout"), 2);
}

#[tokio::test]
async fn what_may_have_been_damaged_on_its_way_is_read_again() {
    let say = |status, headers, body: &[u8]| Answer::Say {
        status,
        headers,
        body: body.to_vec(),
    };
    let whole = "etag: \"e\"\r\nlast-modified: Tue, 01 Jul 2025 00:00:00 GMT\r\n";
    let range =
        "etag: \"e\"\r\nlast-modified: Tue, 01 Jul 2025 00:00:00 GMT\r\ncontent-range: bytes 0-4/9\r\n";
    let manifest = manifests::everything();
    let right = manifest.encode().unwrap().payload;
    let mut wrong = right.to_vec();
    wrong[50] ^= 1;

    let answers = [&wrong, &wrong, &right[..]].map(|body| say(200, whole, body));
    let (server, bucket) = stub(answers).await;
    assert_eq!(bucket.get_manifest(&manifest.id).await, Ok(right));
    assert_eq!(server.requests().len(), 3);

    let (server, bucket) = stub([say(200, whole, &wrong)]).await;
    let err = bucket.get_manifest(&manifest.id).await.unwrap_err();
    assert!(matches!(err, StoreError::Corrupt { .. }), "{err}");
    assert_eq!(server.requests().len(), 3, "three reads, and no more");

    let (segments, bucket) = stub([say(200, whole, b"hello")]).await;
    let err = bucket.get_segment(&segment_id(1)).await.unwrap_err();
    assert!(matches!(err, StoreError::Corrupt { .. }), "{err}");
    assert_eq!(segments.requests().len(), 3);

    let crc = crc32c::crc32c(b"hello");
    let (chunks, bucket) = stub([b"hallo", b"hello"].map(|body| say(206, range, body))).await;
    let id = manifests::merged_id(1);
    assert_eq!(bucket.get_chunk(&id, 0..5, crc).await.unwrap(), "hello");
    assert_eq!(chunks.requests().len(), 2);
    let err = bucket.get_chunk(&id, 0..5, crc + 1).await.unwrap_err();
    assert!(err.to_string().contains("the chunk at 0"), "{err}");
    assert_eq!(chunks.requests().len(), 5);
}

/// What people get to read, and whether waiting may help.
#[tokio::test]
async fn every_refusal_has_a_clear_sentence() {
    for (answer, transient, words) in [
        (code(404, "NoSuchBucket"), false, "does not exist"),
        (code(403, "InvalidAccessKeyId"), false, "refuses the credentials"),
        (
            code(403, "SignatureDoesNotMatch"),
            false,
            "refuses the credentials",
        ),
        (code(403, "AccessDenied"), false, "denies access"),
        (code(403, "RequestTimeTooSkewed"), false, "clock is wrong"),
        (code(301, "PermanentRedirect"), false, "AWS_REGION"),
        (code(400, "AuthorizationHeaderMalformed"), false, "AWS_REGION"),
        (code(501, "NotImplemented"), false, "does not understand"),
        (code(429, "TooManyRequests"), true, "fewer requests"),
    ] {
        let stub = Stub::start([answer]).await;
        let patience = if transient { Duration::from_secs(2) } else { LONG };
        let bucket = bucket_at(&stub.endpoint, patience);
        let err = bucket.get("k").await.unwrap_err();
        assert_eq!(err.is_transient(), transient, "{err}");
        assert!(err.to_string().contains(words), "{err}");
        let err = put(&bucket, patience).await.unwrap_err();
        assert!(err.to_string().contains(words), "{err}");
        // A bucket that was told to slow down so often might not ask at all within its patience.
        let bucket = bucket_at(&stub.endpoint, patience);
        let findings = preflight::preflight(&bucket).await;
        let last = findings.last().unwrap();
        assert!(!last.ok && last.sentence.contains(words), "{findings:?}");
    }
    let (_stub, bucket) = stub([code(404, "NoSuchKey")]).await;
    assert!(bucket.get("k").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_endpoint_that_nobody_listens_at_is_unreachable() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let bucket = bucket_at(&endpoint, Duration::from_secs(1));
    let err = bucket.get("k").await.unwrap_err();
    assert!(err.is_transient());
    assert!(
        err.to_string().contains("cannot be reached") && err.to_string().contains(&endpoint),
        "{err}"
    );
    let findings = preflight::preflight(&bucket).await;
    assert_eq!(findings.len(), 1);
    let read = tokio::time::timeout(Duration::from_secs(4), cluster_file::read(&bucket))
        .await
        .unwrap();
    assert!(read.unwrap_err().is_transient());
}

#[tokio::test]
async fn missing_credentials_are_named() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let environment = [
        ("AWS_ENDPOINT_URL", nobody.clone()),
        ("AWS_METADATA_ENDPOINT", nobody),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let options = BucketOptions {
        read_patience: Duration::from_secs(1),
        ..options()
    };
    let bucket = open_with("s3://kit", &environment.into(), options).unwrap();
    let err = bucket.get("k").await.unwrap_err();
    assert!(
        err.is_transient() && err.to_string().contains("no credentials"),
        "{err}"
    );
}

/// An S3 server that ignores `If-None-Match` must be found out.
#[tokio::test]
async fn a_store_that_replaces_objects_fails_the_preflight() {
    let list = say(
        200,
        "<?xml version=\"1.0\"?><ListBucketResult><Name>kit</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>",
    );
    let (_stub, bucket) = stub([list, put_ok(), put_ok(), put_ok()]).await;
    let findings = preflight::preflight(&bucket).await;
    let last = findings.last().unwrap();
    assert_eq!(last.name, "bucket.conditional_put");
    assert!(
        !last.ok && last.sentence.contains("ignores If-None-Match"),
        "{findings:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_servers_refuse_with_the_same_sentences() {
    let Some(server) = S3Server::minio() else {
        return skip(
            "real_servers_refuse_with_the_same_sentences",
            "ESKER_TEST_MINIO is not set",
        );
    };
    let patience = LONG;
    let absent = open_with("s3://absent", &server.environment(), options()).unwrap();
    for err in [
        put(&absent, patience).await.unwrap_err(),
        absent.get("k").await.unwrap_err(),
    ] {
        assert!(
            matches!(&err, StoreError::Misconfigured(text) if text.contains("does not exist")),
            "{err}"
        );
    }
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "wrong"),
    ] {
        let mut environment = server.environment();
        environment.insert(name.into(), value.into());
        let bucket = open_with("s3://kit", &environment, options()).unwrap();
        for err in [
            put(&bucket, patience).await.unwrap_err(),
            bucket.get("k").await.unwrap_err(),
        ] {
            assert!(
                matches!(&err, StoreError::Denied(text) if text.contains("credentials")),
                "{err}"
            );
        }
    }
}

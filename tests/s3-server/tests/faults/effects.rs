//! Effects that come without an answer, late, or twice; in memory and in a directory.

use std::time::{Duration, Instant};

use esker_harness::dirs::TestDir;
use esker_s3_server::{Kind, Op};

use crate::{Keep, Options, Server, Target, create, only, start_with, stored, until};

fn servers(dir: &TestDir) -> [(Server, Target); 2] {
    let in_directory = Options {
        keep: Keep::Directory {
            path: dir.join("data"),
            sync: true,
        },
        ..Options::default()
    };
    [start_with(&Options::default()), start_with(&in_directory)]
}

#[tokio::test]
async fn dropped_before_and_after() {
    let dir = TestDir::new("s3-drop");
    for (server, target) in servers(&dir) {
        only(&server, Op::Put, Kind::DropBefore);
        assert_eq!(create(&target, "key", b"first").await, None);
        assert_eq!(stored(&server, "key"), None);
        only(&server, Op::Put, Kind::DropAfter);
        assert_eq!(create(&target, "key", b"first").await, None);
        assert_eq!(stored(&server, "key"), Some(5));
        server.faults().clear();
        create(&target, "key", b"again")
            .await
            .unwrap()
            .is_error(412, "PreconditionFailed");
        assert_eq!(target.get("key").await, b"first");
        only(&server, Op::Delete, Kind::DropAfter);
        assert_eq!(target.request("DELETE", "key").exchange().await, None);
        assert_eq!(stored(&server, "key"), None);
        let counts = server.counts();
        assert_eq!(
            (counts.answers("put", "none"), counts.answers("delete", "none")),
            (2, 1)
        );
    }
}

#[tokio::test]
async fn late_effects_land_later() {
    let dir = TestDir::new("s3-late");
    for (server, target) in servers(&dir) {
        only(&server, Op::Put, Kind::LateEffect { ms: 200 });
        let begun = Instant::now();
        assert_eq!(create(&target, "late", b"late").await, None);
        assert!(
            begun.elapsed() < Duration::from_millis(200),
            "the connection closes at once"
        );
        assert_eq!(
            (stored(&server, "late"), server.counts().late_effects_pending),
            (None, 1)
        );
        until("it lands", || stored(&server, "late").is_some()).await;
        assert!(begun.elapsed() >= Duration::from_millis(200));
        until("it is done", || server.counts().late_effects_pending == 0).await;

        // The conditions are those of the moment at which it lands.
        assert_eq!(create(&target, "met", b"late").await, None);
        server.faults().clear();
        assert_eq!(create(&target, "met", b"early").await.unwrap().status, 200);
        until("it is done", || server.counts().late_effects_pending == 0).await;
        assert_eq!(target.get("met").await, b"early");

        // A late DELETE removes what was not there when it was asked for.
        only(&server, Op::Delete, Kind::LateEffect { ms: 200 });
        assert_eq!(target.request("DELETE", "zombie").exchange().await, None);
        target.put("zombie", b"x").await;
        until("it is removed", || stored(&server, "zombie").is_none()).await;
    }
}

#[tokio::test]
async fn duplicates_meet_themselves() {
    let dir = TestDir::new("s3-duplicate");
    for (server, target) in servers(&dir) {
        only(&server, Op::Put, Kind::DuplicateEffect);
        let answer = create(&target, "twice", b"mine").await.unwrap();
        answer.is_error(412, "PreconditionFailed");
        assert_eq!(stored(&server, "twice"), Some(4));
        target.put("twice", b"replaced").await;
        assert_eq!(target.get("twice").await, b"replaced");
        only(&server, Op::Delete, Kind::DuplicateEffect);
        assert_eq!(target.request("DELETE", "twice").send().await.status, 204);
        assert_eq!(stored(&server, "twice"), None);
    }
}

#[tokio::test]
async fn steps_of_an_upload_lose_their_answers_too() {
    let (server, target) = crate::start();
    let created = target.request("POST", "parts").query("uploads", "").send().await;
    let id = created.first("UploadId");
    let part = target
        .request("PUT", "parts")
        .query("partNumber", "1")
        .query("uploadId", &id);
    let etag = part.body(b"part").send().await.etag().to_owned();
    let rule = esker_s3_server::Rule::new("complete_multipart_upload".parse().unwrap(), Kind::DropAfter);
    server.faults().add(rule);
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let complete = || {
        target
            .request("POST", "parts")
            .query("uploadId", &id)
            .body(document.as_bytes())
    };
    assert_eq!(complete().exchange().await, None);
    assert_eq!(target.get("parts").await, b"part");
    server.faults().clear();
    complete().send().await.is_error(404, "NoSuchUpload");
}

//! Objects come back as they were, whole and in parts, and go.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::{BUCKET, Target, bytes};

pub async fn come_back(target: &Target) {
    let store = target.store();
    for size in [0, 1, 1000, 100_000, 3 << 20] {
        let key = format!("objects/back/{size}");
        let path = Path::from(key.as_str());
        let whole = bytes(7, size);
        // In slices, as segments go up.
        let slices: PutPayload = whole.chunks(16 << 10).map(Bytes::copy_from_slice).collect();
        let put = store.put(&path, slices).await.unwrap();
        let got = store.get(&path).await.unwrap();
        assert_eq!((got.meta.size, &got.meta.e_tag), (size as u64, &put.e_tag));
        assert!(got.bytes().await.unwrap() == whole, "{size} bytes");
        let head = store.head(&path).await.unwrap();
        assert_eq!((head.size, head.e_tag), (size as u64, put.e_tag));
        let raw = target.request("HEAD", &key).send().await;
        assert_eq!((raw.status, raw.body.len()), (200, 0));
        assert_eq!(raw.header("content-length"), Some(size.to_string().as_str()));
        assert!(raw.header("x-amz-request-id").is_some());
    }
    let first = target.put("objects/replaced", b"first").await;
    let second = target.put("objects/replaced", b"second").await;
    assert_ne!(first.etag(), second.etag());
    assert_eq!(target.get("objects/replaced").await, b"second");
    let again = target.put("objects/replaced", b"first").await;
    assert_eq!(first.etag(), again.etag(), "the tag depends on the bytes alone");
}

pub async fn keep_what_is_said_about_them(target: &Target) {
    let key = "objects/about";
    let put = target
        .request("PUT", key)
        .header("content-type", "text/esker")
        .header("content-encoding", "gzip")
        .header("cache-control", "no-store")
        .header("x-amz-meta-colour", "blue")
        .body(b"x");
    assert_eq!(put.send().await.status, 200);
    for method in ["GET", "HEAD"] {
        let answer = target.request(method, key).send().await;
        assert_eq!(answer.header("content-type"), Some("text/esker"));
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-amz-meta-colour"), Some("blue"));
        assert!(answer.header("last-modified").unwrap().ends_with(" GMT"));
    }
    target.put(key, b"y").await;
    let answer = target.request("HEAD", key).send().await;
    assert_eq!(answer.header("x-amz-meta-colour"), None, "a new object is new");
    assert_eq!(answer.header("content-type"), Some("binary/octet-stream"));
}

pub async fn in_ranges(target: &Target) {
    let key = "objects/ranges";
    let whole = bytes(3, 1000);
    target.put(key, &whole).await;
    target.put("objects/none", b"").await;
    for (range, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-999", 0, 1000),
        ("bytes=10-19", 10, 20),
        ("bytes=990-5000", 990, 1000),
        ("bytes=999-", 999, 1000),
        ("bytes=-4", 996, 1000),
        ("bytes=-4000", 0, 1000),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = target.request(method, key).header("range", range).send().await;
            assert_eq!(answer.status, 206, "{range}");
            let shown = format!("bytes {first}-{}/1000", end - 1);
            assert_eq!(answer.header("content-range"), Some(shown.as_str()));
            let length = (end - first).to_string();
            assert_eq!(answer.header("content-length"), Some(length.as_str()));
            if method == "GET" {
                assert_eq!(answer.body, whole[first..end], "{range}");
            }
        }
    }
    for range in ["bytes=1000-", "bytes=1000-1001", "bytes=5000-6000", "bytes=-0"] {
        let answer = target.request("GET", key).header("range", range).send().await;
        answer.is_error(416, "InvalidRange");
    }
    let answer = target
        .request("GET", "objects/none")
        .header("range", "bytes=0-3")
        .send()
        .await;
    answer.is_error(416, "InvalidRange");
    let answer = target
        .request("GET", key)
        .header("range", "lines=1-2")
        .send()
        .await;
    assert!(answer.status == 200 && answer.body == whole);
    let store = target.store();
    let path = Path::from(key);
    assert_eq!(store.get_range(&path, 5..15).await.unwrap(), whole[5..15]);
    let parts = store.get_ranges(&path, &[0..10, 500..600]).await.unwrap();
    assert_eq!((&parts[0][..], &parts[1][..]), (&whole[..10], &whole[500..600]));
}

pub async fn large_ones(target: &Target) {
    let store = target.store();
    let path = Path::from("objects/large");
    let whole = Bytes::from(bytes(9, 32 << 20));
    store.put(&path, whole.clone().into()).await.unwrap();
    assert!(store.get(&path).await.unwrap().bytes().await.unwrap() == whole);
    let at = (32 << 20) - 100_000;
    let end = store.get_range(&path, at..(32 << 20)).await.unwrap();
    assert!(end == whole[at as usize..]);
}

pub async fn go(target: &Target) {
    let key = "objects/goes";
    target.put(key, b"x").await;
    for _ in 0..2 {
        let answer = target.request("DELETE", key).send().await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "gone is gone");
    }
    target.request("GET", key).send().await.is_error(404, "NoSuchKey");
    let store = target.store();
    store.delete(&Path::from(key)).await.unwrap();
    target.put(key, b"y").await;
    assert_eq!(target.get(key).await, b"y");
}

pub async fn many_go_at_once(target: &Target) {
    let keys = ["objects/many/a", "objects/many/b & c", "objects/many/d<e>"];
    for quiet in [false, true] {
        for key in keys {
            target.put(key, b"x").await;
        }
        let document = "<Delete><Object><Key>objects/many/a</Key></Object>\
            <Object><Key>objects/many/b &amp; c</Key></Object><Object><Key>objects/many/d&lt;e&gt;</Key></Object>\
            <Object><Key>objects/many/never</Key></Object><Quiet>QUIET</Quiet></Delete>"
            .replace("QUIET", if quiet { "true" } else { "false" });
        let answer = target
            .bucket_request("POST", BUCKET)
            .query("delete", "")
            .header("content-md5", &super::chunked::md5_base64(document.as_bytes()))
            .body(document.as_bytes())
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut deleted = answer.texts("Key");
        deleted.sort();
        let mut expected = keys.map(str::to_owned).to_vec();
        expected.push("objects/many/never".to_owned());
        assert_eq!(deleted, if quiet { Vec::new() } else { expected });
        for key in keys {
            target.request("HEAD", key).send().await.is_error(404, "");
        }
    }
    let store = target.store();
    for number in 0..20 {
        target.put(&format!("objects/many/{number}"), b"x").await;
    }
    let paths = (0..20).map(|number| Ok(Path::from(format!("objects/many/{number}"))));
    let stream = Box::pin(futures::stream::iter(paths.collect::<Vec<_>>()));
    let deleted: Vec<_> = futures::StreamExt::collect(store.delete_stream(stream)).await;
    assert_eq!(deleted.len(), 20);
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
}

pub async fn are_copied(target: &Target) {
    let (from, to) = ("objects/copy from+%", "objects/copy to");
    let put = target
        .request("PUT", from)
        .header("x-amz-meta-colour", "red")
        .body(b"copied");
    let put = put.send().await;
    let store = target.store();
    let path = |key: &str| Path::parse(key).unwrap();
    store.copy(&path(from), &path(to)).await.unwrap();
    let copied = target.request("GET", to).send().await;
    assert_eq!(copied.body, b"copied");
    assert_eq!(
        (copied.etag(), copied.header("x-amz-meta-colour")),
        (put.etag(), Some("red"))
    );
    target.put(from, b"changed").await;
    assert_eq!(target.get(to).await, b"copied");
    let missing = store
        .copy(&path("objects/copy/none"), &path(to))
        .await
        .unwrap_err();
    assert!(
        matches!(missing, object_store::Error::NotFound { .. }),
        "{missing}"
    );
}

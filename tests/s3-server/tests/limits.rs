//! Who is let in, how much is kept, and bodies that only this server is sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a failure is a failed test"
)]

mod suite;

use esker_s3_server::{Keep, Options, Server};
use suite::{BUCKET, Request, Target, bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn access_keys() {
    let server = Server::start(&Options {
        access_keys: vec!["esker-test".to_owned()],
        bad_signature_keys: vec!["mistyped".to_owned()],
        ..Options::default()
    })
    .unwrap();
    let target = Target::new(&server.endpoint());
    target.put("key", b"x").await;
    for (key, code) in [
        ("stranger", "InvalidAccessKeyId"),
        ("mistyped", "SignatureDoesNotMatch"),
    ] {
        let target = Target {
            access_key: key.to_owned(),
            ..target.clone()
        };
        target.request("GET", "key").send().await.is_error(403, code);
        target
            .request("PUT", "other")
            .body(b"x")
            .send()
            .await
            .is_error(403, code);
    }
    let mut stream = TcpStream::connect(target.endpoint.trim_start_matches("http://"))
        .await
        .unwrap();
    let unsigned = b"GET /esker/key HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(unsigned).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("<Code>AccessDenied</Code>"));
    assert_eq!(server.objects(None, "").unwrap().len(), 1);
}

#[tokio::test]
async fn memory_is_bounded() {
    let server = Server::start(&Options {
        keep: Keep::Memory { bytes_max: 1_000_000 },
        ..Options::default()
    })
    .unwrap();
    let target = Target::new(&server.endpoint());
    let part = vec![1; 400_000];
    target.put("a", &part).await;
    target.put("b", &part).await;
    let refused = target.request("PUT", "c").body(&part).send().await;
    refused.is_error(507, "InsufficientStorage");
    assert!(refused.first("Message").contains("--memory-bytes-max"));
    // While it is replaced, the old one is there too.
    target
        .request("PUT", "a")
        .body(&part)
        .send()
        .await
        .is_error(507, "InsufficientStorage");
    assert_eq!(target.request("DELETE", "a").send().await.status, 204);
    target.put("c", &part).await;
    let created = target.request("POST", "d").query("uploads", "").send().await;
    let id = created.first("UploadId");
    let upload = |number: &str, body: &[u8]| {
        let part = target
            .request("PUT", "d")
            .query("partNumber", number)
            .query("uploadId", &id);
        part.body(body).send()
    };
    assert_eq!(upload("1", &[1; 100_000]).await.status, 200);
    assert_eq!(upload("2", &[1; 200_000]).await.status, 507);
    let abort = target.request("DELETE", "d").query("uploadId", &id).send().await;
    assert_eq!(abort.status, 204);
    target.put("e", &[1; 200_000]).await;
    assert_eq!(server.counts().bytes_stored, 1_000_000);
}

#[tokio::test]
async fn signed_chunks_and_bodies_without_a_length() {
    let server = Server::start(&Options::default()).unwrap();
    let target = Target::new(&server.endpoint());
    let body = bytes(3, 150_000);
    let mut coded = Vec::new();
    for chunk in body.chunks(65_536) {
        let signature = "a".repeat(64);
        coded.extend_from_slice(format!("{:X};chunk-signature={signature}\r\n", chunk.len()).as_bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0;chunk-signature=b\r\n\r\n");
    let put = |length: &str, coded: &[u8]| {
        target
            .request("PUT", "signed")
            .header("content-encoding", "gzip,aws-chunked")
            .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            .header("x-amz-decoded-content-length", length)
            .body(coded)
            .send()
    };
    assert_eq!(put("150000", &coded).await.status, 200);
    let got = target.request("GET", "signed").send().await;
    assert!(got.body == body);
    assert_eq!(got.header("content-encoding"), Some("gzip"));
    put("149999", &coded).await.is_error(400, "IncompleteBody");
    put("150001", &coded).await.is_error(400, "IncompleteBody");
    put("150000", &coded[..coded.len() - 30])
        .await
        .is_error(400, "IncompleteBody");
    assert!(target.get("signed").await == body);

    for (framing, status) in [
        (
            "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200",
        ),
        ("\r\n", "HTTP/1.1 411"),
    ] {
        let mut stream = TcpStream::connect(target.endpoint.trim_start_matches("http://"))
            .await
            .unwrap();
        let request = format!("PUT /esker/framed HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{framing}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(status), "{answer}");
    }
    assert_eq!(target.get("framed").await, b"hello");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let server = Server::start(&Options::default()).unwrap();
    let target = Target::new(&server.endpoint());
    let lifecycle = target.bucket_request("PUT", BUCKET).query("lifecycle", "");
    lifecycle.send().await.is_error(501, "NotImplemented");
    Request::new(&target, "PATCH", "/esker/x")
        .send()
        .await
        .is_error(405, "MethodNotAllowed");
    let long = target.request("PUT", &"k".repeat(1025)).body(b"x").send().await;
    long.is_error(400, "KeyTooLongError");
    target.put(&"k".repeat(1024), b"x").await;
    Request::new(&target, "GET", "/esker/%ff")
        .send()
        .await
        .is_error(400, "InvalidURI");
    assert_eq!(server.counts().requests_of("other"), 4);

    // Version 1 of a listing, and characters that XML has no place for.
    let odd = "v1/tab\tand\u{1}";
    for key in [odd, "v1/x/1", "v1/x/2", "v1/y"] {
        target.put(key, b"x").await;
    }
    let page = |marker: &str| {
        let list = target
            .bucket_request("GET", BUCKET)
            .query("prefix", "v1/")
            .query("delimiter", "/");
        list.query("max-keys", "1").query("marker", marker).send()
    };
    let first = page("").await;
    assert!(
        first.text().contains("<Key>v1/tab&#x9;and&#x1;</Key>"),
        "{first:?}"
    );
    let second = page(odd).await;
    assert!(
        second.text().contains("<NextMarker>v1/x/</NextMarker>"),
        "{second:?}"
    );
    assert!(page("v1/x/").await.text().contains("<Key>v1/y</Key>"));
}

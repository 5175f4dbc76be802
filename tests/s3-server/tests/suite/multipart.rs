//! Multipart uploads.

use std::fmt::Write;

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt};

use super::{Answer, BUCKET, Target, bytes};

const PART: usize = 5 << 20;

async fn create(target: &Target, key: &str) -> String {
    let answer = target.request("POST", key).query("uploads", "").send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        (answer.first("Bucket"), answer.first("Key")),
        (BUCKET.to_owned(), key.to_owned())
    );
    answer.first("UploadId")
}

async fn part(target: &Target, key: &str, id: &str, number: u32, body: &[u8]) -> Answer {
    let request = target
        .request("PUT", key)
        .query("partNumber", &number.to_string())
        .query("uploadId", id);
    request.body(body).send().await
}

/// Completes under a further header, if its name is not empty.
async fn complete_with(
    target: &Target,
    key: &str,
    id: &str,
    parts: &[(u32, &str)],
    header: (&str, &str),
) -> Answer {
    let mut document = "<CompleteMultipartUpload>".to_owned();
    for (number, etag) in parts {
        let etag = etag.replace('"', "&quot;");
        write!(
            document,
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        )
        .unwrap();
    }
    document += "</CompleteMultipartUpload>";
    let mut request = target.request("POST", key).query("uploadId", id);
    if !header.0.is_empty() {
        request = request.header(header.0, header.1);
    }
    request.body(document.as_bytes()).send().await
}

async fn complete(target: &Target, key: &str, id: &str, parts: &[(u32, &str)]) -> Answer {
    complete_with(target, key, id, parts, ("", "")).await
}

pub async fn in_order(target: &Target) {
    let key = "multipart/in order";
    let bodies = [bytes(1, PART), bytes(2, PART + 1), bytes(3, 10)];
    let whole = bodies.concat();
    let id = create(target, key).await;
    let mut etags = Vec::new();
    // Uploaded backwards, and one of them twice.
    part(target, key, &id, 9, b"replaced").await;
    for (number, body) in [(9, &bodies[2]), (4, &bodies[1]), (2, &bodies[0])] {
        let answer = part(target, key, &id, number, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        etags.push((number, answer.etag().to_owned()));
    }
    etags.reverse();
    target.request("HEAD", key).send().await.is_error(404, "");
    let parts: Vec<_> = etags
        .iter()
        .map(|(number, etag)| (*number, etag.as_str()))
        .collect();
    let answer = complete(target, key, &id, &parts).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let etag = answer.first("ETag");
    assert!(etag.trim_matches('"').ends_with("-3"), "{etag}");
    let got = target.request("GET", key).send().await;
    assert!(got.body == whole);
    assert_eq!(got.etag(), etag);
    let across = format!("bytes={}-{}", PART - 7, 2 * PART + 5);
    let got = target.request("GET", key).header("range", &across).send().await;
    assert!(got.status == 206 && got.body == whole[PART - 7..2 * PART + 6]);
    complete(target, key, &id, &parts)
        .await
        .is_error(404, "NoSuchUpload");
    part(target, key, &id, 1, b"x")
        .await
        .is_error(404, "NoSuchUpload");
}

pub async fn through_object_store(target: &Target) {
    let store = target.store();
    let path = Path::from("multipart/object-store");
    let mut upload = store.put_multipart(&path).await.unwrap();
    let bodies = [bytes(4, PART), bytes(5, PART), bytes(6, 99)];
    for body in &bodies {
        upload.put_part(body.clone().into()).await.unwrap();
    }
    upload.complete().await.unwrap();
    let got = store.get(&path).await.unwrap().bytes().await.unwrap();
    assert!(got == bodies.concat());
    let mut upload = store.put_multipart(&path).await.unwrap();
    upload.put_part(vec![1; 10].into()).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(store.head(&path).await.unwrap().size as usize, 2 * PART + 99);
}

pub async fn refused(target: &Target) {
    let key = "multipart/refused";
    let id = create(target, key).await;
    let first = part(target, key, &id, 1, b"small").await.etag().to_owned();
    let second = part(target, key, &id, 2, b"small too").await.etag().to_owned();
    let small = complete(target, key, &id, &[(1, &first), (2, &second)]).await;
    small.is_error(400, "EntityTooSmall");
    let order = complete(target, key, &id, &[(2, &second), (1, &first)]).await;
    order.is_error(400, "InvalidPartOrder");
    complete(target, key, &id, &[(1, &second)])
        .await
        .is_error(400, "InvalidPart");
    complete(target, key, &id, &[(3, &first)])
        .await
        .is_error(400, "InvalidPart");
    complete(target, key, &id, &[])
        .await
        .is_error(400, "InvalidRequest");
    let garbled = target.request("POST", key).query("uploadId", &id).body(b"<Comp");
    garbled.send().await.is_error(400, "MalformedXML");
    let abort = target.request("DELETE", key).query("uploadId", &id).send().await;
    assert_eq!(abort.status, 204);
    let abort = target.request("DELETE", key).query("uploadId", &id).send().await;
    // S3 says NoSuchUpload; MinIO takes it as done.
    assert!([204, 404].contains(&abort.status), "{abort:?}");
    complete(target, key, &id, &[(1, &first)])
        .await
        .is_error(404, "NoSuchUpload");
    target.request("GET", key).send().await.is_error(404, "NoSuchKey");
}

pub async fn under_a_condition(target: &Target) {
    let key = "multipart/condition";
    let id = create(target, key).await;
    let etag = part(target, key, &id, 1, b"late").await.etag().to_owned();
    target.put(key, b"first").await;
    let any = ("if-none-match", "*");
    let lost = complete_with(target, key, &id, &[(1, &etag)], any).await;
    lost.is_error(412, "PreconditionFailed");
    assert_eq!(target.get(key).await, b"first");
    assert_eq!(target.request("DELETE", key).send().await.status, 204);
    let won = complete_with(target, key, &id, &[(1, &etag)], any).await;
    assert_eq!(won.status, 200, "the upload is still there: {won:?}");
    assert_eq!(target.get(key).await, b"late");
}

pub async fn listed(target: &Target) {
    let key = "multipart/listed";
    let id = create(target, key).await;
    for number in [1, 5, 7] {
        part(target, key, &id, number, &bytes(1, number as usize)).await;
    }
    let parts = target.request("GET", key).query("uploadId", &id);
    let answer = parts.query("max-parts", "2").send().await;
    assert_eq!(answer.texts("PartNumber"), ["1", "5"]);
    assert_eq!(answer.texts("Size"), ["1", "5"]);
    assert_eq!(answer.first("IsTruncated"), "true");
    let marker = answer.first("NextPartNumberMarker");
    let parts = target.request("GET", key).query("uploadId", &id);
    let answer = parts.query("part-number-marker", &marker).send().await;
    assert_eq!(answer.texts("PartNumber"), ["7"]);
    // MinIO lists the uploads of one key only.
    let uploads = target
        .bucket_request("GET", BUCKET)
        .query("uploads", "")
        .query("prefix", key);
    let answer = uploads.send().await;
    assert_eq!(answer.texts("UploadId"), [id.as_str()]);
    assert_eq!(answer.texts("Key"), [key]);
    let abort = target.request("DELETE", key).query("uploadId", &id).send().await;
    assert_eq!(abort.status, 204);
    let uploads = target
        .bucket_request("GET", BUCKET)
        .query("uploads", "")
        .query("prefix", key);
    assert_eq!(uploads.send().await.texts("UploadId"), [""; 0]);
}

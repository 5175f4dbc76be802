//! Bodies in the aws-chunked coding, as newer S3 clients send them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use md5::{Digest, Md5};

use super::{Target, bytes};

pub fn md5_base64(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

pub fn crc32c_base64(bytes: &[u8]) -> String {
    let crc = checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32;
    STANDARD.encode(crc.to_be_bytes())
}

pub fn coded(body: &[u8], chunk: usize, trailer: &str) -> Vec<u8> {
    let mut coded = Vec::new();
    for chunk in body.chunks(chunk) {
        coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(format!("0\r\n{trailer}\r\n\r\n").as_bytes());
    coded
}

pub async fn with_a_trailer(target: &Target) {
    let key = "chunked/trailer";
    for length in [0, 10, 200_000] {
        let body = bytes(5, length);
        let put = |crc: String| {
            target
                .request("PUT", key)
                .header("content-encoding", "aws-chunked")
                .header("content-type", "text/chunked")
                .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
                .header("x-amz-decoded-content-length", &length.to_string())
                .header("x-amz-trailer", "x-amz-checksum-crc32c")
                .body(&coded(&body, 65_536, &format!("x-amz-checksum-crc32c:{crc}")))
        };
        let crc = crc32c_base64(&body);
        let answer = put(crc.clone()).send().await;
        assert_eq!(answer.status, 200, "{length}: {answer:?}");
        let got = target
            .request("GET", key)
            .header("x-amz-checksum-mode", "ENABLED")
            .send()
            .await;
        assert!(got.body == body, "{length}");
        assert_eq!(
            got.header("content-encoding"),
            None,
            "the coding is not the object's"
        );
        assert_eq!(got.header("x-amz-checksum-crc32c"), Some(crc.as_str()));
        let wrong = put(crc32c_base64(b"something else")).send().await;
        assert_eq!(wrong.status, 400, "{wrong:?}");
    }
}

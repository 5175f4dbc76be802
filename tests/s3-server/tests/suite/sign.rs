//! Signature version 4, as far as the suite's own requests need it.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Target;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Percent-encodes all but unreserved characters, and `/` only on demand.
pub fn encode(text: &str, slashes: bool) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (byte == b'/' && !slashes) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

/// `20261121T093000Z`
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = chrono::DateTime::from_timestamp(since.as_secs() as i64, 0).unwrap();
    now.format("%Y%m%dT%H%M%SZ").to_string()
}

/// Adds the headers that sign a request; `path` and `query` are encoded, `query` is sorted.
pub fn sign(target: &Target, method: &str, path: &str, query: &str, headers: &mut Vec<(String, String)>) {
    let date = now();
    headers.push(("x-amz-date".to_owned(), date.clone()));
    let mut signed: Vec<(String, String)> = headers
        .iter()
        .filter(|(name, _)| name == "host" || name.starts_with("x-amz-"))
        .cloned()
        .collect();
    signed.sort();
    let payload = headers
        .iter()
        .find(|(name, _)| name == "x-amz-content-sha256")
        .map_or("UNSIGNED-PAYLOAD", |(_, value)| value);
    let names: Vec<_> = signed.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines = signed.iter().fold(String::new(), |mut lines, (name, value)| {
        writeln!(lines, "{name}:{value}").unwrap();
        lines
    });
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let day = &date[..8];
    let scope = format!("{day}/us-east-1/s3/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        sha256_hex(canonical.as_bytes())
    );
    let key = ["us-east-1", "s3", "aws4_request"].iter().fold(
        hmac(format!("AWS4{}", target.secret_key).as_bytes(), day),
        |key, part| hmac(&key, part),
    );
    let signature = hex(&hmac(&key, &to_sign));
    headers.push((
        "authorization".to_owned(),
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            target.access_key
        ),
    ));
}

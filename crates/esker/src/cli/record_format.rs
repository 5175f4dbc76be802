//! Records as text and back: lines to records, records to lines or JSON.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::ValueEnum;
use esker_protocol::records::Record;
use serde_json::{Map, Value, json};

use crate::client::producer::NewRecord;

/// How records are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The value, byte for byte
    Value,
    /// The key, a tab and the value
    KeyValue,
    /// Partition, offset, timestamp, key, headers and value, with tabs between them
    Full,
    /// One JSON object per record; what is not UTF-8 is base64 in a field ending in `_base64`
    Json,
}

/// How lines become records.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineFormat {
    /// What stands between key and value; without it there are no keys.
    pub(crate) key_separator: Option<Vec<u8>>,
    /// The text that means null, for keys and values.
    pub(crate) null: Option<Vec<u8>>,
    /// Headers of every record.
    pub(crate) headers: Vec<(String, String)>,
}

impl LineFormat {
    /// The record of a line (without its end). A line without the separator is an error.
    pub(crate) fn parse(&self, line: &[u8]) -> Result<NewRecord, String> {
        let nullable = |part: &[u8]| (self.null.as_deref() != Some(part)).then(|| part.to_vec());
        let (key, value) = match &self.key_separator {
            None => (None, nullable(line)),
            Some(separator) => {
                let at = line
                    .windows(separator.len())
                    .position(|window| window == separator.as_slice())
                    .ok_or("it has no key separator")?;
                (nullable(&line[..at]), nullable(&line[at + separator.len()..]))
            }
        };
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()));
        Ok(NewRecord {
            key,
            value,
            headers: headers.collect(),
        })
    }
}

/// Text of a flag with `\n`, `\t`, `\r`, `\0`, `\\` and `\xNN` for the bytes that are hard to type.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let mut chars = after.chars();
        let byte = match chars.next() {
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('r') => b'\r',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits = after.get(1..3).ok_or("\\x needs two hexadecimal digits")?;
                chars.nth(1);
                u8::from_str_radix(digits, 16).map_err(|_| "\\x needs two hexadecimal digits")?
            }
            _ => return Err("after \\ comes one of n, t, r, 0, \\ or xNN".to_owned()),
        };
        bytes.push(byte);
        rest = chars.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Appends a record as text, with `delimiter` behind it.
pub(crate) fn print(
    format: Format,
    topic: &str,
    partition: i32,
    record: &Record<'_>,
    delimiter: &[u8],
    out: &mut Vec<u8>,
) {
    const NULL: &[u8] = b"null";
    match format {
        Format::Value => out.extend_from_slice(record.value.unwrap_or_default()),
        Format::KeyValue => {
            out.extend_from_slice(record.key.unwrap_or(NULL));
            out.push(b'\t');
            out.extend_from_slice(record.value.unwrap_or(NULL));
        }
        Format::Full => {
            out.extend_from_slice(
                format!("{partition}\t{}\t{}\t", record.offset, time(record.timestamp)).as_bytes(),
            );
            out.extend_from_slice(record.key.unwrap_or(NULL));
            out.push(b'\t');
            for (at, header) in record.headers().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(header.key);
                out.push(b'=');
                out.extend_from_slice(header.value.unwrap_or(NULL));
            }
            out.push(b'\t');
            out.extend_from_slice(record.value.unwrap_or(NULL));
        }
        Format::Json => {
            out.extend_from_slice(document(topic, partition, record).to_string().as_bytes());
            out.push(b'\n');
            return;
        }
    }
    out.extend_from_slice(delimiter);
}

/// A record's timestamp as people read it; `-` if it has none.
fn time(timestamp_ms: i64) -> String {
    match chrono::DateTime::from_timestamp_millis(timestamp_ms) {
        Some(time) if timestamp_ms >= 0 => time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        _ => "-".to_owned(),
    }
}

fn document(topic: &str, partition: i32, record: &Record<'_>) -> Value {
    let mut object = Map::new();
    object.insert("topic".into(), json!(topic));
    object.insert("partition".into(), json!(partition));
    object.insert("offset".into(), json!(record.offset));
    object.insert("timestamp".into(), json!(record.timestamp));
    put(&mut object, "key", record.key);
    put(&mut object, "value", record.value);
    let headers = record.headers().map(|header| {
        let mut object = Map::new();
        put(&mut object, "key", Some(header.key));
        put(&mut object, "value", header.value);
        Value::Object(object)
    });
    object.insert("headers".into(), Value::Array(headers.collect()));
    Value::Object(object)
}

fn put(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object.insert(name.to_owned(), Value::Null),
        Some((_, Ok(text))) => object.insert(name.to_owned(), json!(text)),
        Some((bytes, Err(_))) => {
            object.insert(format!("{name}_base64"), json!(BASE64_STANDARD.encode(bytes)))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_records() {
        let format = LineFormat {
            key_separator: Some(b"::".to_vec()),
            null: Some(b"NULL".to_vec()),
            headers: vec![("h".into(), "v".into())],
        };
        let record = format.parse(b"k::v::w").unwrap();
        assert_eq!(
            (record.key.as_deref(), record.value.as_deref()),
            (Some(&b"k"[..]), Some(&b"v::w"[..]))
        );
        assert_eq!(record.headers, vec![(b"h".to_vec(), b"v".to_vec())]);
        assert_eq!(format.parse(b"k::NULL").unwrap().value, None);
        assert!(format.parse(b"no separator").is_err());
        let plain = LineFormat::default().parse(b"k::v").unwrap();
        assert_eq!((plain.key, plain.value.as_deref()), (None, Some(&b"k::v"[..])));
    }

    #[test]
    fn escapes_of_flags() {
        assert_eq!(unescape("a\\tb\\x00\\\\"), Ok(b"a\tb\0\\".to_vec()));
        assert_eq!(unescape("\\xffz"), Ok(vec![0xff, b'z']));
        assert_eq!(unescape(""), Ok(Vec::new()));
        for wrong in ["\\", "\\q", "\\x", "\\x1", "\\xzz"] {
            assert!(unescape(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_for_people() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(-1), "-");
    }
}

//! Inputs to begin with, made by code: a mutation of something that makes sense gets further than noise.

pub(crate) mod batches;
mod blobs;
mod manifests;
mod requests;
mod segments;

use esker_protocol::fetch_response::{FetchPartitionParts, FetchResponseParts};
use esker_protocol::frame::SIZE_BYTES;

use crate::Seed;
use crate::input::put_block;
use crate::record_batch::fix;
use crate::request_stream::flag;
use crate::settings::kind as setting;

pub(crate) use blobs::metastore_values;
pub(crate) use segments::segment_footer;

fn seed(name: impl Into<String>, parts: &[&[u8]]) -> Seed {
    Seed {
        name: name.into(),
        bytes: parts.concat(),
    }
}

pub(crate) fn request_frame() -> Vec<Seed> {
    let requests = requests::all().into_iter();
    let mut seeds: Vec<_> = requests
        .map(|request| seed(request.name, &[&request.frame]))
        .collect();
    // ApiVersions of a version that does not exist.
    seeds.push(seed(
        "ApiVersions-v99",
        &[&[0, 18, 0, 99, 0, 0, 0, 1, 0, 1, b'c', 0]],
    ));
    seeds
}

pub(crate) fn request_stream() -> Vec<Seed> {
    let requests = requests::all();
    let mut seeds: Vec<_> = requests
        .iter()
        .map(|request| stream(&request.name, 0, flag::CRC, &[&request.frame]))
        .collect();
    // Everything on one connection, as it is and with the sizes of the frames in the input.
    let mut one_of_each = std::collections::BTreeMap::new();
    for request in &requests {
        one_of_each.insert(&request.frame[..4], &request.frame[..]);
    }
    let frames: Vec<_> = one_of_each.into_values().step_by(5).collect();
    for piece in 0..6 {
        seeds.push(stream(&format!("mixed-{piece}"), piece, flag::CRC, &frames));
    }
    let mut bare = Vec::new();
    for frame in frames.iter().step_by(3) {
        bare.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_be_bytes());
        bare.extend_from_slice(frame);
    }
    seeds.push(seed("bare", &[&[4, flag::BARE], &bare]));
    seeds.push(seed("bare-linger", &[&[0, flag::BARE | flag::LINGER], &bare]));
    seeds.push(stream("goes-away", 3, flag::GO_AWAY, &frames));
    let named = |name: &str| {
        &requests
            .iter()
            .find(|request| request.name == name)
            .unwrap()
            .frame[..]
    };
    let (produce, fetch) = (named("Produce-v9-idempotent"), named("Fetch-v12"));
    seeds.push(stream(
        "produce-fetch",
        0,
        flag::CRC,
        &[produce, fetch, produce, fetch],
    ));
    seeds
}

/// An input of [`crate::request_stream()`].
fn stream(name: &str, piece: u8, flags: u8, frames: &[&[u8]]) -> Seed {
    let mut bytes = vec![piece, flags];
    for frame in frames {
        put_block(&mut bytes, frame);
    }
    seed(name, &[&bytes])
}

pub(crate) fn record_batch() -> Vec<Seed> {
    let fixes = fix::LENGTH | fix::CRC;
    let mut seeds = Vec::new();
    for (codec, batch) in batches::by_codec() {
        for rules in [0, 4, 4 | 2, 1, 16 | 4] {
            seeds.push(seed(
                format!("{codec}-rules-{rules}"),
                &[&[fixes, rules, 0], &batch],
            ));
        }
    }
    let plain = batches::plain(3);
    seeds.push(seed("empty", &[&[0, 0, 0]]));
    seeds.push(seed("as-it-is", &[&[0, 0, 0], &plain]));
    seeds.push(seed("no-records", &[&[fixes, 0, 0], &batches::plain(0)]));
    seeds.push(seed(
        "idempotent",
        &[&[fixes, 0, 0], &batches::idempotent(9, i32::MAX, 2)],
    ));
    seeds.push(seed("two", &[&[0, 0, 0], &plain, &plain]));
    seeds.push(seed("trailing-bytes", &[&[fix::CRC, 0, 0], &plain, b"more"]));
    seeds.push(seed("far-apart", &[&[fixes, 1, 0], &batches::far_apart()]));
    seeds.push(seed("few-counted", &[&[fixes | fix::COUNT, 0, 0], &plain]));
    let many = batches::plain(60);
    seeds.push(seed("counted", &[&[fixes | fix::COUNT, 4, 0], &many]));
    for (number, (codec, batch)) in batches::by_codec().enumerate() {
        let block = &batch[61..];
        seeds.push(seed(
            format!("decompress-{codec}"),
            &[&[fix::DECOMPRESS, number as u8, 255], block],
        ));
        if number > 0 {
            let large = batches::compressible(batches::CODECS[number]);
            for (what, limit) in [("large", 255), ("too-large", 150)] {
                seeds.push(seed(
                    format!("decompress-{codec}-{what}"),
                    &[&[fix::DECOMPRESS, number as u8, limit], &large[61..]],
                ));
            }
        }
    }
    // Raw snappy, without the framing of Java clients: 3 bytes, all of them literal.
    seeds.push(seed(
        "decompress-snappy-raw",
        &[&[fix::DECOMPRESS, 2, 9], &[3, 2 << 2, b'a', b'b', b'c']],
    ));
    seeds
}

pub(crate) fn fetch_response() -> Vec<Seed> {
    // The target takes its choices from any bytes: some that choose much, and some that choose nothing.
    let mut seeds = vec![seed("nothing", &[])];
    for version in 0..15_u8 {
        let choices: Vec<u8> = (0..400_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 % 7)
            .collect();
        seeds.push(seed(format!("v{}", version + 4), &[&[version], &choices]));
    }
    // What the hand-written encoder writes is an input like any other.
    let mut parts = FetchResponseParts::empty(esker_protocol::ErrorCode::None);
    parts
        .topics
        .push(esker_protocol::fetch_response::FetchTopicParts {
            name: esker_protocol::StrBytes::from_static_str("t"),
            topic_id: uuid::Uuid::nil(),
            partitions: vec![FetchPartitionParts::error(0, esker_protocol::ErrorCode::None)],
        });
    let header = esker_protocol::RequestHeader {
        api_key: esker_protocol::api_key::FETCH,
        api_version: 16,
        correlation_id: 1,
        client_id: None,
    };
    let frame = parts.encode(&header).unwrap().concat();
    seeds.push(seed("encoded", &[&frame[SIZE_BYTES..]]));
    seeds
}

pub(crate) fn settings() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, id) in [
        ("zone", "app,zone=eu-1;x"),
        ("two-zones", "zone=;zone=b"),
        ("plain", "console"),
    ] {
        seeds.push(seed(
            format!("client-{name}"),
            &[&[setting::CLIENT_ID], id.as_bytes()],
        ));
    }
    for (name, url) in [
        ("s3", "s3://bucket/some/prefix/"),
        ("gs", "gs://bucket"),
        ("az", "az://container/p"),
        ("memory", "memory://"),
        ("relative", "s3://b/a/../c"),
        ("none", "bucket"),
    ] {
        seeds.push(seed(
            format!("url-{name}"),
            &[&[setting::BUCKET_URL], url.as_bytes()],
        ));
    }
    for endpoint in ["http://127.0.0.1:9000", "https://[::1]:1/", "localhost"] {
        let mut bytes = vec![setting::ENDPOINT];
        put_block(&mut bytes, endpoint.as_bytes());
        bytes.extend_from_slice(b"bucket/x");
        seeds.push(seed(format!("endpoint-{}", endpoint.len()), &[&bytes]));
    }
    seeds
}

//! Bodies that are slow, cut off, or wrong.

use std::time::{Duration, Instant};

use esker_harness::dirs::TestDir;
use esker_s3_server::{Kind, Op};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::suite::bytes;
use crate::{Keep, Options, only, start, start_with, stored};

/// Everything that comes over a connection until it closes.
async fn received(target: &crate::Target, key: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(target.endpoint.trim_start_matches("http://"))
        .await
        .unwrap();
    stream
        .write_all(&target.request("GET", key).bytes())
        .await
        .unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    let end = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let body = all.split_off(end + 4);
    (String::from_utf8(all).unwrap(), body)
}

#[tokio::test]
async fn cut_off_bodies_end_where_they_are_told_to() {
    let dir = TestDir::new("s3-cut");
    let in_directory = Options {
        keep: Keep::Directory {
            path: dir.join("data"),
            sync: false,
        },
        ..Options::default()
    };
    for (server, target) in [start(), start_with(&in_directory)] {
        let whole = bytes(1, 3_000_000);
        target.put("key", &whole).await;
        for (at, expected) in [
            (None, 1_500_000),
            (Some(100), 100),
            (Some(0), 0),
            (Some(5_000_000), 3_000_000),
        ] {
            only(&server, Op::Get, Kind::TruncatedBody { bytes: at });
            let (head, body) = received(&target, "key").await;
            assert!(head.contains("content-length: 3000000"), "{head}");
            assert!(body == whole[..expected], "{at:?}: {} bytes", body.len());
        }
    }
}

#[tokio::test]
async fn one_bit_is_wrong() {
    let (server, target) = start();
    let whole = bytes(1, 100_000);
    target.put("key", &whole).await;
    only(&server, Op::Get, Kind::BitFlip);
    let mut places = Vec::new();
    for _ in 0..20 {
        let got = target.get("key").await;
        assert_eq!(got.len(), whole.len());
        let wrong: Vec<_> = (0..whole.len()).filter(|at| got[*at] != whole[*at]).collect();
        assert_eq!(wrong.len(), 1);
        assert_eq!((got[wrong[0]] ^ whole[wrong[0]]).count_ones(), 1);
        places.push(wrong[0]);
    }
    places.dedup();
    assert!(places.len() > 10, "always in another place: {places:?}");
    let part = target
        .request("GET", "key")
        .header("range", "bytes=5-5")
        .send()
        .await;
    assert_eq!((part.body[0] ^ whole[5]).count_ones(), 1);
    server.faults().clear();
    assert!(target.get("key").await == whole, "what is stored is right");
}

#[tokio::test]
async fn slow_bodies_take_their_time() {
    let (server, target) = start();
    for (length, bytes_per_s) in [(50_000, 100_000), (8 << 20, 16 << 20)] {
        let whole = bytes(1, length);
        for op in [Op::Put, Op::Get] {
            only(&server, op, Kind::SlowBody { bytes_per_s });
            let begun = Instant::now();
            if op == Op::Put {
                target.put("key", &whole).await;
            } else {
                assert!(target.get("key").await == whole);
            }
            let took = begun.elapsed();
            assert!(took >= Duration::from_millis(450), "{op:?}: {took:?}");
            assert!(took < Duration::from_secs(5), "{op:?}: {took:?}");
        }
    }
    assert_eq!(server.counts().faults_of("slow_body"), 4);
}

#[tokio::test]
async fn half_a_put_is_none() {
    let (server, target) = start();
    let request = target.request("PUT", "half").body(&[1; 100_000]).bytes();
    let mut stream = TcpStream::connect(target.endpoint.trim_start_matches("http://"))
        .await
        .unwrap();
    stream.write_all(&request[..request.len() - 1]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    crate::until("it is over", || server.counts().requests_open == 0).await;
    assert_eq!(stored(&server, "half"), None);
}

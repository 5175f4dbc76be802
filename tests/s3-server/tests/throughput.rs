//! How fast the server is, and what a GiB costs it: `cargo test --release -p esker-s3-server --test throughput
//! -- --ignored --nocapture`. Clients are threads with one connection each that do nothing but move bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a failure is a failed test"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use esker_harness::dirs::TestDir;
use esker_harness::s3_server::S3Server;

const CONNECTIONS: usize = 4;
/// Each connection writes to so many keys in turn.
const KEYS: usize = 8;
const GIB: f64 = (1_u64 << 30) as f64;

/// Sends one request, and reads its answer into `buffer`; returns the bytes of its body.
fn exchange(stream: &mut TcpStream, head: &str, body: &[u8], buffer: &mut [u8]) -> usize {
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut filled = 0;
    let end = loop {
        filled += stream.read(&mut buffer[filled..]).unwrap();
        if let Some(end) = buffer[..filled]
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
        {
            break end + 4;
        }
    };
    let head = std::str::from_utf8(&buffer[..end]).unwrap();
    assert!(head.starts_with("HTTP/1.1 20"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    let mut read = filled - end;
    while read < length {
        read += stream.read(buffer).unwrap();
    }
    length
}

fn measure(server: &S3Server, what: &str, bytes: usize, requests: usize, put: bool) {
    let (begun, cpu) = (Instant::now(), server.process().cpu_seconds());
    let address = server.endpoint().trim_start_matches("http://");
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                let body = vec![connection as u8; if put { bytes } else { 0 }];
                let mut buffer = vec![0; 1 << 20];
                for number in 0..requests / CONNECTIONS {
                    let (method, key) = (if put { "PUT" } else { "GET" }, number % KEYS);
                    let head = format!(
                        "{method} /esker/{bytes}/{connection}/{key} HTTP/1.1\r\nhost: {address}\r\n\
                         content-length: {}\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n\r\n",
                        body.len()
                    );
                    let got = exchange(&mut stream, &head, &body, &mut buffer);
                    assert!(put || got == bytes);
                }
            });
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = server.process().cpu_seconds() - cpu;
    let moved = (bytes * requests) as f64;
    println!(
        "{what:26} {:7.0} MB/s {:8.0} requests/s   server: {:5.2} CPU s/GiB, {:5.0} us a request, {:4.0} MiB resident",
        moved / seconds / 1e6,
        requests as f64 / seconds,
        cpu / (moved / GIB),
        cpu / requests as f64 * 1e6,
        server.process().resident_bytes() as f64 / f64::from(1 << 20),
    );
}

#[test]
#[ignore = "a measurement"]
fn on_loopback() {
    let dir = TestDir::new("s3-throughput");
    let data = dir.join("data").display().to_string();
    for arguments in [&[][..], &["--etag", "md5"], &["--data", &data]] {
        println!("{arguments:?}");
        let server = S3Server::start(dir.path(), arguments);
        for (name, bytes, requests) in [
            ("8 MiB", 8 << 20, 640),
            ("64 KiB", 64 << 10, 16_000),
            ("1 KiB", 1 << 10, 40_000),
        ] {
            measure(&server, &format!("PUT {name}"), bytes, requests, true);
            measure(&server, &format!("GET {name}"), bytes, requests, false);
        }
    }
}

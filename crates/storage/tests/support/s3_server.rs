//! S3 servers for a test, each with one empty bucket `kit`, ended when dropped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use esker_storage::Environment;

pub struct S3Server {
    process: Child,
    pub endpoint: String,
    _data: tempfile::TempDir,
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn environment(endpoint: &str) -> Environment {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "esker"),
        ("AWS_SECRET_ACCESS_KEY", "esker-secret"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

impl S3Server {
    pub fn environment(&self) -> Environment {
        environment(&self.endpoint)
    }

    /// MinIO, if `ESKER_TEST_MINIO` names it.
    pub fn minio() -> Option<Self> {
        let binary = std::env::var_os("ESKER_TEST_MINIO")?;
        let data = tempfile::tempdir().unwrap();
        // A directory in MinIO's data directory is a bucket.
        std::fs::create_dir(data.path().join("kit")).unwrap();
        let port = free_port();
        let process = Command::new(binary)
            .arg("server")
            .arg(data.path())
            .args([
                "--address",
                &format!("127.0.0.1:{port}"),
                "--console-address",
                "127.0.0.1:0",
            ])
            .envs([
                ("MINIO_ROOT_USER", "esker"),
                ("MINIO_ROOT_PASSWORD", "esker-secret"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            endpoint: format!("http://127.0.0.1:{port}"),
            _data: data,
        };
        until(|| exchange(port, "GET", "/minio/health/ready").is_some_and(|answer| answer.contains(" 200 ")));
        Some(server)
    }

    /// moto, if `ESKER_TEST_MOTO` names its server.
    pub fn moto() -> Option<Self> {
        let binary = std::env::var_os("ESKER_TEST_MOTO")?;
        let port = free_port();
        let process = Command::new(binary)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let data = tempfile::tempdir().unwrap();
        let server = Self {
            process,
            endpoint: format!("http://127.0.0.1:{port}"),
            _data: data,
        };
        until(|| exchange(port, "PUT", "/kit").is_some_and(|answer| answer.contains(" 200 ")));
        Some(server)
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn until(ready: impl Fn() -> bool) {
    for _ in 0..300 {
        if ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the S3 server did not start within 30 s");
}

fn exchange(port: u16, method: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    Some(answer)
}

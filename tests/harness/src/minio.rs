//! MinIO: the S3 server of the tests.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Process;
use crate::{free_port, skipped, wait_until};

const USER: &str = "esker-test";
const PASSWORD: &str = "esker-test-password";
/// The bucket that exists from the start.
pub const BUCKET: &str = "esker";

/// A running MinIO with one empty bucket.
pub struct Minio {
    process: Process,
    port: u16,
}

impl Minio {
    /// Starts one with its data under `dir`; `None` (said on stderr) where there is no MinIO.
    pub fn start(dir: &Path) -> Option<Self> {
        let Some(program) = std::env::var_os("ESKER_TEST_MINIO") else {
            skipped("no MinIO (ESKER_TEST_MINIO is not set: run scripts/setup)");
            return None;
        };
        let data = dir.join("minio");
        // A directory of the data directory is a bucket.
        fs::create_dir_all(data.join(BUCKET)).unwrap();
        let port = free_port();
        let mut command = Command::new(program);
        command
            .arg("server")
            .arg(&data)
            .args(["--address", &format!("127.0.0.1:{port}")])
            .args(["--console-address", &format!("127.0.0.1:{}", free_port())])
            .env("MINIO_ROOT_USER", USER)
            .env("MINIO_ROOT_PASSWORD", PASSWORD)
            .env("MINIO_UPDATE", "off");
        let process = Process::start("minio", command, &dir.join("minio.log"));
        let up = wait_until(Duration::from_secs(30), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(up, "MinIO did not start: {}", process.log());
        Some(Self { process, port })
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    pub fn url(&self) -> String {
        format!("s3://{BUCKET}/data")
    }

    /// What an agent needs in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ACCESS_KEY_ID", USER.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", PASSWORD.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

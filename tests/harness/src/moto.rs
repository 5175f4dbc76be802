//! moto: the second S3 server of the tests, which knows more of a bucket's configuration than MinIO.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Process;
use crate::{free_port, skipped, wait_until};

/// A running moto without any bucket. It takes whatever credentials it is given.
pub struct Moto {
    _process: Process,
    port: u16,
}

impl Moto {
    /// Starts one with its log under `dir`; `None` (said on stderr) where there is no moto.
    pub fn start(dir: &Path) -> Option<Self> {
        let Some(program) = std::env::var_os("ESKER_TEST_MOTO") else {
            skipped("no moto (ESKER_TEST_MOTO is not set: run scripts/setup)");
            return None;
        };
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let process = Process::start("moto", command, &dir.join("moto.log"));
        let up = wait_until(Duration::from_secs(60), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(up, "moto did not start: {}", process.log());
        Some(Self {
            _process: process,
            port,
        })
    }

    /// What an agent needs in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ACCESS_KEY_ID", "any".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "any".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

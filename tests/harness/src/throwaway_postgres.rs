//! A Postgres that forgets: one server per test process, one fresh database per call.
//!
//! The programs are those of [`crate::postgres`]. Without them, tests that need Postgres say so loudly.
//!
//! What holds: the server lives no longer than the test process, however that ends. A watchdog shell
//! (in a process group of its own) starts the server and reads a pipe whose other end only the test
//! process holds; when the pipe closes, it stops the server by its pid and removes the data directory.
//! The server does not sync to disk: nothing here tests durability.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::dirs::build_directory;
use crate::postgres::{USER, is_root, programs};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const START_ATTEMPTS: u32 = 3;

/// $1 directory, $2 directory of the programs, $3 port, $4.. prefix that changes the user (or `env`).
const WATCHDOG: &str = r#"
dir=$1; bin=$2; port=$3; shift 3
cd "$dir" || exit 1
stop() {
    if [ -s "$dir/data/postmaster.pid" ]; then
        read -r pid < "$dir/data/postmaster.pid"
        kill -QUIT "$pid" 2>/dev/null
    fi
    wait
    rm -rf "$dir"
}
trap stop EXIT
"$@" "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync > "$dir/initdb.log" 2>&1 < /dev/null || exit 1
"$@" "$bin/postgres" -D "$dir/data" -c listen_addresses=127.0.0.1 -c port="$port" \
    -c unix_socket_directories="$dir" -c fsync=off -c full_page_writes=off -c max_connections=300 \
    -c shared_buffers=256MB -c max_wal_size=4GB -c log_min_messages=warning \
    > "$dir/postgres.log" 2>&1 < /dev/null &
read -r _
"#;

/// A running server. Dropping it stops it.
pub struct Server {
    watchdog: Child,
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    databases: AtomicU64,
}

/// The URL of a fresh, empty database of this process's server; `None` (said on stderr) without
/// Postgres.
pub fn start_or_reuse() -> Option<String> {
    Some(shared()?.database())
}

/// This process's server.
pub fn shared() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::start).as_ref()
}

impl Server {
    /// Starts a server of its own, for a test that stops it.
    pub fn start() -> Option<Self> {
        let bin = programs()?;
        let mut reason = String::new();
        for _ in 0..START_ATTEMPTS {
            match Self::start_once(bin.clone()) {
                Ok(server) => return Some(server),
                Err(error) => reason = error,
            }
        }
        panic!("Postgres did not start: {reason}");
    }

    fn start_once(bin: PathBuf) -> Result<Self, String> {
        // Another process may take the port before Postgres does: then the caller tries again.
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let dir = directory(port);
        let prefix: &[&str] = if is_root() {
            &["runuser", "-u", USER, "--"]
        } else {
            &["env"]
        };
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&dir)
            .arg(&bin)
            .arg(port.to_string())
            .args(prefix)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut server = Self {
            watchdog,
            bin,
            dir,
            port,
            databases: AtomicU64::new(0),
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let pid_file = fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap_or_default();
            if pid_file
                .lines()
                .nth(7)
                .is_some_and(|status| status.trim() == "ready")
            {
                return Ok(());
            }
            let log = fs::read_to_string(self.dir.join("postgres.log")).unwrap_or_default();
            let ended = self.watchdog.try_wait().ok().flatten().is_some();
            if ended || log.contains("FATAL") || start.elapsed() > START_TIMEOUT {
                return Err(format!("not ready after {:?}: {log}", start.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Creates an empty database; returns its URL.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let output = Command::new(self.bin.join("createdb"))
            .args([
                "-h",
                "127.0.0.1",
                "-U",
                "postgres",
                "-p",
                &self.port.to_string(),
                &name,
            ])
            .env_remove("PGPASSWORD")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "createdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.url(&name)
    }

    /// The URL of a database of this server, whether it exists or not.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Where its data and configuration are.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server at once, as a crash would, and waits until it is gone.
    pub fn stop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An empty directory that the server's user owns and can reach: in the build directory if possible.
fn directory(port: u16) -> PathBuf {
    let build = build_directory().join("tmp");
    let base = if !is_root() || reachable(&build) {
        build
    } else {
        std::env::temp_dir()
    };
    let dir = base.join(format!("esker-pg-{}-{port}", std::process::id()));
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", dir.display()),
        _ => {}
    }
    fs::create_dir_all(&dir).unwrap();
    if is_root() {
        let status = Command::new("chown").arg(USER).arg(&dir).status().unwrap();
        assert!(status.success(), "chown {}", dir.display());
    }
    dir
}

fn reachable(dir: &Path) -> bool {
    let _ = fs::create_dir_all(dir);
    Command::new("runuser")
        .args(["-u", USER, "--", "test", "-x"])
        .arg(dir)
        .status()
        .is_ok_and(|status| status.success())
}

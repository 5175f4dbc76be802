//! Directories of tests: under the build directory, one per test, removed when the test passed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory that goes when it is dropped, unless the test is failing.
pub struct TestDir(PathBuf);

static COUNT: AtomicU64 = AtomicU64::new(0);

impl TestDir {
    /// An empty directory whose name starts with `name`.
    pub fn new(name: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = build_directory()
            .join("e2e")
            .join(format!("{name}-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for a look: {}", self.0.display());
        } else {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The directory that holds this program's profile directory: `target`, wherever that is.
pub fn build_directory() -> PathBuf {
    profile_directory().parent().unwrap().to_path_buf()
}

/// A program of this workspace, built in the same profile as this one.
pub fn program(name: &str) -> PathBuf {
    let path = profile_directory().join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --workspace` in the same profile",
        path.display()
    );
    path
}

/// Where programs of this profile are. A test's own program is one directory deeper, in `deps`.
pub fn profile_directory() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let deps = own.ancestors().find(|dir| dir.ends_with("deps"));
    deps.unwrap_or(&own).parent().unwrap().to_path_buf()
}

//! How a server is set up.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::body::EtagKind;

/// Where objects are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// In memory.
    Memory {
        /// Bodies that would go beyond are answered 507.
        bytes_max: u64,
    },
    /// In a directory, which may hold what an earlier server left.
    Directory {
        /// Made if it does not exist.
        path: PathBuf,
        /// Whether an answer waits until the disk has it. Without, it survives `kill -9`, not a power cut.
        sync: bool,
    },
}

/// What is kept in memory at most, unless it is said otherwise: 4 GiB.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// How a server is set up. The default is in memory, on free ports of 127.0.0.1, with one bucket `esker`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where S3 clients connect; port 0 is a free one.
    pub listen: SocketAddr,
    /// Where the control listener is.
    pub control: SocketAddr,
    /// Where objects are kept.
    pub keep: Keep,
    /// Buckets that exist from the start.
    pub buckets: Vec<String>,
    /// For what is random about faults.
    pub seed: u64,
    /// How entity tags are made.
    pub etag: EtagKind,
    /// If there are any: the access keys that are accepted; others get 403 InvalidAccessKeyId.
    pub access_keys: Vec<String>,
    /// Access keys that get 403 SignatureDoesNotMatch.
    pub bad_signature_keys: Vec<String>,
    /// Threads that serve; 0 for one per processor.
    pub threads: usize,
    /// Whether each request is told of in a line of JSON on stderr.
    pub log: bool,
}

impl Default for Options {
    fn default() -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: any_port,
            control: any_port,
            keep: Keep::Memory {
                bytes_max: MEMORY_BYTES_MAX,
            },
            buckets: vec!["esker".to_owned()],
            seed: 0,
            etag: EtagKind::default(),
            access_keys: Vec::new(),
            bad_signature_keys: Vec::new(),
            threads: 0,
            log: false,
        }
    }
}

//! A running server: two listeners, on threads of its own.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::counts::Snapshot;
use crate::error::S3Error;
use crate::faults::Faults;
use crate::options::{Keep, Options};
use crate::shared::{ObjectInfo, Shared};
use crate::store::Store;
use crate::{control, ops, service};

/// How long a server that is stopped waits for threads that write to the disk.
const STOP: Duration = Duration::from_secs(5);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The directory cannot be used.
    #[error("cannot keep objects in {0}: {1}")]
    Directory(String, std::io::Error),
    /// A bucket cannot have this name.
    #[error("cannot make the bucket {0:?}: {1}")]
    Bucket(String, String),
    /// The threads could not be started.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
}

/// A running server. It stops when dropped; connections are cut off as they are.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    control: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts a server; it answers when this returns.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let store = Store::open(&options.keep).map_err(|err| match &options.keep {
            Keep::Directory { path, .. } => StartError::Directory(path.display().to_string(), err),
            Keep::Memory { .. } => StartError::Threads(err),
        })?;
        for bucket in &options.buckets {
            let wrong = |err: S3Error| StartError::Bucket(bucket.clone(), err.message.into_owned());
            ops::check_bucket_name(bucket).map_err(wrong)?;
            match store.create_bucket(bucket) {
                // A directory may have it already.
                Err(err) if err.status != 409 => return Err(wrong(err)),
                _ => {}
            }
        }
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if options.threads > 0 {
            builder.worker_threads(options.threads);
        }
        let runtime = builder
            .enable_all()
            .thread_name("s3-server")
            .build()
            .map_err(StartError::Threads)?;
        let (listener, address) = bind(&runtime, options.listen)?;
        let (control_listener, control) = bind(&runtime, options.control)?;
        let shared = Arc::new(Shared::new(options, store));
        runtime.spawn(accept(listener, Arc::clone(&shared), service::serve));
        runtime.spawn(accept(control_listener, Arc::clone(&shared), control::serve));
        Ok(Self {
            shared,
            address,
            control,
            runtime: Some(runtime),
        })
    }

    /// Where S3 clients connect, as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The control listener, as a URL.
    pub fn control_endpoint(&self) -> String {
        format!("http://{}", self.control)
    }

    /// The fault rules.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The figures.
    pub fn counts(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Sets to 0 what is counted; returns what it was.
    pub fn reset_counts(&self) -> Snapshot {
        self.shared.reset_counts()
    }

    /// The objects whose keys start with `prefix`, in all buckets or in one.
    pub fn objects(&self, bucket: Option<&str>, prefix: &str) -> Result<Vec<ObjectInfo>, S3Error> {
        self.shared.objects(bucket, prefix)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        // A runtime may not be waited for on a thread of another one.
        let waiter = std::thread::Builder::new().spawn(move || runtime.shutdown_timeout(STOP));
        if let Ok(waiter) = waiter {
            let _ = waiter.join();
        }
    }
}

fn bind(runtime: &Runtime, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    // Not by waiting for the runtime: the caller may be in one.
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let _guard = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|err| StartError::Listen(address, err))
}

async fn accept<S, F, B, E>(listener: TcpListener, shared: Arc<Shared>, serve: S)
where
    S: Fn(Arc<Shared>, Request<Incoming>) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: std::error::Error + Send + Sync + 'static,
{
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors, mostly: there will be some.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&shared), request));
            // An error is a client that went away, or a fault that closes the connection.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

//! Reading frames, for micro-benchmarks.

use bytes::Bytes;
use tokio::io::AsyncRead;

use super::read::FrameReader;
use crate::budget::Budget;

/// The frames of one connection.
pub struct Frames<R>(FrameReader<R>);

impl<R: AsyncRead + Unpin> Frames<R> {
    /// A connection whose client sends what `reader` gives.
    pub fn new(reader: R) -> Self {
        Self(FrameReader::new(reader))
    }

    /// The next frame without its size prefix; it is charged to `budget` until it is dropped. An error says why
    /// the connection would be closed. Needs the context of a runtime.
    pub async fn read(&mut self, budget: &Budget) -> Result<Bytes, String> {
        self.0.read_frame(budget).await.map_err(|end| end.to_string())
    }
}

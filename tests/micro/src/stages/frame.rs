//! Frame read: about 1 MiB of produce requests with one batch each, from a stream that is always ready and gives
//! as much per call as a socket's buffer would. The copy out of the stream stands for the kernel's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use esker_broker::benching::Frames;
use esker_broker::budget::Budget;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Runtime;

use crate::inputs::{MIB, OF_1_MB, OF_16_KIB, batch};
use crate::{Stage, Work, agent};

/// Most that one call gives.
const AT_ONCE: usize = 128 * 1024;
/// What stands before the batch in a Produce request of version 12 with one partition, about.
const AROUND_BYTES: usize = 60;
const BUDGET_BYTES: u64 = 512 * MIB;

/// The same frame for ever.
struct Endless {
    frame: Bytes,
    at: usize,
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { frame, at } = &mut *self;
        let mut left = AT_ONCE.min(into.remaining());
        while left > 0 {
            let part = left.min(frame.len() - *at);
            into.put_slice(&frame[*at..*at + part]);
            left -= part;
            *at = (*at + part) % frame.len();
        }
        Poll::Ready(Ok(()))
    }
}

struct Read {
    runtime: Runtime,
    budget: Budget,
    frames: Frames<Endless>,
    /// Frames of one run, each of so many bytes.
    count: usize,
    frame_bytes: usize,
    read: Vec<Bytes>,
}

pub(super) fn of_1_mb() -> Box<dyn Stage> {
    read(OF_1_MB)
}

pub(super) fn of_16_kib() -> Box<dyn Stage> {
    read(OF_16_KIB)
}

fn read(records: i32) -> Box<dyn Stage> {
    let batch = batch(records);
    let frame_bytes = AROUND_BYTES + batch.len();
    let mut frame = (frame_bytes as i32).to_be_bytes().to_vec();
    // Begins with the API key of Produce, 0; what follows is not looked at.
    frame.resize(frame.len() + AROUND_BYTES, 0);
    frame.extend_from_slice(&batch);
    let stream = Endless {
        frame: frame.into(),
        at: 0,
    };
    Box::new(Read {
        runtime: agent::runtime(),
        budget: Budget::new(BUDGET_BYTES),
        frames: Frames::new(stream),
        count: (MIB as usize / frame_bytes).max(1),
        frame_bytes,
        read: Vec::new(),
    })
}

impl Stage for Read {
    fn work(&self) -> Work {
        let bytes = (self.count * self.frame_bytes) as u64;
        Work {
            bytes,
            items: self.count as u64,
            item: "frame",
            comes_out: bytes,
        }
    }

    fn prepare(&mut self) {
        self.read = Vec::with_capacity(self.count);
    }

    fn run(&mut self) -> u64 {
        let mut bytes = 0;
        for _ in 0..self.count {
            let frame = agent::now(&self.runtime, self.frames.read(&self.budget)).expect("a frame");
            bytes += frame.len() as u64;
            self.read.push(frame);
        }
        bytes
    }
}

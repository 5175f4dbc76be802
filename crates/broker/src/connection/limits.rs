//! Every limit of a connection, in one place. How many connections there may be is the business of who accepts
//! them (`max_connections`, `max_connections_per_ip`).
//!
//! Two kinds: what a connection may cost without asking the memory budget, small enough to be had by every
//! connection at once, so that a full budget stops nobody who asks for little; and how long a peer may take.
//! *Pressed* means that somebody waits for the memory that a slow peer holds: then it has to move at a pace.

use std::time::Duration;

/// Replies that may wait on one connection; at the limit its next frame is not read. Librdkafka sends up
/// to 1,000,000 requests ahead, so the limit must not throttle a fast producer: 1,024 requests of 16 KiB
/// cover 80 ms at 200 MB/s.
pub const PIPELINE_MAX: usize = 1024;

/// Bytes of replies that may wait on one connection without a charge; larger ones are charged like answers to
/// Fetch. Much may be asked for in a few bytes, and whoever asks need not take it.
pub const FREE_REPLY_BYTES: usize = 8 * 1024;

/// What a waiting reply counts beside its bytes, and each slice of it: a reply of many small batches is made of
/// many slices, however often their bytes are charged.
pub const REPLY_OVERHEAD_BYTES: usize = 128;

/// See [`REPLY_OVERHEAD_BYTES`].
pub const SLICE_OVERHEAD_BYTES: usize = 96;

/// A frame without records is read without a charge if it is no larger: most are. So a Fetch or a heartbeat
/// never waits for the memory that others hold.
pub const FREE_FRAME_BYTES: usize = 1024;

/// After a frame that was no larger, so many bytes are read at once without a charge: most likely a whole frame.
pub const SMALL_FRAME_BYTES: usize = 512;

/// Heap in bytes that the decoded form of a request may take without a charge.
pub const FREE_HEAP_BYTES: u64 = 8 * 1024;

/// Heap is charged so many times over: the decoded request, what answers it, and that answer encoded.
pub const HEAP_CHARGES: u64 = 3;

/// Added to the charge of a frame with records: what the agent keeps of it until it is answered.
pub const PRODUCE_OVERHEAD_BYTES: usize = 1024;

/// A frame with records that is no larger does not wait while others hold all of their memory: it has a share of
/// its own.
pub const TRICKLE_FRAME_BYTES: usize = 4 * 1024;

/// Answers of unknown size (of APIs that list what there is) that may be made at the same time, until their
/// size is charged.
pub const LISTINGS_AT_ONCE: usize = 8;

/// Memory for a frame is charged and taken in these steps, each when the one before is full; then for the
/// whole, instead. What a sender announces is not believed: holding memory takes sending. While much memory is free the
/// first step is left out. There is one step for a frame that is at most twice the connection's last one, and at
/// most [`BELIEVED_PART`] of the share: holding it took sending before.
pub const FRAME_STEPS: [usize; 2] = [4 * 1024, 64 * 1024];

/// See [`FRAME_STEPS`]: an eighth.
pub const BELIEVED_PART: u64 = 8;

/// A connection must send the first byte of its first request within this time.
pub const FIRST_REQUEST_MAX: Duration = Duration::from_secs(30);

/// A connection without a request is closed after this (`connections.max.idle.ms`).
pub const IDLE_MAX: Duration = Duration::from_secs(600);

/// Each step of a frame must be complete this long after its first byte.
pub const FRAME_DEADLINE: Duration = Duration::from_secs(30);

/// A sender inside a frame must send some bytes within this time.
pub const STALL_MAX: Duration = Duration::from_secs(5);

/// A peer must take some bytes of a reply within this time.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(60);

/// A pressed peer must move [`PRESSED_BYTES`], or all that is left, in each such time.
pub const PRESSED_MAX: Duration = Duration::from_secs(3);

/// See [`PRESSED_MAX`].
pub const PRESSED_BYTES: usize = 64 * 1024;

/// Small replies that are ready at the same time are written in one call, up to about so many bytes.
pub const TOGETHER_BYTES: usize = 16 * 1024;

/// Where more than [`WRITERS_AT_EASE`] connections have replies to write, each writes so many bytes in one go; then
/// the others have their turn. The system may take megabytes at once, while the thread serves nobody else.
pub const TURN_BYTES: usize = 256 * 1024;

/// See [`TURN_BYTES`]: taking turns costs a reader of much half as much again.
pub const WRITERS_AT_EASE: usize = 8;

const _: () = assert!(SMALL_FRAME_BYTES <= FREE_FRAME_BYTES);
const _: () = assert!(FREE_FRAME_BYTES <= FRAME_STEPS[0] && FRAME_STEPS[0] < FRAME_STEPS[1]);
// One step, so that it never waits half-read.
const _: () = assert!(TRICKLE_FRAME_BYTES <= FRAME_STEPS[0]);
const _: () = assert!(PRESSED_BYTES >= FRAME_STEPS[1]);
const _: () = assert!(WRITE_STALL_MAX.as_secs().is_multiple_of(PRESSED_MAX.as_secs()));

//! Every limit this crate enforces, in one place, with its unit and its reason.
//!
//! Nothing that arrives from a socket makes this crate allocate more than these limits allow.

/// Largest request in bytes, size prefix not counted: Kafka's default of `socket.request.max.bytes`.
pub const REQUEST_BYTES_MAX: usize = 104_857_600;

/// Largest request in bytes that is not a Produce. Only records need more, and a smaller bound keeps a flood of
/// metadata requests cheap.
pub const CONTROL_REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest frame in bytes before a SASL login succeeded: Kafka's default of `sasl.server.max.receive.size`.
pub const LOGIN_REQUEST_BYTES_MAX: usize = 524_288;

/// Array elements in one request, all arrays together.
pub const REQUEST_ELEMENTS_MAX: u64 = 100_000;

/// Unknown tagged fields in one request (KIP-482). Each costs a map node of about half a KiB, so that few wire
/// bytes become much heap; no known client sends any.
pub const REQUEST_UNKNOWN_TAGS_MAX: u64 = 64;

/// Heap in bytes that the decoded form of one request may take beside its frame.
pub const REQUEST_HEAP_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Output in bytes of decompressing one record batch, unless the caller says otherwise.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Largest zstd window accepted, as a power of two: what zstd level 22 writes, and what Java accepts.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Record errors listed for one rejected batch; the count of further ones is not told.
pub const RECORD_ERRORS_MAX: usize = 1000;

const _: () = assert!(CONTROL_REQUEST_BYTES_MAX < REQUEST_BYTES_MAX);
const _: () = assert!(LOGIN_REQUEST_BYTES_MAX < CONTROL_REQUEST_BYTES_MAX);
// A size prefix is an i32.
const _: () = assert!(REQUEST_BYTES_MAX <= i32::MAX as usize);

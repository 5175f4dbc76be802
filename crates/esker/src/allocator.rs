//! The allocator of the whole process.
//!
//! Batches are kept in the memory that they were received in, a megabyte and more at a time. An allocator that
//! gives such memory back at once has the kernel clear every page again for the next batch, which cost a third
//! of the CPU time of a busy agent. So free pages are kept for a while: the memory budget bounds how much can
//! be in use, and what is idle goes back to the system within a minute. (With ten seconds a busy agent still gave
//! pages back between two bursts: some 1,000 page faults a second, of 10 microseconds and more on a virtual machine.)
//!
//! All threads share one arena. A frame is received by one thread and dropped by another, and pages return to
//! the arena that they came from: with an arena for each few threads, one has free pages to give back while
//! the next asks the system for more, which costs both memory and the clearing (6,000 page faults a second
//! instead of 1,000 at 280 MB/s, on two cores). Small allocations do not meet there: threads keep their own.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// jemalloc's settings (its manual page, "TUNING"), read before `main`:
/// free pages go back after so many milliseconds, by a thread of its own; large allocations are no exception
/// from that; and there is one arena.
#[allow(
    unsafe_code,
    reason = "jemalloc finds its settings by this symbol's name; nothing else has it"
)]
#[unsafe(export_name = "_rjem_malloc_conf")]
static SETTINGS: &[u8; 92] =
    b"background_thread:true,dirty_decay_ms:60000,muzzy_decay_ms:0,oversize_threshold:0,narenas:1\0";

//! Counts the heap of the current thread, so that a target can hold the product to its memory bounds.
//!
//! Every program that links this crate allocates through the counter. What C libraries take for themselves
//! (zstd, SQLite) is not seen.
#![allow(unsafe_code, reason = "an allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static HIGHEST: Cell<isize> = const { Cell::new(0) };
}

struct CountedSystem;

#[global_allocator]
static ALLOCATOR: CountedSystem = CountedSystem;

fn taken(bytes: usize) {
    // A thread that is being torn down has no counters any more, and nobody who asks for them.
    let _ = HELD.try_with(|held| {
        held.set(held.get().wrapping_add_unsigned(bytes));
        let _ = HIGHEST.try_with(|highest| highest.set(highest.get().max(held.get())));
    });
}

fn given_back(bytes: usize) {
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_sub_unsigned(bytes)));
}

// SAFETY: every call goes to the system's allocator as it came, and the counters never allocate.
unsafe impl GlobalAlloc for CountedSystem {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // For a moment both may be there.
        taken(bytes);
        given_back(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(memory, layout, bytes) }
    }
}

/// Runs `work` and returns its result with the most bytes that it held at one time on this thread.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    let outer = HIGHEST.replace(before);
    let result = work();
    let highest = HIGHEST.get();
    HIGHEST.set(outer.max(highest));
    (result, usize::try_from(highest - before).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::peak_of;

    #[test]
    fn measures_the_peak_and_not_the_sum() {
        let (_, peak) = peak_of(|| {
            drop(std::hint::black_box(vec![1_u8; 1000]));
            drop(std::hint::black_box(vec![1_u8; 3000]));
        });
        assert_eq!(peak, 3000);
        let (kept, outer) = peak_of(|| peak_of(|| std::hint::black_box(vec![0_u8; 500])).0);
        assert_eq!((outer, kept.len()), (500, 500));
        assert_eq!(peak_of(|| drop(kept)).1, 0);
    }
}

//! The read path: plan, read, assemble, wait.

mod hot_index;

pub use hot_index::HotIndex;

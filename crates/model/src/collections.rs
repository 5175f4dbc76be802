//! Maps and sets whose hasher is fixed, so that iteration order repeats between runs.
//!
//! The keys that reach these maps are ids that the cluster gave out. Maps whose keys a client can
//! choose freely (names) use `BTreeMap`, which no crafted key can slow down.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

/// A hash map with a fixed hasher.
pub type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<rustc_hash::FxHasher>>;
/// A hash set with a fixed hasher.
pub type FixedSet<K> = HashSet<K, BuildHasherDefault<rustc_hash::FxHasher>>;

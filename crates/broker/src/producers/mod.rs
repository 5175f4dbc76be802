//! Producer ids.

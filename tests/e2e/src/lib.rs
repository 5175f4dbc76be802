//! End-to-end tests: real clients, real servers. See `tests/`.

//! Esker: storage.

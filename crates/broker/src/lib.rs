//! Esker: broker.

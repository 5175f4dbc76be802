//! Esker: protocol.

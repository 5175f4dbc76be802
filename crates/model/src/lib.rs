//! Esker: model.

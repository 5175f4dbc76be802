//! The shape of a message, as far as its length on the wire goes.
//!
//! A 4-byte integer and four booleans are the same to the guard; text, bytes, arrays and structs are not.

/// What a field is on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string, null or not.
    Text,
    /// Bytes or records, null or not.
    Bytes,
    /// An array, null or not.
    Array(&'static Kind),
    /// A struct in place.
    Struct(&'static Schema),
    /// A struct after a byte that says whether it is there.
    Nullable(&'static Schema),
}

impl Kind {
    /// Bytes that the decoder reserves for one element of an array of this kind.
    pub(super) const fn decoded_bytes(&self) -> usize {
        match self {
            Kind::Fixed(bytes) => *bytes,
            Kind::Text | Kind::Bytes | Kind::Array(_) => size_of::<bytes::Bytes>(),
            Kind::Struct(schema) | Kind::Nullable(schema) => schema.decoded_bytes,
        }
    }
}

/// A field and the versions that have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) kind: Kind,
    from: i16,
    to: i16,
}

impl Field {
    pub(super) const fn is_in(&self, version: i16) -> bool {
        self.from <= version && version <= self.to
    }
}

/// A tagged field (KIP-482).
#[derive(Debug, Clone, Copy)]
pub(super) struct Tagged {
    pub(super) number: u32,
    pub(super) field: Field,
}

/// A struct: its fields in wire order, its tagged fields, and what its decoded form takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema {
    pub(super) fields: &'static [Field],
    pub(super) tagged: &'static [Tagged],
    decoded_bytes: usize,
}

impl Schema {
    /// The schema of the crate's struct `T`.
    pub(super) const fn of<T>(fields: &'static [Field]) -> Schema {
        Schema {
            fields,
            tagged: &[],
            decoded_bytes: size_of::<T>(),
        }
    }

    pub(super) const fn with_tagged(self, tagged: &'static [Tagged]) -> Schema {
        Schema { tagged, ..self }
    }
}

pub(super) const BOOL: Kind = Kind::Fixed(1);
pub(super) const I8: Kind = Kind::Fixed(1);
pub(super) const I16: Kind = Kind::Fixed(2);
pub(super) const I32: Kind = Kind::Fixed(4);
pub(super) const I64: Kind = Kind::Fixed(8);
pub(super) const UUID: Kind = Kind::Fixed(16);

/// In every version.
pub(super) const fn always(kind: Kind) -> Field {
    Field {
        kind,
        from: 0,
        to: i16::MAX,
    }
}

/// From a version on.
pub(super) const fn since(from: i16, kind: Kind) -> Field {
    Field {
        kind,
        from,
        to: i16::MAX,
    }
}

/// Up to and including a version.
pub(super) const fn until(to: i16, kind: Kind) -> Field {
    Field { kind, from: 0, to }
}

/// Between two versions, both included.
pub(super) const fn between(from: i16, to: i16, kind: Kind) -> Field {
    Field { kind, from, to }
}

pub(super) const fn tag(number: u32, field: Field) -> Tagged {
    Tagged { number, field }
}

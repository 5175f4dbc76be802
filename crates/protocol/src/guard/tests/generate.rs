//! Writes random valid bodies from the guard's own tables.
//!
//! If a table differs from the crate's decoder in a field, a version or a tag, then what is written here does not decode
//! to the end, or does not encode to the same bytes again.

use crate::guard::schema::{Kind, Schema};
use crate::test_rng::TestRng;
use crate::wire::put_unsigned_varint;
use bytes::{BufMut, BytesMut};

pub(super) struct Generator<'a> {
    pub(super) rng: &'a mut TestRng,
    pub(super) version: i16,
    pub(super) flexible: bool,
    /// Write nulls, too, whether the field takes them or not.
    pub(super) nulls: bool,
    /// Unknown tags that may still be written.
    pub(super) tags_left: usize,
    pub(super) out: BytesMut,
}

impl Generator<'_> {
    pub(super) fn message(&mut self, schema: &Schema) {
        let version = self.version;
        for field in schema.fields.iter().filter(|field| field.is_in(version)) {
            self.value(field.kind);
        }
        if self.flexible {
            self.tags(schema);
        }
    }

    fn tags(&mut self, schema: &Schema) {
        let known: Vec<_> = schema
            .tagged
            .iter()
            .filter(|t| t.field.is_in(self.version) && !self.rng.chance(3))
            .collect();
        let unknown = if self.rng.chance(4) {
            self.rng.below(4).min(self.tags_left)
        } else {
            0
        };
        self.tags_left -= unknown;
        put_unsigned_varint(&mut self.out, (known.len() + unknown) as u32);
        for tagged in known {
            let outer = std::mem::take(&mut self.out);
            let nulls = std::mem::replace(&mut self.nulls, false);
            self.value(tagged.field.kind);
            self.nulls = nulls;
            let content = std::mem::replace(&mut self.out, outer);
            put_unsigned_varint(&mut self.out, tagged.number);
            put_unsigned_varint(&mut self.out, content.len() as u32);
            self.out.put_slice(&content);
        }
        for number in 0..unknown {
            put_unsigned_varint(&mut self.out, 100 * (number as u32 + 1));
            let n = self.rng.below(6);
            put_unsigned_varint(&mut self.out, n as u32);
            let bytes = self.rng.bytes(n);
            self.out.put_slice(&bytes);
        }
    }

    fn value(&mut self, kind: Kind) {
        match kind {
            // Booleans are one byte, too, and encode again as 0 or 1 only.
            Kind::Fixed(1) => {
                let bit = self.rng.below(2) as u8;
                self.out.put_u8(bit);
            }
            Kind::Fixed(n) => {
                let bytes = self.rng.bytes(n);
                self.out.put_slice(&bytes);
            }
            Kind::Text => {
                let text = self.rng.text(9);
                let null = self.null();
                match (self.flexible, null) {
                    (true, true) => self.out.put_u8(0),
                    (true, false) => put_unsigned_varint(&mut self.out, text.len() as u32 + 1),
                    (false, true) => self.out.put_i16(-1),
                    (false, false) => self.out.put_i16(text.len() as i16),
                }
                if !null {
                    self.out.put_slice(text.as_bytes());
                }
            }
            Kind::Bytes => {
                let n = self.rng.below(40);
                if self.length(n) {
                    let bytes = self.rng.bytes(n);
                    self.out.put_slice(&bytes);
                }
            }
            Kind::Array(element) => {
                let n = self.rng.below(4);
                if self.length(n) {
                    (0..n).for_each(|_| self.value(*element));
                }
            }
            Kind::Struct(schema) => self.message(schema),
            Kind::Nullable(schema) => {
                if self.rng.chance(3) {
                    self.out.put_i8(-1);
                } else {
                    self.out.put_i8(1);
                    self.message(schema);
                }
            }
        }
    }

    fn null(&mut self) -> bool {
        self.nulls && self.rng.chance(8)
    }

    /// Writes a length or null; says whether content follows.
    fn length(&mut self, n: usize) -> bool {
        let null = self.null();
        match (self.flexible, null) {
            (true, true) => self.out.put_u8(0),
            (true, false) => put_unsigned_varint(&mut self.out, n as u32 + 1),
            (false, true) => self.out.put_i32(-1),
            (false, false) => self.out.put_i32(n as i32),
        }
        !null
    }
}

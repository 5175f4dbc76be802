//! The length guard: walks a request body before anything is decoded.
//!
//! The decoder of the message crate reserves room for an array of n elements as soon as it has read n, so four bytes
//! can ask for gigabytes and abort the process; and it keeps a map for the unknown tags of every struct, so valid
//! input can grow a hundredfold. The walk follows the same schema, allocates nothing, and refuses a body
//!
//! - in which a length exceeds the bytes that are left,
//! - with more than [`REQUEST_ELEMENTS_MAX`] array elements or [`REQUEST_UNKNOWN_TAGS_MAX`] unknown tags in all,
//! - whose decoded form is estimated above [`REQUEST_HEAP_BYTES_MAX`].
//!
//! What it accepts decodes within the estimate, or fails to decode for another reason (text that is not UTF-8, a null
//! where none may be). A refusal closes the connection. The schemas are in `schema.rs` (the kinds) and `tables.rs`;
//! the tests prove them equal to the crate's decoder.

mod schema;
mod tables;

use crate::limits::{REQUEST_ELEMENTS_MAX, REQUEST_HEAP_BYTES_MAX, REQUEST_UNKNOWN_TAGS_MAX};
use crate::versions;
use crate::wire::{Reader, WireError};
use schema::{Kind, Schema};

/// Heap in bytes charged for one unknown tag: no less than a map node of the standard library that holds one.
const UNKNOWN_TAG_HEAP_BYTES: u64 = 512;

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// A field or a length goes beyond the end of the body.
    #[error("body ends inside a field")]
    Truncated,
    /// A length is negative (other than the -1 of null), or a varint does not end.
    #[error("malformed length")]
    Length,
    /// More array elements than one request may have.
    #[error("more than {REQUEST_ELEMENTS_MAX} array elements")]
    Elements,
    /// More unknown tagged fields than one request may have.
    #[error("more than {REQUEST_UNKNOWN_TAGS_MAX} unknown tags")]
    UnknownTags,
    /// The decoded request would take too much memory.
    #[error("decoded request would take more than {REQUEST_HEAP_BYTES_MAX} bytes")]
    Heap,
    /// A known tag in a version that does not have it.
    #[error("tag {0} is not valid in this version")]
    Tag(u32),
    /// There is no schema for this API and version.
    #[error("API key {0} version {1} is not served")]
    NotServed(i16, i16),
}

impl From<WireError> for GuardError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Truncated => GuardError::Truncated,
            WireError::Varint => GuardError::Length,
        }
    }
}

/// What a body holds and what its decoded form costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Bytes of the body that belong to the message; what follows is ignored by the decoder.
    pub consumed_bytes: usize,
    /// Array elements, all arrays together.
    pub elements: u64,
    /// Unknown tagged fields.
    pub unknown_tags: u64,
    /// Upper bound in bytes of the heap that decoding takes, beside the frame itself.
    pub heap_bytes: u64,
}

/// Walks a body, refuses what must not be decoded, and tells what was found: the heap estimate is what a memory
/// budget is charged.
pub fn measure(api_key: i16, version: i16, body: &[u8]) -> Result<Footprint, GuardError> {
    let schema = tables::request_schema(api_key)
        .filter(|_| versions::is_served(api_key, version))
        .ok_or(GuardError::NotServed(api_key, version))?;
    let mut walk = Walk {
        reader: Reader::new(body),
        version,
        flexible: versions::is_flexible(api_key, version),
        found: Footprint::default(),
    };
    walk.message(schema)?;
    walk.found.consumed_bytes = body.len() - walk.reader.remaining();
    Ok(walk.found)
}

struct Walk<'a> {
    reader: Reader<'a>,
    version: i16,
    flexible: bool,
    found: Footprint,
}

impl Walk<'_> {
    fn message(&mut self, schema: &Schema) -> Result<(), GuardError> {
        for field in schema.fields {
            if field.is_in(self.version) {
                self.value(field.kind)?;
            }
        }
        if self.flexible { self.tags(schema) } else { Ok(()) }
    }

    /// Recursion ends because schemas are a finite tree, at most four deep.
    fn value(&mut self, kind: Kind) -> Result<(), GuardError> {
        match kind {
            Kind::Fixed(bytes) => self.skip(bytes),
            Kind::Text => {
                let length = if self.flexible {
                    self.compact_length()?
                } else {
                    self.short_length()?
                };
                self.skip(length.unwrap_or(0))
            }
            Kind::Bytes => {
                let length = self.long_length()?;
                self.skip(length.unwrap_or(0))
            }
            Kind::Array(element) => {
                let count = self.long_length()?.unwrap_or(0);
                // Every element takes a byte at least, so this bounds the loop by the frame.
                if count > self.reader.remaining() {
                    return Err(GuardError::Truncated);
                }
                self.found.elements = self.found.elements.saturating_add(count as u64);
                if self.found.elements > REQUEST_ELEMENTS_MAX {
                    return Err(GuardError::Elements);
                }
                self.charge((count as u64).saturating_mul(element.decoded_bytes() as u64))?;
                match element {
                    Kind::Fixed(bytes) => self.skip(count.saturating_mul(*bytes)),
                    _ => (0..count).try_for_each(|_| self.value(*element)),
                }
            }
            Kind::Struct(schema) => self.message(schema),
            // Kafka writes -1 and 1 only; the crate and Java disagree about every other byte.
            Kind::Nullable(schema) => match self.reader.i8()? {
                -1 => Ok(()),
                1 => self.message(schema),
                _ => Err(GuardError::Length),
            },
        }
    }

    /// The tag section that ends every struct of a flexible message (KIP-482).
    fn tags(&mut self, schema: &Schema) -> Result<(), GuardError> {
        for _ in 0..self.reader.unsigned_varint()? {
            let number = self.reader.unsigned_varint()?;
            let size = self.reader.unsigned_varint()? as usize;
            match schema.tagged.iter().find(|tagged| tagged.number == number) {
                // The decoder reads a known tag without regard to its declared size, and so does Kafka.
                Some(tagged) if tagged.field.is_in(self.version) => self.value(tagged.field.kind)?,
                Some(_) => return Err(GuardError::Tag(number)),
                None => {
                    self.found.unknown_tags += 1;
                    if self.found.unknown_tags > REQUEST_UNKNOWN_TAGS_MAX {
                        return Err(GuardError::UnknownTags);
                    }
                    self.charge(UNKNOWN_TAG_HEAP_BYTES)?;
                    self.skip(size)?;
                }
            }
        }
        Ok(())
    }

    fn charge(&mut self, bytes: u64) -> Result<(), GuardError> {
        self.found.heap_bytes = self.found.heap_bytes.saturating_add(bytes);
        if self.found.heap_bytes > REQUEST_HEAP_BYTES_MAX {
            Err(GuardError::Heap)
        } else {
            Ok(())
        }
    }

    fn skip(&mut self, bytes: usize) -> Result<(), GuardError> {
        self.reader.take(bytes)?;
        Ok(())
    }

    /// Length of bytes or of an array; null is `None`.
    fn long_length(&mut self) -> Result<Option<usize>, GuardError> {
        if self.flexible {
            return self.compact_length();
        }
        match self.reader.i32()? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| GuardError::Length),
        }
    }

    fn short_length(&mut self) -> Result<Option<usize>, GuardError> {
        match self.reader.i16()? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| GuardError::Length),
        }
    }

    fn compact_length(&mut self) -> Result<Option<usize>, GuardError> {
        Ok((self.reader.unsigned_varint()? as usize).checked_sub(1))
    }
}

#[cfg(test)]
pub(crate) mod tests;

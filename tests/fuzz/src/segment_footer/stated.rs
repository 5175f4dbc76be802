//! How long a payload a footer describes, found without the product's reader.

use crate::input::Input;

/// Bytes of all runs of the extents. What it makes of a footer that is wrong does not matter.
pub(super) fn stated_payload_bytes(footer: &[u8]) -> u64 {
    let mut from = Input::new(footer);
    while !from.is_empty() {
        let (tag, _flags) = (from.u16(), from.u16());
        let bytes = from.i32() as u32 as usize;
        let body = from.take(bytes);
        if tag == 2 {
            return extents_bytes(Input::new(body));
        }
    }
    0
}

fn extents_bytes(mut from: Input<'_>) -> u64 {
    let mut total = 0u64;
    for _ in 0..varint(&mut from) {
        from.take(16 + 4);
        for _ in 0..varint(&mut from) {
            let has_producer = from.u8() & 1 != 0;
            from.take(if has_producer { 8 + 8 + 2 + 4 } else { 8 });
            for _ in 0..varint(&mut from) {
                varint(&mut from);
                total = total.saturating_add(varint(&mut from));
                if from.is_empty() {
                    return total;
                }
            }
            if from.is_empty() {
                return total;
            }
        }
        if from.is_empty() {
            return total;
        }
    }
    total
}

fn varint(from: &mut Input<'_>) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = from.u8();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

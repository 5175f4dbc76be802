//! Who a member is: the ids that members are given, and where they come from.

use std::net::SocketAddr;
use std::sync::Arc;

use esker_model::groups::MEMBER_ID_BYTES_MAX;
use esker_model::seams::Rng;

use crate::context::RequestContext;

/// What a drawn id is longer than the name that it begins with: a hyphen and a UUID.
const DRAWN_BYTES: usize = 37;

/// A new member's id: the name that it has for itself, and a random part.
pub(super) fn new_id(rng: &dyn Rng, name: &str) -> String {
    let mut end = name.len().min(MEMBER_ID_BYTES_MAX - DRAWN_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{}", &name[..end], rng.uuid())
}

/// The host of a member's connection, as Kafka writes it: a slash and the address.
pub(super) fn host(context: &RequestContext) -> Arc<str> {
    let peer = &context.connection.peer;
    match peer.parse::<SocketAddr>() {
        Ok(address) => format!("/{}", address.ip()).into(),
        Err(_) => format!("/{peer}").into(),
    }
}

#[cfg(test)]
mod tests {
    use esker_model::seams::SeededRng;

    use super::*;

    #[test]
    fn an_id_begins_with_the_name_and_is_bounded() {
        let rng = SeededRng::new(1);
        let id = new_id(&rng, "orders");
        assert!(id.starts_with("orders-") && id.len() == 6 + DRAWN_BYTES, "{id}");
        assert_ne!(id, new_id(&rng, "orders"));
        let long = new_id(&rng, &"ü".repeat(1_000));
        assert!(long.len() <= MEMBER_ID_BYTES_MAX && long.starts_with("üü"));
    }
}

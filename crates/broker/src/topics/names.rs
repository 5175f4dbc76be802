//! Which topic names are allowed, and which belong to Kafka itself.

/// Longest topic name in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 249;

/// Topics that Kafka keeps its own state in. Here that state lives in the metastore; the names are still
/// marked as internal, and produce requests for them are refused.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// The log of Kafka's controllers, which nobody may create.
pub(crate) const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Why a name is not allowed, or nothing if it is.
pub(crate) fn check(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a topic name cannot be empty".into());
    }
    if name == "." || name == ".." {
        return Err("a topic name cannot be '.' or '..'".into());
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!(
            "a topic name has at most {NAME_BYTES_MAX} characters, this one has {}",
            name.chars().count()
        ));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !name.bytes().all(allowed) {
        return Err("a topic name consists of ASCII letters, digits, '.', '_' and '-'".into());
    }
    Ok(())
}

/// Whether a name is allowed.
pub(crate) fn is_valid(name: &str) -> bool {
    check(name).is_ok()
}

/// Whether a topic of this name would hold Kafka's own state.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// What two topics may not share: the name with `.` read as `_`, because metric names cannot tell them apart.
pub(crate) fn collision_name(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_what_kafka_allows() {
        for name in ["a", "A-1_b.c", "...", "__consumer_offsets", &"x".repeat(249)] {
            assert!(is_valid(name), "{name}");
        }
        for name in ["", ".", "..", "a b", "a/b", "ü", "a\n", "a:b", &"x".repeat(250)] {
            assert!(!is_valid(name), "{name}");
        }
    }

    #[test]
    fn knows_internal_names_and_collisions() {
        assert!(is_internal("__consumer_offsets") && is_internal("__transaction_state"));
        assert!(is_internal("__share_group_state") && !is_internal("__mine"));
        assert_eq!(collision_name("a.b_c"), collision_name("a_b.c"));
    }
}

//! Who gets how much of a response.
//!
//! Kafka fills a response in request order, and clients that rotate their order rely on that. As long as
//! everything that is there fits, so do we. If it does not fit, Kafka gives the partitions at the end of
//! the list nothing: a client that always sends the same order would never read them. Then, and only
//! then, the bytes are dealt out evenly: who wants less than an even part gets all it wants, the others
//! share what is left. No state is needed and nobody starves; the order of the response stays.

/// Divides `total` bytes among partitions that want `wanted` bytes each.
pub(super) fn divide(total: u64, wanted: &[u64]) -> Vec<u64> {
    let all: u128 = wanted.iter().map(|bytes| u128::from(*bytes)).sum();
    if all <= u128::from(total) {
        return wanted.to_vec();
    }
    let mut modest_first: Vec<usize> = (0..wanted.len()).filter(|at| wanted[*at] > 0).collect();
    modest_first.sort_by_key(|at| wanted[*at]);
    let mut shares = vec![0; wanted.len()];
    let mut left = total;
    for (served, at) in modest_first.iter().enumerate() {
        let even = left / (modest_first.len() - served) as u64;
        shares[*at] = wanted[*at].min(even);
        left -= shares[*at];
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::divide;

    #[test]
    fn what_fits_is_given_in_full() {
        assert_eq!(divide(100, &[60, 0, 40]), [60, 0, 40]);
        assert_eq!(divide(0, &[0, 0]), [0, 0]);
        assert_eq!(divide(10, &[]), [0; 0]);
    }

    #[test]
    fn the_last_of_the_list_gets_its_part() {
        assert_eq!(divide(90, &[100, 100, 100]), [30, 30, 30]);
        assert_eq!(divide(90, &[1000, 10, 1000]), [40, 10, 40]);
    }

    proptest! {
        #[test]
        fn never_gives_more_than_wanted_or_there(
            total in 0..2000_u64,
            wanted in prop::collection::vec(0..1000_u64, 0..20),
        ) {
            let shares = divide(total, &wanted);
            prop_assert!(shares.iter().zip(&wanted).all(|(share, wanted)| share <= wanted));
            let given: u64 = shares.iter().sum();
            let all: u64 = wanted.iter().sum();
            prop_assert_eq!(given, total.min(all));
            // Nobody who went short has less than another got, but for rounding.
            let most = shares.iter().copied().max().unwrap_or(0);
            for (share, wanted) in shares.iter().zip(&wanted) {
                prop_assert!(share == wanted || *share + wanted.min(&20) + 1 >= most);
            }
        }
    }
}

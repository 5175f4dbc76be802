use super::*;

const EPOCH: ProducerEpoch = ProducerEpoch(3);

fn offer(first: i32, batches: &[i32]) -> Offer<'_> {
    Offer {
        epoch: EPOCH,
        first,
        batches,
        max_timestamp: 77,
    }
}

struct Partition {
    memory: Option<Memory>,
    forgotten: bool,
    next_offset: i64,
}

impl Partition {
    fn new() -> Self {
        Self {
            memory: None,
            forgotten: false,
            next_offset: 100,
        }
    }

    fn offer(&mut self, offer: &Offer<'_>) -> Vec<Piece> {
        let pieces = judge(&mut self.memory, self.forgotten, offer, self.next_offset);
        for piece in &pieces {
            if let Outcome::Appended { .. } = piece.outcome {
                let appended = &offer.batches[piece.first_batch..piece.first_batch + piece.batches];
                self.next_offset += appended.iter().map(|records| i64::from(*records)).sum::<i64>();
            }
        }
        pieces
    }
}

fn appended(base_offset: i64) -> Outcome {
    Outcome::Appended { base_offset }
}

fn duplicate(base_offset: i64) -> Outcome {
    Outcome::Duplicate {
        base_offset,
        max_timestamp: 77,
    }
}

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused(refusal)
}

fn piece(first_batch: usize, batches: usize, outcome: Outcome) -> Piece {
    Piece {
        first_batch,
        batches,
        outcome,
    }
}

#[test]
fn a_new_producer_starts_at_zero() {
    let mut partition = Partition::new();
    assert_eq!(
        partition.offer(&offer(4, &[1])),
        [piece(0, 1, refused(Refusal::Gap))]
    );
    assert_eq!(partition.offer(&offer(0, &[2, 3])), [piece(0, 2, appended(100))]);
    assert_eq!(partition.offer(&offer(5, &[1])), [piece(0, 1, appended(105))]);
}

#[test]
fn leading_duplicates_are_peeled_off() {
    let mut partition = Partition::new();
    partition.offer(&offer(0, &[2, 3]));
    assert_eq!(
        partition.offer(&offer(0, &[2, 3, 4])),
        [
            piece(0, 1, duplicate(100)),
            piece(1, 1, duplicate(102)),
            piece(2, 1, appended(105))
        ]
    );
    assert_eq!(
        partition.offer(&offer(2, &[3, 4, 1, 1])),
        [
            piece(0, 1, duplicate(102)),
            piece(1, 1, duplicate(105)),
            piece(2, 2, appended(109))
        ]
    );
}

#[test]
fn a_gap_is_retriable_and_leaves_no_trace() {
    let mut partition = Partition::new();
    partition.offer(&offer(0, &[5]));
    let before = partition.memory.clone();
    assert_eq!(
        partition.offer(&offer(6, &[1, 1])),
        [piece(0, 2, refused(Refusal::Gap))]
    );
    assert_eq!(partition.memory, before);
}

#[test]
fn below_the_remembered_runs_all_was_appended() {
    let mut partition = Partition::new();
    for first in 0..7 {
        partition.offer(&offer(first, &[1]));
    }
    assert_eq!(
        partition.offer(&offer(1, &[1])),
        [piece(0, 1, Outcome::OldDuplicate)]
    );
    assert_eq!(partition.offer(&offer(2, &[1])), [piece(0, 1, duplicate(102))]);
    assert_eq!(
        partition.offer(&offer(0, &[2])),
        [piece(0, 1, Outcome::OldDuplicate)],
        "cut in another way than it was sent"
    );
    assert_eq!(
        partition.offer(&offer(6, &[2])),
        [piece(0, 1, refused(Refusal::OutOfOrder))],
        "overlaps the end"
    );
    assert_eq!(
        partition.offer(&offer(i32::MAX - 3, &[1])),
        [piece(0, 1, refused(Refusal::OutOfOrder))],
        "far behind on the circle, but never appended"
    );
}

#[test]
fn what_follows_old_duplicates_is_appended() {
    let mut partition = Partition::new();
    for first in 0..7 {
        partition.offer(&offer(first, &[1]));
    }
    assert_eq!(
        partition.offer(&offer(0, &[1, 1, 5, 2, 1])),
        [
            piece(0, 1, Outcome::OldDuplicate),
            piece(1, 1, Outcome::OldDuplicate),
            piece(2, 1, Outcome::OldDuplicate),
            piece(3, 2, appended(107))
        ]
    );
}

#[test]
fn below_the_runs_of_a_producer_that_was_taken_up_nobody_knows() {
    let mut partition = Partition::new();
    partition.forgotten = true;
    for first in [10, 10, 11, 12, 13, 14, 15, 16] {
        partition.offer(&offer(first, &[1]));
    }
    for first in [4, 10, 11] {
        assert_eq!(
            partition.offer(&offer(first, &[1])),
            [piece(0, 1, refused(Refusal::OutOfOrder))]
        );
    }
    let newer = Offer {
        epoch: ProducerEpoch(EPOCH.0 + 1),
        ..offer(0, &[1])
    };
    partition.offer(&newer);
    for first in 1..7 {
        partition.offer(&Offer { first, ..newer });
    }
    assert_eq!(
        partition.offer(&newer),
        [piece(0, 1, Outcome::OldDuplicate)],
        "its new epoch began at 0"
    );
}

#[test]
fn a_higher_epoch_starts_again_at_zero() {
    let mut partition = Partition::new();
    partition.offer(&offer(0, &[5]));
    let newer = ProducerEpoch(EPOCH.0 + 1);
    let at = |first| Offer {
        epoch: newer,
        first,
        batches: &[1],
        max_timestamp: 1,
    };
    assert_eq!(partition.offer(&at(5)), [piece(0, 1, refused(Refusal::Gap))]);
    assert_eq!(partition.offer(&at(0)), [piece(0, 1, appended(105))]);
    assert_eq!(
        partition.offer(&offer(5, &[1])),
        [piece(0, 1, refused(Refusal::StaleEpoch))]
    );
}

#[test]
fn a_forgotten_producer_is_taken_up_at_the_lowest_sequence_it_offers_twice() {
    let mut partition = Partition::new();
    partition.forgotten = true;
    let gap = [piece(0, 1, refused(Refusal::Gap))];
    assert_eq!(partition.offer(&offer(12, &[1])), gap);
    assert_eq!(partition.offer(&offer(10, &[1])), gap);
    assert_eq!(partition.offer(&offer(12, &[1])), gap);
    assert_eq!(partition.offer(&offer(10, &[1])), [piece(0, 1, appended(100))]);
    assert_eq!(partition.offer(&offer(11, &[1, 1])), [piece(0, 2, appended(101))]);
}

#[test]
fn sequences_wrap() {
    let mut partition = Partition::new();
    partition.memory = Some(Memory::Known(Known {
        epoch: EPOCH,
        last: i32::MAX - 2,
        from_zero: true,
        runs: VecDeque::from([RememberedRun {
            first: i32::MAX - 4,
            records: 3,
            base_offset: 97,
            max_timestamp: 77,
        }]),
    }));
    assert_eq!(
        partition.offer(&offer(i32::MAX - 1, &[4])),
        [piece(0, 1, appended(100))]
    );
    assert_eq!(partition.offer(&offer(2, &[1])), [piece(0, 1, appended(104))]);
    assert_eq!(
        partition.offer(&offer(i32::MAX - 1, &[4, 1])),
        [piece(0, 1, duplicate(100)), piece(1, 1, duplicate(104))]
    );
    assert_eq!(
        partition.offer(&offer(4, &[1])),
        [piece(0, 1, refused(Refusal::Gap))]
    );
    for first in 3..9 {
        partition.offer(&offer(first, &[1]));
    }
    assert_eq!(
        partition.offer(&offer(2, &[1])),
        [piece(0, 1, Outcome::OldDuplicate)]
    );
    assert_eq!(
        partition.offer(&offer(i32::MAX - 5, &[1])),
        [piece(0, 1, refused(Refusal::OutOfOrder))],
        "over the seam nothing is said of what is not remembered"
    );
}

//! What was sent: batches by number, by their records, and by their identities.

use std::collections::BTreeMap;

use crate::event::{Batch, Client, Identity, Records};
use crate::{About, Promise, What, names};

use super::ends::slot;
use super::findings::Findings;
use super::places::Places;
use super::{At, Context};

/// A batch with all that is known of how it was sent.
pub(crate) struct Sending {
    pub batch: Batch,
    pub records: Records,
    /// Where it was sent first.
    pub place: usize,
    pub family: usize,
    /// It was sent to another topic of that name too.
    pub several_places: bool,
    /// It was sent by name at least once.
    pub by_name: bool,
    /// The event of its first sending.
    pub event: usize,
    /// How often it was sent without an identity.
    pub plain: u32,
    /// The first identity it was sent under.
    pub identity: Option<Identity>,
    /// Under how many.
    pub identities: u32,
}

impl Sending {
    /// Its identity, if it was never sent under another or without one.
    pub(crate) fn only_identity(&self) -> Option<Identity> {
        match (self.identity, self.identities, self.plain) {
            (Some(identity), 1, 0) => Some(identity),
            _ => None,
        }
    }
}

/// One sending of a batch.
pub(crate) struct Sent {
    pub records: Records,
    pub family: usize,
    pub identity: Option<Identity>,
    /// It was sent under this identity before: only one of the two can be appended.
    pub repeated: bool,
}

#[derive(Clone, Default)]
struct OfClient {
    /// By number, ascending.
    numbers: Vec<(u64, u32)>,
    /// By first record, ascending.
    records: Vec<(u64, u32)>,
    gave_up: bool,
}

/// All batches.
pub(crate) struct Batches {
    pub(super) list: Vec<Sending>,
    clients: Vec<OfClient>,
    further_identities: BTreeMap<u32, Vec<Identity>>,
    further_places: BTreeMap<u32, Vec<usize>>,
    families: Vec<Vec<u32>>,
}

impl Batches {
    pub(crate) fn new(clients: usize) -> Self {
        Self {
            list: Vec::new(),
            clients: vec![OfClient::default(); clients],
            further_identities: BTreeMap::new(),
            further_places: BTreeMap::new(),
            families: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn get(&self, at: u32) -> &Sending {
        &self.list[at as usize]
    }

    /// All batches for these partitions, in the order in which they were first sent.
    pub(crate) fn of_family(&self, family: usize) -> impl Iterator<Item = u32> {
        let batches = self.families.get(family).map(Vec::as_slice);
        batches.unwrap_or_default().iter().copied()
    }

    /// A batch by its name.
    pub(crate) fn find(&self, batch: Batch) -> Option<u32> {
        let numbers = &self.clients.get(batch.by.0 as usize)?.numbers;
        // Numbers usually have no holes.
        let first = numbers.first()?.0;
        if let Some(guess) = batch.number.checked_sub(first)
            && let Some((number, at)) = numbers.get(guess as usize)
            && *number == batch.number
        {
            return Some(*at);
        }
        let at = numbers.binary_search_by_key(&batch.number, |(number, _)| *number);
        at.ok().map(|at| numbers[at].1)
    }

    /// A client's batches by their first record, from the one on that holds record `number` or, if none
    /// does, the first after it.
    pub(crate) fn batches_from(&self, client: Client, number: u64) -> &[(u64, u32)] {
        let records = self.records_of(client);
        &records[self.place_of(records, number, 0)..]
    }

    /// A client's batches by their first record.
    pub(crate) fn records_of(&self, client: Client) -> &[(u64, u32)] {
        let of_client = self.clients.get(client.0 as usize);
        of_client.map_or(&[][..], |of_client| &of_client.records)
    }

    /// Where in a client's batches, by their first record, the one lies that holds `number` or, if none does,
    /// the first after it. It is looked for around `hint` first.
    pub(crate) fn place_of(&self, records: &[(u64, u32)], number: u64, hint: usize) -> usize {
        let is_before = |(first, _): &(u64, u32)| *first <= number;
        let after = match (records.last(), records.get(hint)) {
            (None, _) => return 0,
            (Some(last), _) if is_before(last) => records.len(),
            (_, Some(at_hint)) if hint > 0 && is_before(at_hint) => {
                let mut step = 8;
                while records.get(hint + step).is_some_and(is_before) {
                    step *= 2;
                }
                let to = records.len().min(hint + step);
                hint + records[hint..to].partition_point(is_before)
            }
            _ => records.partition_point(is_before),
        };
        let holds = |at: &usize| {
            let records = self.get(records[*at].1).records;
            number < records.first + u64::from(records.count)
        };
        after.checked_sub(1).filter(holds).unwrap_or(after)
    }

    /// Notes a sending. What contradicts an earlier one of the same batch is told, and not noted.
    pub(crate) fn sent(&mut self, places: &mut Places, at: At<'_>, findings: &mut Findings) -> Option<Sent> {
        let What::Sent {
            batch,
            partition,
            by_name,
            identity,
            records,
            ..
        } = &at.event.what
        else {
            return None;
        };
        let place = places.place(*partition);
        let family = places.get(place).family;
        let repeated = match self.find(*batch) {
            None => {
                if !self.add(at, *batch, *records, place, family) {
                    findings.add(Promise::ImmutableLog, "history", at.us(), || {
                        let what = "the history is wrong: two batches hold the same records".to_owned();
                        (what, About::events([at.at]).batches([*batch]))
                    });
                    return None;
                }
                self.again(self.list.len() as u32 - 1, place, *by_name, *identity)
            }
            Some(found) => {
                let before = self.get(found);
                if before.records != *records || before.family != family {
                    findings.add(Promise::ImmutableLog, "history", at.us(), || {
                        let what =
                            "the history is wrong: a batch was sent with other records, or elsewhere, before";
                        let about = About::events([before.event, at.at]).batches([*batch]);
                        (what.to_owned(), about)
                    });
                    return None;
                }
                self.again(found, place, *by_name, *identity)
            }
        };
        Some(Sent {
            records: *records,
            family,
            identity: *identity,
            repeated,
        })
    }

    fn add(&mut self, at: At<'_>, batch: Batch, records: Records, place: usize, family: usize) -> bool {
        let new = self.list.len() as u32;
        let end = records.first + u64::from(records.count);
        let holder = self.batches_from(records.by, records.first).first();
        if holder.is_some_and(|(first, _)| *first < end) {
            return false;
        }
        let Some(of_client) = self.clients.get_mut(batch.by.0 as usize) else {
            return false;
        };
        insert(&mut of_client.numbers, (batch.number, new));
        insert(&mut of_client.records, (records.first, new));
        slot(&mut self.families, family).push(new);
        self.list.push(Sending {
            batch,
            records,
            place,
            family,
            several_places: false,
            by_name: false,
            event: at.at,
            plain: 0,
            identity: None,
            identities: 0,
        });
        true
    }

    /// Notes one sending of a known batch; says whether it repeats an earlier one under the same identity.
    fn again(&mut self, at: u32, place: usize, by_name: bool, identity: Option<Identity>) -> bool {
        let sending = &mut self.list[at as usize];
        sending.by_name |= by_name;
        if sending.place != place {
            sending.several_places = true;
            self.further_places.entry(at).or_default().push(place);
        }
        let Some(identity) = identity else {
            sending.plain += 1;
            return false;
        };
        match sending.identity {
            None => sending.identity = Some(identity),
            Some(known) if known == identity => return true,
            Some(_) => {
                let further = self.further_identities.entry(at).or_default();
                if further.contains(&identity) {
                    return true;
                }
                further.push(identity);
            }
        }
        sending.identities += 1;
        false
    }

    /// Notes that a client gave something, or everything, up.
    pub(crate) fn gave_up(&mut self, at: At<'_>) {
        if let Some(client) = at.event.client
            && let Some(of_client) = self.clients.get_mut(client.0 as usize)
        {
            of_client.gave_up = true;
        }
    }

    /// All identities that a batch was sent under.
    pub(crate) fn identities(&self, at: u32) -> impl Iterator<Item = Identity> {
        let further = self.further_identities.get(&at).map(Vec::as_slice);
        self.get(at)
            .identity
            .into_iter()
            .chain(further.unwrap_or_default().iter().copied())
    }

    /// Whether a batch may stand in a partition.
    pub(crate) fn may_stand_in(&self, context: &Context<'_>, at: u32, place: usize) -> bool {
        let sending = self.get(at);
        sending.place == place
            || (sending.by_name && sending.family == context.places.get(place).family)
            || (sending.several_places
                && self
                    .further_places
                    .get(&at)
                    .is_some_and(|further| further.contains(&place)))
    }

    /// Whether this client's library may have changed the identity of its batches without telling: it keeps
    /// sequences to itself, and gave something up.
    pub(crate) fn may_have_new_identity(&self, at: u32) -> bool {
        let sending = self.get(at);
        let hidden = |identity: Identity| identity.first_sequence < 0;
        sending.identity.is_some_and(hidden)
            && self
                .clients
                .get(sending.batch.by.0 as usize)
                .is_some_and(|client| client.gave_up)
    }

    /// A batch in words: whose, which, and its records.
    pub(crate) fn tell(&self, context: &Context<'_>, at: u32) -> String {
        let Sending { batch, records, .. } = self.get(at);
        let last = records.first + u64::from(records.count) - 1;
        let name = names::batch(context.history, *batch);
        match records.count {
            1 => format!("{name} (record {last})"),
            _ => format!("{name} (records {} to {last})", records.first),
        }
    }
}

/// Inserts into a sorted list, nearly always at its end.
fn insert(list: &mut Vec<(u64, u32)>, entry: (u64, u32)) {
    let at = match list.last() {
        Some(last) if last.0 > entry.0 => list.partition_point(|other| other.0 < entry.0),
        _ => list.len(),
    };
    list.insert(at, entry);
}

impl Context<'_> {
    /// The partition that an ack of this batch, which came at `at_us`, is surely about.
    pub(crate) fn acked_place(&self, batch: u32, at_us: u64) -> Option<usize> {
        let sending = self.batches.get(batch);
        let place = self.places.get(sending.place);
        let certain = !sending.several_places && (!sending.by_name || place.answers_by_name(at_us));
        certain.then_some(sending.place)
    }

    /// How many copies of a batch may stand in one partition: one for each identity that it was sent under,
    /// and one for each sending without. `None` if the history does not show them all.
    pub(crate) fn copies_max(&self, batch: u32) -> Option<u32> {
        let sending = self.batches.get(batch);
        let hidden =
            (sending.plain > 0 && !self.terms.requests_shown) || self.batches.may_have_new_identity(batch);
        (!hidden).then_some(sending.identities + sending.plain)
    }
}

//! What a system costs in a month, line by line.

/// One line of a bill.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// A stable name, for programs.
    pub(super) item: &'static str,
    /// For people.
    pub(super) what: String,
    /// How much of it in a month.
    pub(super) quantity: f64,
    /// Of what: `requests`, `GiB-months`, `GiB`, `hours`.
    pub(super) unit: &'static str,
    /// In the currency of the prices.
    pub(super) cost: f64,
}

/// A month of one system.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bill {
    /// Stable name: `esker`, `kafka`, `msk`.
    pub(super) system: &'static str,
    /// For people.
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
    /// Traffic between zones that is there whatever clients do, and of clients that know their zone.
    pub(super) cross_zone: Line,
    /// What is added to it by clients that know no zones.
    pub(super) cross_zone_more: Line,
}

impl Bill {
    /// With clients that know their zone.
    pub(super) fn total(&self) -> f64 {
        self.lines.iter().map(|line| line.cost).sum::<f64>() + self.cross_zone.cost
    }

    /// With clients that do not.
    pub(super) fn total_other_clients(&self) -> f64 {
        self.total() + self.cross_zone_more.cost
    }

    /// Quantity of an item, for tests and sentences.
    #[cfg(test)]
    pub(super) fn quantity(&self, item: &str) -> f64 {
        let all = self.lines.iter().chain([&self.cross_zone, &self.cross_zone_more]);
        all.filter(|line| line.item == item)
            .map(|line| line.quantity)
            .sum()
    }
}

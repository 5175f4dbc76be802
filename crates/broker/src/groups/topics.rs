//! Topics as groups of KIP-848 subscribe to them: those of the catalog.

use std::sync::Arc;

use esker_model::TopicUuid;
use esker_model::groups::consumer::SubscribableTopics;

use super::Groups;
use crate::topics::Catalog;

/// The catalog, as groups see it.
pub(super) struct CatalogTopics<'a>(&'a Catalog);

impl Groups {
    /// The topics that there are.
    pub(super) fn topics(&self) -> CatalogTopics<'_> {
        CatalogTopics(&self.catalog)
    }
}

impl SubscribableTopics for CatalogTopics<'_> {
    fn topic(&self, name: &str) -> Option<(TopicUuid, i32)> {
        let state = self.0.by_name(name)?;
        Some((state.topic.uuid, state.topic.partitions))
    }

    fn name(&self, id: TopicUuid) -> Option<Arc<str>> {
        Some(Arc::from(self.0.by_uuid(id)?.topic.name.as_str()))
    }

    fn each(&self, visit: &mut dyn FnMut(&str)) {
        for state in self.0.all() {
            visit(&state.topic.name);
        }
    }

    fn version(&self) -> i64 {
        self.0.version()
    }
}

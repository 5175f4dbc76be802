//! The configs as documentation lists them: what tables in `config_table` and `group_configs` say, in words.

use super::{broker_configs, config_table, group_configs};

/// One config for people.
#[derive(Debug)]
pub struct ConfigReference {
    /// Kafka's name of it, or ours, which starts with `esker.`.
    pub name: &'static str,
    /// What holds where nothing is set: a value, which may be empty, or for groups the name of the agents' config.
    pub default: &'static str,
    /// Which values it takes, in words.
    pub values: String,
    /// `honoured`, `stored` or `fixed`.
    pub effect: &'static str,
    /// Sentences.
    pub documentation: &'static str,
}

/// One config of an agent as it shows itself to Kafka's tools; none can be changed by them.
#[derive(Debug)]
pub struct BrokerConfigReference {
    /// Kafka's name of it.
    pub name: &'static str,
    /// Its value if that is the same for every agent, else it follows from settings.
    pub fixed: Option<String>,
    /// Sentences.
    pub documentation: &'static str,
}

/// The configs of topics, ascending by name.
pub fn of_topics() -> impl Iterator<Item = ConfigReference> {
    config_table::TABLE.iter().map(|config| ConfigReference {
        name: config.name,
        default: config.default,
        values: config.rule.expected(),
        effect: match config.effect {
            config_table::Effect::Honoured => "honoured",
            config_table::Effect::Stored => "stored",
            config_table::Effect::Refused => "fixed",
        },
        documentation: config.documentation,
    })
}

/// The configs of groups, ascending by name. Where nothing is set, the agents' settings hold.
pub fn of_groups() -> impl Iterator<Item = ConfigReference> {
    group_configs::reference()
}

/// What agents show of themselves, ascending by name.
pub fn of_brokers() -> impl Iterator<Item = BrokerConfigReference> {
    broker_configs::reference()
}

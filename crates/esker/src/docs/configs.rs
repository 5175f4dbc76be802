//! The configs that topics and groups have.

use esker_broker::topics::reference::{self, BrokerConfigReference, ConfigReference};

use super::markdown::{anchored, code, head, row};

const INTRODUCTION: &str = "\
# Configs of topics, groups and brokers

What `esker topic create --config`, `esker config alter` and every Kafka tool can set while the cluster runs. Names, defaults and bounds are
Kafka's; what only Esker has starts with `esker.`.

- **honoured**: obeyed. Of *log cleaning* (`cleanup.policy=compact` and what belongs to it) only the part that producers see is there: records
  need keys. The background work that cleans does not run yet, so all records of such topics are kept.
- **stored**: kept and shown as it was set, without effect, because tools read back what they wrote.
- **fixed**: a feature that is not there; any other value is refused (40), as are names that are not listed here.

## Topics

";

const GROUPS: &str = "
## Groups

Of groups with members of the consumer protocol (KIP-848). Where a group sets nothing, the agents' config of the column *default* holds, which
is the [setting](configuration.md#consumer-groups) with underscores. The timeout must be longer than the interval.

";

const BROKERS: &str = "
## Brokers

What an agent shows of its own settings under Kafka's names (`esker config describe broker 1`), for tools that look there. They are given when it
starts, by its [settings](configuration.md), and cannot be changed over the protocol.

";

pub(super) fn page() -> String {
    let titles = ["config", "default", "values", "effect", "meaning"];
    let table = |configs: &mut dyn Iterator<Item = ConfigReference>| {
        let rows: String = configs.map(line).collect();
        format!("{}{rows}", head(&titles))
    };
    let topics = table(&mut reference::of_topics());
    let groups = table(&mut reference::of_groups());
    let brokers: String = reference::of_brokers().map(broker_line).collect();
    let brokers = format!("{}{brokers}", head(&["config", "value", "meaning"]));
    format!("{INTRODUCTION}{topics}{GROUPS}{groups}{BROKERS}{brokers}")
}

fn broker_line(config: BrokerConfigReference) -> String {
    let value = config
        .fixed
        .map_or_else(|| "as it is set".to_owned(), |value| code(&value));
    row(&[&code(config.name), &value, config.documentation])
}

fn line(config: ConfigReference) -> String {
    row(&[
        &anchored(config.name),
        &code(config.default),
        &config.values,
        config.effect,
        config.documentation,
    ])
}

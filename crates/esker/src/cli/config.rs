//! `esker config`: configs of topics, groups and brokers, and what has some.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::output;
use super::table::Table;
use super::target::{Target, name_value};
use crate::client::admin::{self, Resource};
use crate::failure::{Failure, Outcome};

/// Kafka's code of a config that was set on the topic.
pub(crate) const SOURCE_TOPIC: i8 = 1;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List what has configs: topics, brokers, and groups with configs of their own
    #[command(after_help = "Example:\n  esker config list group")]
    List {
        /// Only things of this kind
        kind: Option<Kind>,
        #[command(flatten)]
        target: Target,
    },
    /// Show configs: those that are set, or all with their defaults
    #[command(after_help = "Example:\n  esker config describe topic orders --all")]
    Describe {
        #[command(flatten)]
        of: Of,
        /// Show defaults as well
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Set configs and remove them, all or none
    #[command(
        after_help = "Example:\n  esker config alter topic orders --set retention.ms=86400000 --delete cleanup.policy\n\n\
                      Of a group of the consumer protocol:\n  \
                      esker config alter group billing --set consumer.session.timeout.ms=50000"
    )]
    Alter {
        #[command(flatten)]
        of: Of,
        /// Set a config; may be repeated
        #[arg(long, value_name = "NAME=VALUE", value_parser = name_value)]
        set: Vec<(String, String)>,
        /// Give a config its default again; may be repeated
        #[arg(long, value_name = "NAME")]
        delete: Vec<String>,
        #[command(flatten)]
        target: Target,
    },
}

/// Whose configs.
#[derive(Debug, Args)]
pub(crate) struct Of {
    /// What kind of thing
    kind: Kind,
    /// The topic's or group's name, or the broker's node id. A group need not be there
    name: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    Topic,
    Group,
    Broker,
}

impl Kind {
    fn code(self) -> i8 {
        match self {
            Self::Topic => admin::TYPE_TOPIC,
            Self::Group => admin::TYPE_GROUP,
            Self::Broker => admin::TYPE_BROKER,
        }
    }

    /// As it is typed; of what nobody asked for, nothing is known.
    fn named(code: i8) -> &'static str {
        match code {
            admin::TYPE_TOPIC => "topic",
            admin::TYPE_GROUP => "group",
            admin::TYPE_BROKER => "broker",
            _ => "unknown",
        }
    }
}

impl Of {
    fn resource(&self) -> Outcome<Resource> {
        match self.kind {
            Kind::Topic => Ok(Resource::Topic(self.name.clone())),
            Kind::Group => Ok(Resource::Group(self.name.clone())),
            Kind::Broker => self.name.parse().map(Resource::Broker).map_err(|_| {
                Failure::Usage(format!(
                    "{:?} is not a node id: `esker cluster agents` lists them",
                    self.name
                ))
            }),
        }
    }
}

/// Runs the command.
pub(crate) async fn run(command: ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::List { kind, target } => list(kind, &target).await,
        ConfigCommand::Describe { of, all, target } => describe(&of.resource()?, all, &target).await,
        ConfigCommand::Alter {
            of,
            set,
            delete,
            target,
        } => alter(&of.resource()?, &set, &delete, &target).await,
    }
}

fn source(code: i8) -> &'static str {
    match code {
        SOURCE_TOPIC => "topic",
        2 => "broker",
        3 => "cluster",
        4 => "static",
        5 => "default",
        8 => "group",
        _ => "unknown",
    }
}

async fn list(kind: Option<Kind>, target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let found = admin::config_resources(&mut cluster, kind.map(Kind::code)).await?;
    if target.json {
        let found = found.iter();
        let list: Vec<_> = found
            .map(|(code, name)| json!({ "kind": Kind::named(*code), "name": name }))
            .collect();
        return output::json(&list);
    }
    let mut table = Table::new(&["KIND", "NAME"]);
    for (code, name) in found {
        table.row([Kind::named(code).to_owned(), name]);
    }
    output::table(&table)
}

async fn describe(resource: &Resource, all: bool, target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let mut configs = admin::describe_configs(&mut cluster, resource).await?.configs;
    configs.retain(|config| all || source(config.config_source) != "default");
    configs.sort_by(|a, b| a.name.cmp(&b.name));
    if target.json {
        let list: Vec<_> = configs
            .iter()
            .map(|config| {
                json!({
                    "name": config.name.to_string(),
                    "value": config.value.as_ref().map(ToString::to_string),
                    "source": source(config.config_source),
                    "read_only": config.read_only,
                })
            })
            .collect();
        return output::json(&list);
    }
    if configs.is_empty() {
        return output::line(&format!(
            "{resource} has no configs of its own; --all shows the defaults"
        ));
    }
    let mut table = Table::new(&["NAME", "SOURCE", "VALUE"]);
    for config in configs {
        let value = if config.is_sensitive {
            "(hidden)".to_owned()
        } else {
            config.value.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        table.row([
            config.name.to_string(),
            source(config.config_source).to_owned(),
            value,
        ]);
    }
    output::table(&table)
}

async fn alter(resource: &Resource, set: &[(String, String)], delete: &[String], target: &Target) -> Outcome {
    if set.is_empty() && delete.is_empty() {
        return Err(Failure::Usage(
            "nothing to alter: give --set NAME=VALUE or --delete NAME".to_owned(),
        ));
    }
    let mut cluster = target.cluster()?;
    admin::alter_configs(&mut cluster, resource, set, delete).await?;
    match target.json {
        true => output::json(
            &json!({ "altered": resource.to_string(), "set": set.len(), "deleted": delete.len() }),
        ),
        false => output::line(&format!("altered {resource}")),
    }
}

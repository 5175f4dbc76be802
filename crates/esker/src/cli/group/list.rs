//! `esker group list`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use crate::cli::output;
use crate::cli::table::Table;
use crate::cli::target::Target;
use crate::client::group::list::{Listed, list};
use crate::failure::{Failure, Outcome};

/// States of groups, as Kafka names them.
const STATES: [&str; 8] = [
    "Stable",
    "Empty",
    "PreparingRebalance",
    "CompletingRebalance",
    "Assigning",
    "Reconciling",
    "Dead",
    "NotReady",
];
/// Kinds of groups.
const TYPES: [&str; 4] = ["classic", "consumer", "share", "streams"];

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Groups in these states only, separated by commas
    #[arg(long, value_name = "STATE,...", value_delimiter = ',', ignore_case = true, value_parser = PossibleValuesParser::new(STATES))]
    state: Vec<String>,
    /// Groups of these types only, separated by commas
    #[arg(long = "type", value_name = "TYPE,...", value_delimiter = ',', ignore_case = true, value_parser = PossibleValuesParser::new(TYPES))]
    kind: Vec<String>,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: &List) -> Outcome {
    let mut cluster = args.target.cluster()?;
    let mut groups = Vec::new();
    for group in list(&mut cluster).await? {
        if matches("--state", &args.state, &group, group.state.as_deref())?
            && matches("--type", &args.kind, &group, group.kind.as_deref())?
        {
            groups.push(group);
        }
    }
    if args.target.json {
        let list: Vec<_> = groups
            .iter()
            .map(|group| {
                json!({
                    "group": group.group,
                    "type": group.kind,
                    "state": group.state,
                    "protocol_type": group.protocol_type,
                    "coordinator": group.coordinator,
                })
            })
            .collect();
        return output::json(&list);
    }
    let mut table = Table::new(&["GROUP", "TYPE", "STATE", "PROTOCOL", "COORDINATOR"]);
    for group in groups {
        let or_dash = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or("-".to_owned());
        table.row([
            group.group,
            or_dash(group.kind),
            or_dash(group.state),
            or_dash(Some(group.protocol_type)),
            group.coordinator.to_string(),
        ]);
    }
    output::table(&table)
}

/// Whether a group is asked for. A broker that does not tell what is asked for would make the list wrong.
fn matches(flag: &str, wanted: &[String], group: &Listed, told: Option<&str>) -> Outcome<bool> {
    match told {
        _ if wanted.is_empty() => Ok(true),
        Some(told) => Ok(wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(told))),
        None => Err(Failure::Failed(format!(
            "broker {} is too old to tell that of its groups: leave {flag} out",
            group.coordinator
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_ignore_case_and_never_guess() {
        let group = Listed {
            group: "g".to_owned(),
            protocol_type: String::new(),
            state: None,
            kind: None,
            coordinator: 7,
        };
        let wanted = ["stable".to_owned(), "Empty".to_owned()];
        assert!(matches("--state", &wanted, &group, Some("Stable")).unwrap());
        assert!(!matches("--state", &wanted, &group, Some("Dead")).unwrap());
        assert!(matches("--state", &[], &group, None).unwrap());
        let old = matches("--state", &wanted, &group, None).unwrap_err();
        assert!(old.to_string().contains("broker 7") && old.to_string().contains("--state"));
    }
}

//! `esker check --ready`: whether an agent is ready, asked over HTTP: the health check of a container without a shell.

use std::time::Duration;

use crate::cli::print_lines;
use crate::failure::{Failure, Outcome, one_line};
use crate::plain_http;
use crate::settings::address::Address;

/// Health checks are given a second or a few.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the agent at `admin_addr`; its answer is the outcome.
pub(super) async fn run(admin: Option<Address>) -> Outcome {
    let address = admin.ok_or_else(|| {
        Failure::Usage("admin_addr is none, so that nobody can ask whether the agent is ready".to_owned())
    })?;
    let address = reachable(address);
    let answer = plain_http::get(&address, "/readyz", PATIENCE)
        .await
        .map_err(Failure::Failed)?;
    match answer.status {
        200 => print_lines(&[format!("the agent at {address} is ready")]),
        503 => Err(Failure::Failed(format!(
            "the agent at {address} is not ready: {}",
            one_line(&answer.body)
        ))),
        status => Err(Failure::Failed(format!(
            "{address} answered GET /readyz with status {status}: is that an agent's admin_addr?"
        ))),
    }
}

/// All addresses are good to listen on; one of them is asked.
fn reachable(address: Address) -> Address {
    let host = match address.is_wildcard() {
        true if address.host.contains(':') => "::1".to_owned(),
        true => "127.0.0.1".to_owned(),
        false => address.host,
    };
    Address { host, ..address }
}

#[cfg(test)]
mod tests {
    use super::{Address, reachable};

    #[test]
    fn what_is_listened_on_can_be_asked() {
        for (listened, asked) in [
            ("0.0.0.0:9644", "127.0.0.1:9644"),
            ("[::]:9644", "[::1]:9644"),
            ("10.0.0.7:9644", "10.0.0.7:9644"),
        ] {
            assert_eq!(reachable(Address::parse(listened).unwrap()).to_string(), asked);
        }
    }
}

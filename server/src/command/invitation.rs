//! `v6tun-server invitation list | withdraw`.

use super::{order, say, unexpected, utc};
use crate::order::{Answer, InvitationInfo, Order};
use crate::state::InvitationStatus;
use anyhow::Result;
use clap::Subcommand;
use std::io::{self, Write};
use v6tun_cli::table::Table;
use v6tun_wire::GlobalArgs;

/// What to do with invitations.
#[derive(Debug, Subcommand)]
pub(crate) enum InvitationCommand {
    /// Show those that can be used
    List {
        /// Show those as well that ended within 30 days
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End one that is open
    Withdraw {
        /// The name that was invited, or the invitation's id
        #[arg(value_name = "NAME|ID")]
        which: String,
    },
}

pub(crate) async fn run(global: &GlobalArgs, command: &InvitationCommand) -> Result<()> {
    match command {
        InvitationCommand::List { all, json } => {
            let Answer::Invitations(mut list) = order(global, Order::Invitations).await? else {
                return unexpected();
            };
            list.retain(|invitation| *all || invitation.status == InvitationStatus::Open);
            let text = if *json { serde_json::to_string_pretty(&list)? + "\n" } else { to_text(&list) };
            Ok(io::stdout().write_all(text.as_bytes())?)
        }
        InvitationCommand::Withdraw { which } => {
            let answer = order(global, Order::Withdraw(which.clone())).await?;
            let Answer::Invitation(info) = answer else { return unexpected() };
            say(&format!("the invitation {} for {} is withdrawn", info.id, info.name));
            Ok(())
        }
    }
}

fn to_text(all: &[InvitationInfo]) -> String {
    if all.is_empty() {
        return "nobody is invited\n".to_owned();
    }
    let mut table = Table::new(["name", "id", "status", "until"]);
    for invitation in all {
        let (status, until) = match invitation.status {
            InvitationStatus::Open => ("open", invitation.expires),
            InvitationStatus::Expired => ("expired", invitation.expires),
            InvitationStatus::Used => ("used", invitation.ended.unwrap_or(invitation.expires)),
            InvitationStatus::Withdrawn => ("withdrawn", invitation.ended.unwrap_or(invitation.expires)),
        };
        table.row([invitation.name.clone(), invitation.id.to_string(), status.to_owned(), utc(until)]);
    }
    table.to_string()
}

//! `v6tun-server invite NAME`: one line to paste on the PC.

use super::{load_config, order, say, told_back, unexpected, utc};
use crate::config::Config;
use crate::endpoint::ServerEndpoint;
use crate::order::{Answer, NewInvitation, Order};
use crate::roster;
use anyhow::{Result, anyhow};
use clap::Args;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use v6tun_cli::{Failure, qr};
use v6tun_keys::{Invitation, is_client_name};
use v6tun_wire::{GlobalArgs, OrFail};
use zeroize::Zeroizing;

/// How long an invitation is good unless it is said otherwise.
pub(crate) const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest that can be said: who waits for a year is better invited anew.
const MAX_LIFETIME: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Options of `invite`.
#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// What the PC will be called: 1 to 63 of a-z, 0-9 and -
    #[arg(value_parser = client_name)]
    pub(crate) name: String,
    /// How long it can be used: 90s, 30m, 24h, 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = lifetime)]
    pub(crate) expires: Duration,
    /// Show it as a QR code as well
    #[arg(long)]
    pub(crate) qr: bool,
    /// Where the PC finds this server [default: as the configuration says]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) endpoint: Option<ServerEndpoint>,
}

pub(crate) async fn run(global: &GlobalArgs, args: &InviteArgs) -> Result<()> {
    let config = load_config(global)?;
    if let Some(warning) = args.endpoint.as_ref().and_then(ServerEndpoint::warning) {
        say(&warning);
    }
    let invitation = make(&config, args.endpoint.as_ref(), args.expires)?;
    let new = described(&invitation, &args.name);
    let Answer::Invitation(info) = order(global, Order::Invite(new)).await? else { return unexpected() };
    say(&format!("{} is invited once, until {} (invitation {})", info.name, utc(info.expires), info.id));
    if let Err(error) = show(&invitation, args.qr) {
        // Nobody has read it.
        told_back(global, Order::Withdraw(info.id.to_string())).await;
        return Err(error.context(format!("{} is not invited: the invitation cannot be shown", info.name)));
    }
    Ok(())
}

fn show(invitation: &Invitation, as_qr_code: bool) -> Result<()> {
    let mut out = io::stdout();
    out.write_all(line(invitation).as_bytes())?;
    if as_qr_code {
        out.write_all(qr::render(&invitation.to_text(), out.is_terminal())?.as_bytes())?;
    }
    Ok(out.flush()?)
}

/// A new invitation to this server.
pub(crate) fn make(
    config: &Config,
    endpoint: Option<&ServerEndpoint>,
    lifetime: Duration,
) -> Result<Invitation> {
    let endpoint = endpoint.or(config.endpoint.as_ref()).ok_or_else(|| no_endpoint(config))?;
    let expires = roster::now().saturating_add(lifetime.as_secs());
    Invitation::new(&endpoint.with_port(config.listen_port), config.private_key.public_key(), expires)
        .or_failed()
}

/// What the server is to keep of it.
pub(crate) fn described(invitation: &Invitation, name: &str) -> NewInvitation {
    let identity = invitation.identity();
    NewInvitation {
        id: invitation.id,
        name: name.to_owned(),
        public_key: identity.private_key.public_key(),
        preshared_key: identity.preshared_key,
        expires: invitation.expires,
    }
}

/// What is typed on the PC.
pub(crate) fn line(invitation: &Invitation) -> Zeroizing<String> {
    Zeroizing::new(format!("v6tun-client up {}\n", invitation.to_text().as_str()))
}

/// Where clients find the server, if the file or the command line says so.
pub(super) fn no_endpoint(config: &Config) -> anyhow::Error {
    let hint = format!(
        "write it there: endpoint = \"203.0.113.233:{}\"; or give it once: --endpoint HOST:PORT",
        config.listen_port
    );
    let what = format!("{} does not say where clients find this server", config.path.display());
    Failure::usage(what).with_hint(hint).into()
}

pub(super) fn client_name(text: &str) -> Result<String, String> {
    if is_client_name(text) {
        Ok(text.to_owned())
    } else {
        Err("1 to 63 of a-z, 0-9 and -, such as desk-pc".to_owned())
    }
}

fn lifetime(text: &str) -> Result<Duration> {
    let lifetime =
        humantime::parse_duration(text).map_err(|error| anyhow!("{error}; such as 30m, 24h or 7d"))?;
    match lifetime.as_secs() {
        0 => Err(anyhow!("at least 1s")),
        _ if lifetime > MAX_LIFETIME => Err(anyhow!("at most 366d")),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_and_bounded() {
        assert_eq!(lifetime("24h").unwrap(), LIFETIME);
        assert_eq!(lifetime("7d").unwrap().as_secs(), 604_800);
        for (text, why) in [("0s", "at least"), ("500ms", "at least"), ("2y", "at most"), ("soon", "24h")] {
            assert!(lifetime(text).unwrap_err().to_string().contains(why), "{text}");
        }
    }

    #[test]
    fn the_server_is_told_nothing_by_which_the_invitation_could_be_used() {
        let config = Config::for_tests();
        let invitation = make(&config, Some(&"203.0.113.5".parse().unwrap()), LIFETIME).unwrap();
        let told = serde_json::to_string(&described(&invitation, "pc")).unwrap();
        let identity = invitation.identity();
        assert!(told.contains(&identity.private_key.public_key().to_string()));
        assert!(!told.contains(identity.private_key.to_base64().as_str()));
        assert!(line(&invitation).starts_with("v6tun-client up v6tun1:"));
    }

    #[test]
    fn a_server_that_does_not_say_where_it_is_invites_nobody() {
        let error = make(&Config::for_tests(), None, LIFETIME).unwrap_err();
        let failure = error.downcast_ref::<Failure>().unwrap();
        assert_eq!(failure.exit_code(), v6tun_cli::exit_code::USAGE);
        assert!(failure.hint().unwrap().contains("--endpoint"));
    }
}

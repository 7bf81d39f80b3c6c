//! What the administrator's orders are typed as, and how their answers look.

pub(crate) mod backup;
pub(crate) mod client;
pub(crate) mod export;
pub(crate) mod invitation;
pub(crate) mod invite;

use crate::ROLE;
use crate::config::Config;
use crate::order::{Answer, Order};
use crate::roster::Roster;
use crate::state::StateStore;
use crate::status::Status;
use crate::uplink::Uplink;
use crate::uplink_guard::Unlendable;
use anyhow::{Result, bail};
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use v6tun_host::network::Network;
use v6tun_wire::{GlobalArgs, OrFail};

/// Has an order carried out: by the server that runs, or else on its files.
async fn order(global: &GlobalArgs, order: Order) -> Result<Answer> {
    v6tun_wire::order::<Status>(ROLE, global, order, async |order| {
        let mut config = load_config(global)?;
        let uplink = uplink(&config).await.ok();
        config.follow(&StateStore::peek(&global.state_dir).or_failed()?, uplink.as_ref());
        // What this host uses itself, where its uplink can be seen.
        let unlendable = uplink.and_then(|uplink| Unlendable::of(&config.named(), &uplink).ok());
        let mut roster = Roster::open(&config, &global.state_dir, unlendable.unwrap_or_default())?;
        Ok(roster.carry_out(order)?.0)
    })
    .await
}

async fn uplink(config: &Config) -> Result<Uplink> {
    Uplink::find(&Network::open()?, config.uplink.as_deref()).await
}

fn load_config(global: &GlobalArgs) -> Result<Config> {
    Config::load(&ROLE.config_path(global)?)
}

/// Takes back what nobody could be shown; where that fails, too, says how to do it.
async fn told_back(global: &GlobalArgs, what: Order) {
    let by_hand = match &what {
        Order::Revoke(name) => format!("client revoke {name}"),
        Order::Withdraw(id) => format!("invitation withdraw {id}"),
        _ => String::new(),
    };
    if let Err(error) = order(global, what).await {
        say(&format!("{error:#}; `sudo {} {by_hand}` takes it back", ROLE.program));
    }
}

/// An answer to something else: a server of another version.
fn unexpected<T>() -> Result<T> {
    bail!("the server answered something else")
}

/// Says what was done, to whoever sits there; standard output is for what is asked for.
fn say(line: &str) {
    // Where standard error is closed nobody is left to be told.
    let _unheard = writeln!(io::stderr(), "{}: {line}", ROLE.program);
}

/// `2026-11-25T02:00:00Z`.
fn utc(unix_seconds: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds)).unwrap_or(SystemTime::UNIX_EPOCH);
    // The library's own bound: what lies beyond the year 9999 is shown as a number.
    match unix_seconds {
        0..=253_402_300_799 => humantime::format_rfc3339_seconds(time).to_string(),
        _ => unix_seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_in_utc_and_never_panic() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(1_795_572_000), "2026-11-25T02:00:00Z");
        assert_eq!(utc(u64::MAX), u64::MAX.to_string());
    }
}

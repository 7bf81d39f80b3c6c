//! Enrolling: from an invitation to a `client.toml`.
//!
//! ```text
//! is there a client.toml for this server?
//!   │ no      │ yes: knock with this PC's own key ── answered ──> it is enrolled already
//!   │         │ silence
//!   v         v
//! client.key: read, or made and written
//!   v
//! visit with the invitation's key: enrol {this PC's public key, name} ── refused ──> why
//!   │ enrolled {preshared key, name}
//!   v
//! client.psk written, then client.toml
//! ```
//!
//! Each file is on the disk before the next step, and is complete or not there. The server gives the same key the
//! same answer again, so whatever ends the program in between, the next try succeeds.

mod exchange;
mod files;
mod host_name;
mod refusal;
#[cfg(test)]
mod tests;
mod typed;
mod visit;

use std::path::Path;

use anyhow::{Result, anyhow};
use v6tun_cli::{Failure, config_file};
use v6tun_keys::Invitation;
use v6tun_wire::{GlobalArgs, Host, Operator};

pub(crate) use self::visit::is_known;

use self::files::Files;
use crate::{
    ROLE,
    args::JoinArgs,
    config::{self, Config, RawConfig},
    endpoint::Endpoint,
    interruption::unless_stopped,
    patience::Patience,
    service, spoken,
    status::Status,
};

pub(crate) use self::{
    files::{KEY_FILE, PRESHARED_KEY_FILE, folder_of},
    typed::{Typed, without_invitations},
};

/// What an enrolment came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enrolment {
    /// This PC is a client of the server now, by this name.
    New {
        /// As the server's owner chose it.
        name: String,
    },
    /// It has been one before, and the invitation was not needed.
    Known,
}

/// `v6tun-client join`: enrols, and does not connect.
pub(crate) async fn join(global: &GlobalArgs, args: &JoinArgs) -> Result<()> {
    let invitation = args.invitation.read()?;
    let path = config::path(global);
    v6tun_wire::up(ROLE, global, async |host: Host<'_, Status>| {
        match run(&invitation, &path, host.operator, Patience::start(None)).await? {
            Some(Enrolment::New { .. }) => {}
            Some(Enrolment::Known) => spoken::say(&spoken::known(&invitation.endpoint)),
            None => return Err(Failure::failed("not enrolled: stopped before the server answered").into()),
        }
        Ok(())
    })
    .await
    .map_err(|error| service::name_holder(error, global))
}

/// Enrols this PC, if the server does not know it yet, and says so; `None` if the operator wanted the end before.
pub(crate) async fn run(
    invitation: &Invitation,
    path: &Path,
    operator: &mut Operator<Status>,
    patience: Patience,
) -> Result<Option<Enrolment>> {
    let doing = format!("enrolling at {}", invitation.endpoint);
    let enrolled = unless_stopped(operator, &doing, enrol(invitation, path, patience)).await.transpose()?;
    if let Some(Enrolment::New { name }) = &enrolled {
        spoken::say(&spoken::enrolled(name, &invitation.endpoint));
    }
    Ok(enrolled)
}

async fn enrol(invitation: &Invitation, path: &Path, patience: Patience) -> Result<Enrolment> {
    let endpoint = endpoint(invitation)?;
    let (config, written) = existing(path, invitation)?.unzip();
    let files = Files::beside(path, written);
    files.check()?;
    if let Some(config) = config
        && is_known(&config).await
    {
        return Ok(Enrolment::Known);
    }
    let own_key = files.private_key()?.public_key();
    let endpoint = tokio::select! {
        found = endpoint.resolve() => found?,
        () = patience.over() => return Err(anyhow!("still looking up {endpoint}").context(patience.failure())),
    };
    let membership = visit::enrol(invitation, own_key, endpoint, patience).await?;
    files.write(invitation, &membership)?;
    Ok(Enrolment::New { name: membership.name })
}

/// What `up` with this invitation will begin with, in a line, and the configuration that it will have then, but for
/// the keys. Nothing is sent or written.
pub(crate) fn foresee(invitation: &Invitation, path: &Path) -> Result<(String, Config)> {
    let endpoint = endpoint(invitation)?;
    if let Some((config, _)) = existing(path, invitation)? {
        let note =
            format!("# enrols at {endpoint} first, unless it knows this PC; writes {}\n", path.display());
        return Ok((note, config));
    }
    let note = format!(
        "# enrols at {endpoint} first; writes {}, and {KEY_FILE} and {PRESHARED_KEY_FILE} beside it\n",
        path.display()
    );
    Ok((note, Config::foreseen(invitation.identity().private_key, invitation.server, endpoint)))
}

fn endpoint(invitation: &Invitation) -> Result<Endpoint> {
    invitation.endpoint.parse().map_err(|why: String| {
        Failure::usage(format!("the invitation cannot be used: endpoint: {why}"))
            .with_hint("`v6tun-server invite NAME --endpoint HOST:PORT`, on the server, makes another")
            .into()
    })
}

/// The `client.toml` that is there, if it is for the invitation's server.
fn existing(path: &Path, invitation: &Invitation) -> Result<Option<(Config, RawConfig)>> {
    // Where even that may not be known, reading it will say why.
    if !path.try_exists().unwrap_or(true) {
        return Ok(None);
    }
    let (config, written) = (Config::load(path)?, config_file::load::<RawConfig>(path)?);
    if config.server != invitation.server {
        let what = format!("{} is for another server ({})", path.display(), config.endpoint);
        let hint = format!(
            "{} removes it; `--config FILE` with folders of its own keeps both",
            ROLE.command("forget")
        );
        return Err(Failure::failed(what).with_hint(hint).into());
    }
    Ok(Some((config, written)))
}

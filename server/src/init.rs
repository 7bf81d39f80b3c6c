//! `v6tun-server init`, and `up` where there is no configuration: from a look at the host to `server.toml`.
//!
//! What is found decides what is written; nothing is asked but whether to write it, and that only by `init` and
//! only where somebody sits at a terminal.

mod proposal;
mod server_toml;

use crate::ROLE;
use crate::args::InitArgs;
use crate::config::{self, Config};
use crate::endpoint::ServerEndpoint;
use crate::host_shape::Facts;
use anyhow::Result;
use proposal::Proposal;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tracing::warn;
use v6tun_cli::Failure;
use v6tun_host::directory::ensure_private_dir;
use v6tun_host::durable_file::{self, DurableFileError};
use v6tun_host::network::Network;
use v6tun_keys::PrivateKey;
use v6tun_keys::key_file::{self, KeyFileError};
use v6tun_wire::{Folders, GlobalArgs, OrFail, refuse_unless_untouched};

/// The server's key, beside `server.toml`.
const KEY_FILE: &str = "server.key";

/// Writes the configuration, and nothing else.
pub(crate) async fn run(global: &GlobalArgs, args: &InitArgs) -> Result<()> {
    let path = ROLE.config_file(global);
    if is_there(&path) {
        let what = format!("{} is there already and stays as it is", path.display());
        let hint = format!("edit it; or move it away and run this again: mv {0} {0}.old", path.display());
        return Err(Failure::failed(what).with_hint(hint).into());
    }
    let proposal = propose(global, &path, args.endpoint.as_ref()).await?;
    say(&proposal.report())?;
    let is_asked = !args.yes && io::stdin().is_terminal() && io::stdout().is_terminal();
    if is_asked && !confirm(&path)? {
        return Err(Failure::failed("nothing was written").into());
    }
    write(&path, &proposal)?;
    let option = global.config.as_ref().map_or(String::new(), |path| format!(" --config {}", path.display()));
    say(&format!("{}\nnext: sudo {}{option} up\n", written(&path), ROLE.program))
}

/// The configuration as it is, or one by what is found on the host. A dry run prints that one and writes nothing.
/// `endpoint` wins over the file's.
pub(crate) async fn ensure_config(
    global: &GlobalArgs,
    endpoint: Option<&ServerEndpoint>,
    dry_run: bool,
) -> Result<Config> {
    let path = ROLE.config_file(global);
    let is_fresh = !is_there(&path);
    let mut config = match (is_fresh, &global.config) {
        (false, _) => Config::load(&path)?,
        (true, Some(named)) => return Err(no_such_file(named)),
        (true, None) => make_config(global, &path, endpoint, dry_run).await?,
    };
    config.endpoint = endpoint.cloned().or(config.endpoint);
    if let Some(warning) = config.endpoint.as_ref().and_then(ServerEndpoint::warning) {
        warn!("{warning}");
    }
    Ok(config)
}

async fn make_config(
    global: &GlobalArgs,
    path: &Path,
    endpoint: Option<&ServerEndpoint>,
    dry_run: bool,
) -> Result<Config> {
    let proposal = propose(global, path, endpoint).await?;
    if dry_run {
        let text =
            format!("{}would write {}:\n{}", proposal.report(), path.display(), proposal.server_toml());
        say(&commented(&text))?;
        let key = key_file::read_private_key(&key_path(path));
        return Ok(proposal.config(path, key.or_else(|_| PrivateKey::generate())?));
    }
    say(&proposal.report())?;
    write(path, &proposal)?;
    say(&format!("{}\n", written(path)))?;
    Config::load(path)
}

/// Looks at the host, which must be as it is without this program.
async fn propose(global: &GlobalArgs, path: &Path, endpoint: Option<&ServerEndpoint>) -> Result<Proposal> {
    let network = Network::open()?;
    refuse_unless_untouched(&Folders::named(ROLE, global), &network, config::DEFAULT_INTERFACE).await?;
    Proposal::of(Facts::gather(&network).await?, endpoint, path)
}

/// The file as it would be written for this host, and the endpoint in it.
pub(crate) async fn propose_text(network: &Network, path: &Path) -> Result<(String, ServerEndpoint)> {
    let proposal = Proposal::of(Facts::gather(network).await?, None, path)?;
    Ok((proposal.server_toml(), proposal.endpoint))
}

/// The key first: a configuration without one would be in the way of the next attempt.
fn write(path: &Path, proposal: &Proposal) -> Result<()> {
    let folder = folder_of(path);
    if !folder.exists() {
        ensure_private_dir(&folder).or_failed()?;
    }
    let key_path = key_path(path);
    if is_there(&key_path) {
        key_file::read_private_key(&key_path).or_misconfigured()?;
    } else {
        write_key(&key_path)?;
    }
    durable_file::replace(path, proposal.server_toml().as_bytes(), 0o600).or_failed()
}

fn write_key(path: &Path) -> Result<()> {
    match key_file::write_new(path, &PrivateKey::generate()?.to_base64()) {
        // Of the file system's reasons the other error knows what to do about each.
        Err(KeyFileError::Io { operation, path, source }) => {
            Err(DurableFileError { operation, path, source }).or_failed()
        }
        outcome => outcome.or_failed(),
    }
}

fn confirm(path: &Path) -> Result<bool> {
    write!(io::stdout(), "write {} and its key? [Y/n] ", path.display())?;
    io::stdout().flush()?;
    let mut answer = String::new();
    let is_answered = io::stdin().read_line(&mut answer)? > 0;
    Ok(is_answered && ["", "y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

/// A link that leads nowhere is something, too.
fn is_there(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(_) => true,
        // Where even that may not be known, reading it will say why.
        Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound),
    }
}

fn no_such_file(path: &Path) -> anyhow::Error {
    let hint = format!(
        "check the path after --config; `{} init --config {}` writes one there",
        ROLE.program,
        path.display()
    );
    Failure::usage(format!("cannot read {}: there is no such file", path.display())).with_hint(hint).into()
}

fn key_path(config: &Path) -> PathBuf {
    folder_of(config).join(KEY_FILE)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn written(path: &Path) -> String {
    format!("wrote {}; this server's key is {}", path.display(), key_path(path).display())
}

/// As lines that a shell passes over.
fn commented(text: &str) -> String {
    text.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect()
}

fn say(text: &str) -> Result<()> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests;

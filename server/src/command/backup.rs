//! `v6tun-server backup FILE` and `restore FILE`: configuration, keys and clients in one file, to move a VPS.
//!
//! The backup holds secrets. It is for the same server in another place: the same keys, so that the clients find it
//! again by themselves where its endpoint is a DNS name, or stays the same.

mod adaptation;
mod file;

use super::say;
use crate::ROLE;
use crate::config::{self, Config};
use crate::state::{State, StateError, StateStore};
use anyhow::{Context, Result};
use clap::Args;
use file::{Backup, KeptFile};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use v6tun_cli::{Failure, config_file};
use v6tun_host::directory::ensure_private_dir;
use v6tun_host::durable_file;
use v6tun_host::instance_lock::InstanceLock;
use v6tun_wire::{Folders, GlobalArgs, OrFail};

/// Permission bits of all that is written here.
const MODE: u32 = 0o600;

/// Replaced files that are kept beside each other.
const MAX_ASIDE: u32 = 100;

/// Options of `backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// Where to write it; - for standard output
    pub(crate) file: PathBuf,
}

/// Options of `restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// What `backup` wrote
    pub(crate) file: PathBuf,
    /// Keep what is here already aside, under the ending .replaced
    #[arg(long)]
    pub(crate) replace: bool,
}

pub(crate) fn back_up(global: &GlobalArgs, args: &BackupArgs) -> Result<()> {
    let path = ROLE.config_path(global)?;
    // What would not start anywhere is no backup.
    Config::load(&path)?;
    let mut files = Vec::new();
    for named in config::key_files(&path)? {
        beside_config(&path, &named).ok_or_else(|| elsewhere(&named))?;
        let resolved = config_file::resolve(&path, &named);
        let content =
            fs::read_to_string(&resolved).with_context(|| format!("cannot read {}", resolved.display()))?;
        files.push(KeptFile { path: named, content });
    }
    let config = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let state = StateStore::peek(&global.state_dir).or_failed()?;
    let clients = state.clients.len();
    let text = Backup { config, files, state }.to_text()?;
    if args.file == Path::new("-") {
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    refuse_foreign(&args.file)?;
    durable_file::replace(&args.file, text.as_bytes(), MODE).or_failed()?;
    say(&format!(
        "wrote {}: the configuration, its keys and {clients} clients. It holds secrets: keep it so",
        args.file.display()
    ));
    Ok(())
}

/// An earlier backup gives way; nothing else does.
fn refuse_foreign(path: &Path) -> Result<()> {
    match file::is_backup(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(true) => Ok(()),
        _ => Err(Failure::failed(format!("{} is there already, and is no backup", path.display()))
            .with_hint("choose another name for the backup")
            .into()),
    }
}

pub(crate) async fn restore(global: &GlobalArgs, args: &RestoreArgs) -> Result<()> {
    let backup = Backup::read(&args.file)?;
    ensure_private_dir(&global.state_dir).or_failed()?;
    let folders = Folders::named(ROLE, global);
    let _lock = InstanceLock::acquire(&folders.state_lock).or_failed()?;
    let path = ROLE.config_file(global);
    let folder = path.parent().unwrap_or(Path::new("/"));
    if !folder.exists() {
        ensure_private_dir(folder).or_failed()?;
    }
    check(&backup, &path, &global.state_dir)?;
    let mut texts: Vec<(PathBuf, &str)> = vec![(path.clone(), &backup.config)];
    texts.extend(
        backup.files.iter().map(|file| (config_file::resolve(&path, &file.path), file.content.as_str())),
    );
    let differing: Vec<&PathBuf> =
        texts.iter().filter(|(path, content)| differs(path, content)).map(|(path, _)| path).collect();
    let state_differs = has_other_state(&global.state_dir, &backup.state)?;
    if !args.replace && (!differing.is_empty() || state_differs) {
        return Err(in_the_way(&differing, state_differs, global));
    }
    for path in differing.into_iter().filter(|path| path.exists()) {
        keep_aside(path)?;
    }
    for path in StateStore::files(&global.state_dir).iter().filter(|path| state_differs && path.exists()) {
        keep_aside(path)?;
    }
    StateStore::restore(&global.state_dir, &backup.state).or_failed()?;
    // The configuration last: with it the server can be started.
    for (path, content) in texts.iter().rev() {
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            ensure_private_dir(folder).or_failed()?;
        }
        durable_file::replace(path, content.as_bytes(), MODE).or_failed()?;
    }
    say(&format!("restored {} and {} clients", path.display(), backup.state.clients.len()));
    adaptation::fit_to_host(&path).await;
    say(&format!("next: sudo {} up", ROLE.program));
    Ok(())
}

/// Refuses a backup whose configuration and keys make no server: they are read as `up` would, in a folder that is
/// thrown away.
fn check(backup: &Backup, path: &Path, state_dir: &Path) -> Result<()> {
    let trial = state_dir.join("restoring");
    // Of a run that was killed.
    let _gone = fs::remove_dir_all(&trial);
    ensure_private_dir(&trial).or_failed()?;
    let checked = check_in(backup, path, &trial);
    let _gone = fs::remove_dir_all(&trial);
    checked.context(Failure::failed("nothing is restored: the backup makes no server"))
}

fn check_in(backup: &Backup, path: &Path, trial: &Path) -> Result<()> {
    let config = trial.join("server.toml");
    for file in &backup.files {
        let beside = beside_config(path, &file.path).ok_or_else(|| elsewhere(&file.path))?;
        let target = trial.join(beside);
        if let Some(folder) = target.parent() {
            ensure_private_dir(folder).or_failed()?;
        }
        durable_file::replace(&target, file.content.as_bytes(), MODE).or_failed()?;
    }
    let mut text = backup.config.clone();
    if let Some(folder) = path.parent() {
        // A key that is named by its whole path is looked for in its trial place.
        text = text.replace(&format!("\"{}/", folder.display()), "\"");
    }
    durable_file::replace(&config, text.as_bytes(), MODE).or_failed()?;
    Config::load(&config)?;
    let named = config::key_files(&config)?;
    let is_named =
        |file: &&KeptFile| beside_config(path, &file.path).is_some_and(|file| named.contains(&file));
    match backup.files.iter().find(|file| !is_named(file)) {
        Some(stray) => {
            let what = format!("its configuration names no key file {}", stray.path.display());
            Err(Failure::failed(what).with_hint("take a file that `v6tun-server backup` wrote").into())
        }
        None => Ok(()),
    }
}

/// Where a key file is below the folder of the configuration; `None` for one that is elsewhere.
fn beside_config(config: &Path, named: &Path) -> Option<PathBuf> {
    let folder = config.parent()?;
    let relative = match named.is_absolute() {
        true => named.strip_prefix(folder).ok()?,
        false => named,
    };
    let is_below = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    is_below.then(|| relative.to_owned())
}

fn elsewhere(named: &Path) -> anyhow::Error {
    Failure::failed(format!("the key file {} is not in the configuration's folder", named.display()))
        .with_hint("keys that lie beside server.toml are moved with it; name them by their file names")
        .into()
}

fn differs(path: &Path, content: &str) -> bool {
    match fs::read(path) {
        Ok(found) => found != content.as_bytes(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Whether there are clients or invitations here which are not the backup's. A damaged state is what is to be restored.
fn has_other_state(folder: &Path, wanted: &State) -> Result<bool> {
    match StateStore::peek(folder) {
        Ok(found) => Ok(found != State::default() && found != *wanted),
        Err(StateError::BothDamaged { .. }) => Ok(false),
        Err(error) => Err(error).or_failed(),
    }
}

fn in_the_way(files: &[&PathBuf], has_state: bool, global: &GlobalArgs) -> anyhow::Error {
    let mut things: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    if has_state {
        things.push(format!("the clients in {}", global.state_dir.display()));
    }
    let what = format!("nothing is restored: something else is here already: {}", things.join(", "));
    Failure::failed(what).with_hint("--replace keeps it aside under the ending .replaced").into()
}

/// Copies it to a name that nothing has: until the new content is in its place, the old one must be there.
fn keep_aside(path: &Path) -> Result<()> {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if number == 1 { ".replaced".to_owned() } else { format!(".replaced-{number}") });
        PathBuf::from(name)
    };
    let free = (1..=MAX_ASIDE).map(named).find(|aside| !aside.exists());
    let aside = free.with_context(|| format!("{} of {} are kept already", MAX_ASIDE, path.display()))?;
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    durable_file::replace(&aside, &content, MODE).or_failed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use v6tun_keys::PrivateKey;

    fn backup(key_path: &str, key: &str) -> Backup {
        Backup {
            config: format!("private-key-file = \"{key_path}\"\n"),
            files: vec![KeptFile { path: key_path.into(), content: key.to_owned() }],
            state: State::default(),
        }
    }

    fn checked(backup: &Backup) -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let checked = check(backup, Path::new("/etc/v6tun/server.toml"), folder.path());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
        checked
    }

    #[test]
    fn keys_are_restored_beside_the_configuration_and_nowhere_else() {
        let key = PrivateKey::from_bytes([5; 32]).to_base64().to_string();
        for path in ["server.key", "keys/server.key", "/etc/v6tun/server.key"] {
            checked(&backup(path, &key)).unwrap();
        }
        for path in ["/etc/cron.d/evil", "../cron.d/evil", "keys/../../evil", "/etc/v6tun/../evil"] {
            let error = checked(&backup(path, &key)).unwrap_err();
            assert!(format!("{error:#}").contains("not in the configuration's folder"), "{path}: {error:#}");
        }
    }

    #[test]
    fn a_backup_that_makes_no_server_is_refused_before_anything_is_written() {
        assert!(checked(&backup("server.key", "* * * * * root evil\n")).is_err());
        let missing = Backup { files: Vec::new(), ..backup("server.key", "") };
        assert!(checked(&missing).is_err());
        let key = PrivateKey::from_bytes([5; 32]).to_base64().to_string();
        let mut stray = backup("server.key", &key);
        stray.files.push(KeptFile { path: "client.toml".into(), content: key });
        assert!(format!("{:#}", checked(&stray).unwrap_err()).contains("names no key file client.toml"));
    }
}

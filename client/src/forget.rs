//! `v6tun-client forget`: this PC is nobody's client any more. The server is not told: its owner revokes.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use v6tun_cli::{Failure, config_file};
use v6tun_host::{
    control_socket::is_listened_to,
    durable_file::name_of_new,
    instance_lock::{InstanceLock, LockError},
};
use v6tun_wire::{Folders, GlobalArgs, OrFail};

use crate::{
    ROLE,
    args::ForgetArgs,
    config::{self, RawConfig},
    enrolment::{KEY_FILE, PRESHARED_KEY_FILE, folder_of},
    spoken,
    state_file::StateFile,
};

pub(crate) async fn run(global: &GlobalArgs, args: &ForgetArgs) -> Result<()> {
    let folders = Folders::named(ROLE, global);
    let _lock = refuse_while_running(&folders).await?;
    let traces = Traces::find(&config::path(global), StateFile::path(global));
    if traces.ours.is_empty() {
        spoken::say("there is nothing to forget");
        return Ok(());
    }
    if !args.yes && !is_wanted(&traces)? {
        return Err(Failure::failed("nothing was removed").into());
    }
    traces.remove()?;
    spoken::say(
        "the server keeps this PC's place until its owner ends it: `v6tun-server client revoke NAME`",
    );
    Ok(())
}

/// The lock keeps it from being started meanwhile. A folder that is not there has seen no client.
async fn refuse_while_running(folders: &Folders) -> Result<Option<InstanceLock>> {
    if is_listened_to(&folders.control_socket).await {
        return Err(Failure::failed("the client is running")
            .with_hint(format!("{} stops it; then forget", ROLE.command("down")))
            .into());
    }
    if !folder_of(&folders.state_lock).exists() {
        return Ok(None);
    }
    match InstanceLock::acquire(&folders.state_lock) {
        Err(error @ LockError::Io { .. }) => {
            let hint = ROLE.command("forget");
            Err(Failure::failed(error.to_string()).with_hint(hint).into())
        }
        outcome => outcome.or_failed().map(Some),
    }
}

/// Asks, if there is somebody to be asked.
fn is_wanted(traces: &Traces) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask at whether to remove this PC's key")
            .with_hint(format!("{} does not ask", ROLE.command("forget --yes")))
            .into());
    }
    let mut question = String::new();
    for path in &traces.ours {
        question += &format!("{}\n", path.display());
    }
    question += "Remove these files? A new invitation will be needed. [y/N] ";
    io::stderr().write_all(question.as_bytes())?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// What a client has left on this PC, in the order in which it goes: nothing that is there names what is gone.
#[derive(Debug, Default)]
struct Traces {
    ours: Vec<PathBuf>,
    /// Key files that `client.toml` names and that are elsewhere: somebody put them there.
    elsewhere: Vec<PathBuf>,
}

impl Traces {
    fn find(config: &Path, state_file: PathBuf) -> Self {
        let folder = folder_of(config);
        let named = match config_file::load::<RawConfig>(config) {
            Ok(written) => vec![Some(written.private_key_file), written.server.preshared_key_file],
            // It goes all the same.
            Err(_) => Vec::new(),
        };
        let named = named.into_iter().flatten().map(|file| config_file::resolve(config, &file));
        let (beside, elsewhere): (Vec<_>, Vec<_>) = named.partition(|file| folder_of(file) == folder);
        let usual = [PRESHARED_KEY_FILE, KEY_FILE].map(|name| config_file::resolve(config, Path::new(name)));
        let mut traces = Self::default();
        let files = std::iter::once(config.to_owned()).chain(beside).chain(usual).chain([state_file]);
        for file in files.flat_map(|file| [name_of_new(&file), file]) {
            if fs::symlink_metadata(&file).is_ok() && !traces.ours.contains(&file) {
                traces.ours.push(file);
            }
        }
        traces.elsewhere.extend(elsewhere.into_iter().filter(|file| file.exists()));
        traces
    }

    fn remove(self) -> Result<()> {
        for path in &self.ours {
            let hint = ROLE.command("forget");
            let what = format!("cannot remove {}", path.display());
            fs::remove_file(path).with_context(|| Failure::failed(what).with_hint(hint))?;
            spoken::say(&format!("removed {}", path.display()));
        }
        for path in &self.elsewhere {
            spoken::say(&format!("left {}, which is not beside the configuration", path.display()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "[server]\npublic-key = \"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\"\n\
                          endpoint = \"203.0.113.233:51820\"\n";

    struct Pc(tempfile::TempDir);

    impl Pc {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for name in ["etc", "var", "keys"] {
                fs::create_dir(folder.path().join(name)).unwrap();
            }
            for (name, content) in files {
                fs::write(folder.path().join(name), content).unwrap();
            }
            Self(folder)
        }

        fn traces(&self) -> Traces {
            let folder = self.0.path();
            Traces::find(&folder.join("etc/client.toml"), folder.join("var/client-state.toml"))
        }

        fn left(&self) -> Vec<String> {
            let mut left = Vec::new();
            for folder in ["etc", "keys", "var"] {
                for entry in fs::read_dir(self.0.path().join(folder)).unwrap() {
                    left.push(format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
                }
            }
            left.sort();
            left
        }
    }

    #[test]
    fn all_that_an_enrolment_leaves_goes_and_nothing_else() {
        let toml =
            format!("private-key-file = \"client.key\"\n{SERVER}preshared-key-file = \"client.psk\"\n");
        let pc = Pc::with(&[
            ("etc/client.toml", &toml),
            ("etc/client.key", ""),
            ("etc/client.key.new", "of a crash"),
            ("etc/client.psk", ""),
            ("etc/server.toml", ""),
            ("etc/server.key", ""),
            ("var/client-state.toml", ""),
            ("var/client-journal.jsonl", ""),
        ]);
        assert_eq!(pc.traces().ours.len(), 5);
        pc.traces().remove().unwrap();
        assert_eq!(pc.left(), ["etc/server.key", "etc/server.toml", "var/client-journal.jsonl"]);
        assert!(pc.traces().ours.is_empty());
    }

    #[test]
    fn a_key_of_another_name_goes_and_one_in_another_folder_is_left() {
        let toml =
            format!("private-key-file = \"../keys/pc.key\"\n{SERVER}preshared-key-file = \"my.psk\"\n");
        let pc = Pc::with(&[("etc/client.toml", &toml), ("keys/pc.key", ""), ("etc/my.psk", "")]);
        let traces = pc.traces();
        assert!(traces.elsewhere[0].ends_with("keys/pc.key"), "{traces:?}");
        traces.remove().unwrap();
        assert_eq!(pc.left(), ["keys/pc.key"]);
    }

    #[test]
    fn a_configuration_that_cannot_be_read_goes_all_the_same() {
        let pc = Pc::with(&[("etc/client.toml", "garbage"), ("etc/client.key", "")]);
        pc.traces().remove().unwrap();
        assert!(pc.left().is_empty());
    }

    #[test]
    fn nobody_is_asked_without_a_terminal() {
        if io::stdin().is_terminal() {
            return;
        }
        let error = is_wanted(&Traces::default()).unwrap_err();
        let failure = error.downcast_ref::<Failure>().unwrap();
        assert!(failure.hint().unwrap().contains("--yes"));
    }
}

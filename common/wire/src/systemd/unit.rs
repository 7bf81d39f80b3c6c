//! The unit's text: the program's template, fitted to where this host keeps things.

use super::executable;
use crate::GlobalArgs;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use v6tun_cli::Failure;

/// How each unit of ours begins.
pub const MARK: &str = "# Made by v6tun,";

const DEFAULT_STATE_DIR: &str = "/var/lib/v6tun";
const DEFAULT_RUNTIME_DIR: &str = "/run/v6tun";

/// What differs between one host's unit and another's: absolute paths, which systemd can write.
#[derive(Debug)]
pub(super) struct Unit {
    template: &'static str,
    program: String,
    config: Option<String>,
    state_dir: String,
    runtime_dir: String,
}

impl Unit {
    /// A service that runs `up` with these options.
    ///
    /// # Errors
    /// For a path that the service could not see.
    pub(super) fn new(template: &'static str, program: &Path, global: &GlobalArgs) -> Result<Self> {
        Ok(Self {
            template,
            program: text(program.to_owned())?,
            config: global.config.as_deref().map(visible).transpose()?,
            state_dir: visible(&global.state_dir)?,
            runtime_dir: visible(&global.runtime_dir)?,
        })
    }

    /// The file.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in self.template.lines() {
            let fitted = match line.split_once('=') {
                Some(("ExecStart", _)) => Some(format!("ExecStart={}", self.command_line())),
                Some(("ConfigurationDirectory", _)) => self.configuration_directory(line),
                Some(("StateDirectory", _)) => Some(directory("StateDirectory", "/var/lib", &self.state_dir)),
                Some(("RuntimeDirectory", _)) => {
                    Some(directory("RuntimeDirectory", "/run", &self.runtime_dir))
                }
                _ => Some(line.to_owned()),
            };
            if let Some(line) = fitted {
                let _infallible = writeln!(text, "{line}");
            }
        }
        text
    }

    /// What the service runs.
    pub(super) fn command_line(&self) -> String {
        let mut line = format!("{} up", word(&self.program));
        let config = self.config.as_ref().map(|config| ("--config", config));
        let state = (self.state_dir != DEFAULT_STATE_DIR).then_some(("--state-dir", &self.state_dir));
        let runtime =
            (self.runtime_dir != DEFAULT_RUNTIME_DIR).then_some(("--runtime-dir", &self.runtime_dir));
        for (option, path) in [config, state, runtime].into_iter().flatten() {
            let _infallible = write!(line, " {option} {}", word(path).replace('$', "$$"));
        }
        line
    }

    /// A configuration elsewhere is only read, and all the file system can be.
    fn configuration_directory(&self, line: &str) -> Option<String> {
        self.config.is_none().then(|| line.to_owned())
    }
}

/// The line that opens a folder to the service. One below `base` systemd makes at each start.
fn directory(setting: &str, base: &str, folder: &str) -> String {
    match Path::new(folder).strip_prefix(base) {
        Ok(below) if below != Path::new("") => format!("{setting}={}", word(&below.to_string_lossy())),
        _ => format!("ReadWritePaths={}", word(folder)),
    }
}

/// The path from `/` on, unless the unit hides it from the service.
fn visible(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))?;
    if let Some(hidden) = executable::hidden(&absolute) {
        let what = format!("{} lies below {hidden}, where services do not look", absolute.display());
        let hint = "configurations belong below /etc, state below /var/lib, sockets below /run";
        return Err(Failure::usage(what).with_hint(hint).into());
    }
    text(absolute)
}

fn text(path: PathBuf) -> Result<String> {
    path.into_os_string()
        .into_string()
        .map_err(|path| Failure::usage(format!("{} is not UTF-8, as a unit must be", path.display())).into())
}

/// One word in a unit (systemd.syntax(7), systemd.unit(5) for the `%`).
fn word(text: &str) -> String {
    let text = text.replace('%', "%%");
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=$".contains(c);
    if text.chars().all(is_plain) {
        return text;
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _infallible = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "# Made by v6tun, anew
[Service]
ExecStart=/usr/bin/v6tun up
ConfigurationDirectory=v6tun
StateDirectory=v6tun
StateDirectoryMode=0700
RuntimeDirectory=v6tun
";

    fn global(config: Option<&str>, state_dir: &str, runtime_dir: &str) -> GlobalArgs {
        GlobalArgs {
            config: config.map(PathBuf::from),
            state_dir: state_dir.into(),
            runtime_dir: runtime_dir.into(),
            verbose: 0,
            quiet: false,
        }
    }

    fn unit(program: &str, global: &GlobalArgs) -> String {
        Unit::new(TEMPLATE, Path::new(program), global).unwrap().text()
    }

    #[test]
    fn where_all_is_usual_the_unit_is_the_template() {
        let usual = global(None, DEFAULT_STATE_DIR, DEFAULT_RUNTIME_DIR);
        assert_eq!(unit("/usr/bin/v6tun", &usual), TEMPLATE);
        let local = unit("/usr/local/bin/v6tun", &usual);
        assert!(local.contains("\nExecStart=/usr/local/bin/v6tun up\n"), "{local}");
    }

    #[test]
    fn folders_elsewhere_stand_in_the_command_and_are_open_to_it() {
        let text = unit("/opt/v", &global(Some("/etc/two/a b.toml"), "/srv/100%", "/run/two"));
        let command = "ExecStart=/opt/v up --config \"/etc/two/a b.toml\" --state-dir /srv/100%% --runtime-dir /run/two\n";
        assert!(text.contains(command), "{text}");
        assert!(text.contains("\nReadWritePaths=/srv/100%%\n"), "{text}");
        assert!(text.contains("\nRuntimeDirectory=two\n"), "{text}");
        assert!(!text.contains("ConfigurationDirectory="), "{text}");
    }

    #[test]
    fn what_the_service_would_not_see_is_refused() {
        for (config, state) in [(Some("/root/server.toml"), "/var/lib/v6tun"), (None, "/home/me/state")] {
            let error =
                Unit::new(TEMPLATE, Path::new("/opt/v"), &global(config, state, "/run/v6tun")).unwrap_err();
            assert!(error.to_string().contains("where services do not look"), "{error}");
        }
    }

    #[test]
    fn a_word_is_one_word_whatever_is_in_it() {
        assert_eq!(word("/a-b.c"), "/a-b.c");
        assert_eq!(word("/a b\"c\\d\ne%"), "\"/a b\\\"c\\\\d\\x0ae%%\"");
    }
}

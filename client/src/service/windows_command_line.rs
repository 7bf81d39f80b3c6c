//! How Windows starts the service: by the options that `install` was given.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use v6tun_cli::Failure;
use v6tun_host::paths;
use v6tun_wire::GlobalArgs;

/// The arguments behind the program: the hidden subcommand, and what is not as usual. Paths are absolute, as a service
/// starts in another folder.
pub(super) fn arguments(global: &GlobalArgs) -> io::Result<Vec<OsString>> {
    let mut arguments: Vec<OsString> = vec!["service".into()];
    let mut add = |option: &str, path: &Path| -> io::Result<()> {
        arguments.extend([option.into(), std::path::absolute(path)?.into_os_string()]);
        Ok(())
    };
    if let Some(path) = &global.config {
        add("--config", path)?;
    }
    let folders: [(&str, &PathBuf, PathBuf); 2] = [
        ("--state-dir", &global.state_dir, paths::state_dir()),
        ("--runtime-dir", &global.runtime_dir, paths::runtime_dir()),
    ];
    for (option, path, usual) in folders {
        if *path != usual {
            add(option, path)?;
        }
    }
    arguments.extend(std::iter::repeat_n(OsString::from("--verbose"), global.verbose.into()));
    if global.quiet {
        arguments.push("--quiet".into());
    }
    Ok(arguments)
}

/// Refuses a path that Windows' service manager could take for another program's: it knows no escape for a quotation
/// mark, and no other program may stand where a path is cut.
pub(super) fn require_quotable(program: &Path) -> Result<()> {
    let text = program.to_string_lossy();
    if text.contains('"') || text.starts_with(r"\\") && !text.starts_with(r"\\?\") {
        let what = format!("a service cannot be started from {text}");
        let hint = r"copy the folder to C:\Program Files\v6tun, and install it from there";
        return Err(Failure::failed(what).with_hint(hint).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    fn arguments_of(options: &[&str]) -> Vec<OsString> {
        let args = Args::parse_from([&["v6tun-client", "down"], options].concat());
        arguments(&args.global).unwrap()
    }

    #[test]
    fn where_all_is_usual_there_is_the_subcommand_alone() {
        assert_eq!(arguments_of(&[]), ["service"]);
    }

    #[test]
    fn options_are_handed_on_with_absolute_paths() {
        let here = std::path::absolute("my client.toml").unwrap();
        let state = std::path::absolute("state").unwrap();
        assert_eq!(
            arguments_of(&["--config", "my client.toml", "--state-dir", "state", "-vv"]),
            [
                "service".as_ref(),
                "--config".as_ref(),
                here.as_os_str(),
                "--state-dir".as_ref(),
                state.as_os_str(),
                "--verbose".as_ref(),
                "--verbose".as_ref()
            ]
        );
    }

    #[test]
    fn what_is_handed_on_is_what_the_service_reads() {
        let args = arguments_of(&["--runtime-dir", "run here", "-q"]);
        let line: Vec<OsString> = [vec!["v6tun-client".into()], args].concat();
        // The subcommand is Windows' alone; the options stand behind any.
        let line = line.into_iter().map(|word| if word == "service" { "down".into() } else { word });
        let read = Args::parse_from(line).global;
        assert_eq!(read.runtime_dir, std::path::absolute("run here").unwrap());
        assert!(read.quiet && read.config.is_none());
    }

    #[test]
    fn a_path_that_cannot_be_quoted_or_is_on_another_machine_is_refused() {
        for path in ["C:\\a\"b\\v6tun-client.exe", r"\\server\share\v6tun-client.exe"] {
            let error = require_quotable(Path::new(path)).unwrap_err();
            assert!(error.downcast_ref::<Failure>().unwrap().hint().is_some(), "{path}");
        }
        require_quotable(Path::new(r"C:\Program Files\v6tun\v6tun-client.exe")).unwrap();
        require_quotable(Path::new(r"\\?\C:\v6tun\v6tun-client.exe")).unwrap();
    }
}

//! The backup's form: TOML below a checksum.

use crate::state::State;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use v6tun_cli::Failure;
use zeroize::Zeroizing;

const TITLE: &str = "# v6tun-server backup. It holds secret keys.\n# sha256 of all below: ";
const VERSION: u32 = 1;
/// The state and the configuration have bounds of their own, which are smaller together.
const MAX_BYTES: u64 = 16 << 20;

/// All that makes a server this one.
#[derive(Debug)]
pub(super) struct Backup {
    /// `server.toml`, as it is written.
    pub(super) config: String,
    /// The key files that it names.
    pub(super) files: Vec<KeptFile>,
    pub(super) state: State,
}

/// A file beside `server.toml`, or elsewhere.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct KeptFile {
    /// As the configuration names it: relative to its folder, or absolute.
    pub(super) path: PathBuf,
    pub(super) content: String,
}

impl std::fmt::Debug for KeptFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeptFile({})", self.path.display())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Document {
    version: u32,
    config: String,
    #[serde(rename = "file", default)]
    files: Vec<KeptFile>,
    #[serde(default)]
    state: State,
}

impl Backup {
    pub(super) fn to_text(&self) -> Result<Zeroizing<String>> {
        let files =
            self.files.iter().map(|file| KeptFile { path: file.path.clone(), content: file.content.clone() });
        let document = Document {
            version: VERSION,
            config: self.config.clone(),
            files: files.collect(),
            state: self.state.clone(),
        };
        let body = Zeroizing::new(toml::to_string(&document).context("cannot write the backup")?);
        Ok(Zeroizing::new(format!("{TITLE}{}\n{}", checksum(&body), body.as_str())))
    }

    /// Reads one, whose every byte must be as it was written.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut text = Zeroizing::new(String::new());
        let read = file.take(MAX_BYTES).read_to_string(&mut text);
        read.with_context(|| format!("cannot read {}", path.display()))?;
        Self::from_text(&text).map_err(|what| {
            Failure::failed(format!("{}: {what}", path.display()))
                .with_hint(
                    "nothing was changed; take another copy of the file that `v6tun-server backup` wrote",
                )
                .into()
        })
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(TITLE).ok_or("it is no backup of a v6tun-server")?;
        let (sum, body) = rest.split_once('\n').ok_or("it is cut off")?;
        if sum != checksum(body) {
            return Err("it is damaged: the checksum differs".to_owned());
        }
        // What is said of the text's errors may quote it, and it holds secrets.
        let document: Document = toml::from_str(body).map_err(|error| error.message().to_owned())?;
        if document.version != VERSION {
            return Err(format!("its version {} is not known here", document.version));
        }
        let Document { config, files, state, .. } = document;
        Ok(Self { config, files, state })
    }
}

/// Whether the file looks like one, whole or not.
pub(super) fn is_backup(path: &Path) -> io::Result<bool> {
    if !path.metadata()?.is_file() {
        return Ok(false);
    }
    let mut begin = Vec::new();
    File::open(path)?.take(TITLE.len() as u64).read_to_end(&mut begin)?;
    Ok(begin == TITLE.as_bytes())
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> Backup {
        Backup {
            config: "private-key-file = \"server.key\"\n# \"\"\" '''\n".to_owned(),
            files: vec![KeptFile { path: "server.key".into(), content: "secret\n".to_owned() }],
            state: State::default(),
        }
    }

    #[test]
    fn a_backup_comes_back_as_it_was() {
        let text = backup().to_text().unwrap();
        let read = Backup::from_text(&text).unwrap();
        assert_eq!(read.config, backup().config);
        assert_eq!(
            (read.files[0].path.as_path(), read.files[0].content.as_str()),
            (Path::new("server.key"), "secret\n")
        );
    }

    #[test]
    fn one_that_is_damaged_cut_off_or_none_is_refused_without_its_secrets() {
        let text = backup().to_text().unwrap();
        for bad in [&text[..text.len() - 1], &text[..20], "", "hello", &text.replace("secret", "sacred")] {
            let said = Backup::from_text(bad).unwrap_err();
            assert!(!said.contains("secret"), "{said}");
        }
    }
}

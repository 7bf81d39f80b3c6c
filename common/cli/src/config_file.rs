//! Configuration files: TOML, kebab-case, every mistake named by file and line.
//!
//! What an error says never contains a value that stands under a key with `key` in its name:
//! somebody may have pasted the secret itself where the name of its file belongs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use v6tun_files::text;

mod diagnosis;
mod error;
mod nearest;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

pub use error::ConfigError;

/// Bytes that a configuration file may have: room for some thousands of clients.
pub const MAX_CONFIG_LEN: u64 = 1 << 20;

/// Reads a configuration file. `T` should refuse unknown fields, so that they are reported.
///
/// # Errors
/// Each [`ConfigError`]: the file cannot be read, is no TOML, or is not what `T` asks for.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let content = read(path)?;
    let text = std::str::from_utf8(&content).map_err(|error| diagnosis::not_utf8(path, &content, error))?;
    let document = toml::Deserializer::parse(text).map_err(|error| diagnosis::syntax(path, text, &error))?;
    T::deserialize(document).map_err(|error| diagnosis::content(path, text, &error))
}

/// A path that `base_file` mentions: relative ones are relative to that file's folder.
#[must_use]
pub fn resolve(base_file: &Path, path: &Path) -> PathBuf {
    base_file.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

/// The line, counted from 1, of the element of an array of tables in which `key` has this value: for an error about
/// something that was read before. `None` where the file has none, or can no longer be read.
#[must_use]
pub fn line_of(path: &Path, array: &str, key: &str, value: &str) -> Option<usize> {
    let content = read(path).ok()?;
    let text = std::str::from_utf8(&content).ok()?;
    let document = toml::de::DeTable::parse(text).ok()?;
    let elements = document.get_ref().get(array)?.get_ref().as_array()?.iter();
    let mut values = elements.filter_map(|element| element.get_ref().as_table()?.get(key));
    let found = values.find(|found| found.get_ref().as_str() == Some(value))?;
    Some(text[..found.span().start].matches('\n').count() + 1)
}

/// The content in UTF-8: an editor or a shell of Windows may have written it otherwise.
fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing { path: path.to_owned() },
        _ => ConfigError::Unreadable { path: path.to_owned(), source },
    };
    let mut content = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_CONFIG_LEN + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > MAX_CONFIG_LEN {
        return Err(ConfigError::Invalid {
            path: path.to_owned(),
            line: None,
            message: format!("larger than {MAX_CONFIG_LEN} bytes"),
            hint: None,
        });
    }
    Ok(text::utf8(&content).into_owned())
}

#[cfg(test)]
mod tests;

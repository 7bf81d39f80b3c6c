//! A state as text: TOML under a checksum.
//!
//! ```text
//! # …                          one line for whoever opens it
//! checksum = "…"               BLAKE2s-256 of all that follows this line, in hexadecimal
//! version = 1                  first, so that any version can tell that it is another's
//! generation = 7               one more with every attempt to save
//!
//! [[client]] …
//! ```

use super::State;
use blake2::{Blake2s256, Digest};
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// The format; one of a greater number is refused.
const VERSION: u32 = 1;
/// Bytes of a file: 2000 clients take 330 each, as many leases 140, 1000 invitations 420, 4000 endpoints 150, which
/// are 2 MB.
pub(super) const MAX_BYTES: u64 = 4 * 1024 * 1024;

const COMMENT: &str =
    "# The state of v6tun-server, which writes it anew: what is changed by hand is taken for damage.";

/// A state as it stood in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) state: State,
    pub(super) generation: u64,
}

/// Why a file's content cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// Another program wrote it, and all is well with it.
    #[error("it is of version {version}, and this program knows up to version {VERSION}")]
    Newer { version: u32 },
    /// What is wrong. Never any part of the content that may be secret.
    #[error("{0}")]
    Damaged(String),
}

/// The text, which holds secrets.
pub(super) fn encode(state: &State, generation: u64) -> Result<Zeroizing<String>, toml::ser::Error> {
    let tables = Zeroizing::new(toml::to_string(state)?);
    let body = Zeroizing::new(format!("version = {VERSION}\ngeneration = {generation}\n\n{}", *tables));
    Ok(Zeroizing::new(format!("{COMMENT}\n{}\n{}", checksum_line(&body), *body)))
}

/// Reads what [`encode`] has written.
pub(super) fn decode(bytes: &[u8]) -> Result<Snapshot, Unusable> {
    let damaged = |what: &str| Unusable::Damaged(what.to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
    let mut parts = text.splitn(3, '\n');
    let (Some(comment), Some(checksum), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(damaged("it is cut off"));
    };
    if !comment.starts_with('#') || checksum != checksum_line(body) {
        return Err(damaged("its checksum is wrong"));
    }
    let (version, rest) = take_number(body, "version").ok_or_else(|| damaged("it has no version"))?;
    match u32::try_from(version) {
        Ok(VERSION) => {}
        Ok(0) => return Err(damaged("it is of version 0")),
        version => return Err(Unusable::Newer { version: version.unwrap_or(u32::MAX) }),
    }
    let (generation, tables) =
        take_number(rest, "generation").ok_or_else(|| damaged("it has no generation"))?;
    // Of the error only its message: the rest quotes the line, which may hold a key.
    let state: State = toml::from_str(tables).map_err(|error| damaged(error.message()))?;
    state.check().map_err(|contradiction| Unusable::Damaged(contradiction.to_string()))?;
    Ok(Snapshot { state, generation })
}

fn checksum_line(body: &str) -> String {
    let mut line = String::from("checksum = \"");
    for byte in Blake2s256::digest(body) {
        write!(line, "{byte:02x}").expect("a String takes all");
    }
    line.push('"');
    line
}

/// The value of a first line `key = number`, and what follows it.
fn take_number<'a>(text: &'a str, key: &str) -> Option<(u64, &'a str)> {
    let (number, rest) = text.strip_prefix(key)?.strip_prefix(" = ")?.split_once('\n')?;
    Some((number.parse().ok()?, rest))
}

/// A text with other tables, under a checksum that is right.
#[cfg(test)]
pub(super) fn signed(body: &str) -> String {
    format!("{COMMENT}\n{}\n{body}", checksum_line(body))
}

#[cfg(test)]
mod tests;

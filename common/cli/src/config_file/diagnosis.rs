//! From what the TOML reader and serde say to what the user can act on.
//!
//! Serde hands its errors over as sentences; the few whose form it fixes (`unknown field`,
//! `missing field`, `expected …`) are taken apart here, and every other passes as it is.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::str::Utf8Error;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::error::ConfigError;
use super::nearest::nearest;
use super::platform;

/// Characters of a message, or of a key, that are shown: a file may hold one of a mebibyte.
const MAX_SHOWN: usize = 200;

/// Characters that no known key reaches, and that a pasted key or token has.
const SUSPICIOUS_KEY_LEN: usize = 40;

/// Bytes from which on a text that turns up in a message is no coincidence.
const TELLING_VALUE_LEN: usize = 4;

const EXPECTED: &str = ", expected ";

pub(super) fn not_utf8(path: &Path, content: &[u8], error: Utf8Error) -> ConfigError {
    let valid = String::from_utf8_lossy(content.get(..error.valid_up_to()).unwrap_or_default());
    let (line, column) = place(&valid, valid.len());
    ConfigError::Syntax { path: path.to_owned(), line, column, message: "not UTF-8".to_owned() }
}

pub(super) fn syntax(path: &Path, text: &str, error: &Error) -> ConfigError {
    let (line, column) = place(text, error.span().map_or(text.len(), |span| span.start));
    ConfigError::Syntax { path: path.to_owned(), line, column, message: shortened(error.message()) }
}

/// An error in a document that is good TOML.
pub(super) fn content(path: &Path, text: &str, error: &Error) -> ConfigError {
    // What has been read once is read again without error; an empty document would name no key.
    let document = DeTable::parse(text).map(Spanned::into_inner).unwrap_or_default();
    let subject = error.span().and_then(|span| Subject::at(&document, span));
    let line = subject.as_ref().map(|subject| place(text, subject.start).0);
    match (&subject, line) {
        (Some(subject), Some(line)) if error.message().starts_with("unknown field `") => {
            unknown_key(path, line, subject.last_key(), error.message())
        }
        _ => ConfigError::Invalid {
            path: path.to_owned(),
            line,
            message: shortened(&invalid(&document, subject.as_ref(), error.message())),
            hint: subject.as_ref().and_then(|subject| hint(subject.last_key())).map(str::to_owned),
        },
    }
}

/// What the user can do about a wrong value of this key, where more is to be said than what was expected.
fn hint(key: &str) -> Option<&'static str> {
    match key {
        "public-key" => Some("on the other machine `v6tun pubkey < FILE`, with its key file, prints it"),
        "private-key-file" => Some(platform::MAKE_KEY),
        "endpoint" => Some("write the server as \"203.0.113.233:51820\" or \"vps.example.net:51820\""),
        "address" | "addresses" => {
            Some("write IPv6 addresses without a prefix length, as \"2001:db8::2330\"")
        }
        "prefix" => Some("write the prefix with its length, as \"2001:db8:1:2::/64\""),
        _ => None,
    }
}

fn unknown_key(path: &Path, line: usize, key: &str, message: &str) -> ConfigError {
    let known: Vec<String> = message
        .strip_prefix(&format!("unknown field `{key}`"))
        .and_then(|rest| rest.strip_prefix(EXPECTED))
        // Every second piece stands between back quotes.
        .map(|names| names.split('`').skip(1).step_by(2).map(str::to_owned).collect())
        .unwrap_or_default();
    let is_suspicious = key.chars().count() >= SUSPICIOUS_KEY_LEN;
    let shown = if is_suspicious { "(a long word, not shown)" } else { key };
    ConfigError::UnknownKey {
        path: path.to_owned(),
        line,
        key: shown.to_owned(),
        nearest: nearest(key, &known).map(str::to_owned),
        known,
    }
}

/// `server.endpoint: what is wrong`.
fn invalid(document: &DeTable<'_>, subject: Option<&Subject>, message: &str) -> String {
    let keys = subject.map(|subject| subject.keys.join(".")).unwrap_or_default();
    if let Some(missing) = message.strip_prefix("missing field ") {
        let place = if keys.is_empty() { String::new() } else { format!(" in [{keys}]") };
        return format!("the key {missing} is missing{place}");
    }
    let is_secret = subject.is_some_and(Subject::is_secret);
    let message = if is_secret { without_quoted(message) } else { message.into() };
    let message = if shows_secret(document, &message) { "the value is not valid".into() } else { message };
    let message = in_toml_words(&message);
    if keys.is_empty() { message } else { format!("{keys}: {message}") }
}

/// Serde's `invalid type: string "…", expected …` without the value.
fn without_quoted(message: &str) -> Cow<'_, str> {
    if !message.starts_with("invalid ") && !message.starts_with("unknown ") {
        return message.into();
    }
    let (said, expected) = message.rfind(EXPECTED).map_or((message, ""), |at| message.split_at(at));
    match said.find(['"', '`']) {
        Some(at) => format!("{}{expected}", said[..at].trim_end()).into(),
        None => message.into(),
    }
}

/// Whether `message` quotes a text that stands under a key that may hold a secret.
fn shows_secret(document: &DeTable<'_>, message: &str) -> bool {
    document
        .iter()
        .any(|(key, value)| shows_text_of(value.get_ref(), may_hold_secret(key.get_ref()), message))
}

fn shows_text_of(value: &DeValue<'_>, is_secret: bool, message: &str) -> bool {
    match value {
        DeValue::String(text) => is_secret && text.len() >= TELLING_VALUE_LEN && message.contains(&**text),
        DeValue::Array(array) => {
            array.iter().any(|element| shows_text_of(element.get_ref(), is_secret, message))
        }
        DeValue::Table(table) => table.iter().any(|(key, value)| {
            shows_text_of(value.get_ref(), is_secret || may_hold_secret(key.get_ref()), message)
        }),
        _ => false,
    }
}

fn may_hold_secret(key: &str) -> bool {
    key.to_lowercase().contains("key")
}

/// Serde names Rust's types; the user writes TOML's.
fn in_toml_words(message: &str) -> String {
    let Some(at) = message.rfind(EXPECTED) else { return message.to_owned() };
    let (said, expected) = (&message[..at], &message[at + EXPECTED.len()..]);
    let expected = match expected {
        "u8" => "a number from 0 to 255",
        "u16" => "a number from 0 to 65535",
        "u32" | "u64" | "usize" => "a number that is not negative",
        "a map" => "a table",
        "a sequence" => "an array",
        "path string" => "a path",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    format!("{said}{EXPECTED}{expected}")
}

/// What an error is about: the innermost key or value around its place.
struct Subject {
    /// From the outermost key on; empty for the document itself.
    keys: Vec<String>,
    start: usize,
}

impl Subject {
    /// `None` for an error of the document as a whole, whose place is empty or in no key and no value.
    fn at(document: &DeTable<'_>, span: Range<usize>) -> Option<Self> {
        if span.is_empty() {
            return None;
        }
        let mut search = Search { span: span.clone(), keys: Vec::new(), best: None };
        search.table(document);
        search.best.map(|(_, keys)| Self { keys, start: span.start })
    }

    fn last_key(&self) -> &str {
        self.keys.last().map_or("", String::as_str)
    }

    fn is_secret(&self) -> bool {
        self.keys.iter().any(|key| may_hold_secret(key))
    }
}

/// The way down to the smallest key or value that covers a span.
struct Search {
    span: Range<usize>,
    keys: Vec<String>,
    best: Option<(usize, Vec<String>)>,
}

impl Search {
    fn table(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            self.keys.push(key.get_ref().to_string());
            self.consider(&key.span());
            self.value(value);
            self.keys.pop();
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) {
        self.consider(&value.span());
        match value.get_ref() {
            DeValue::Table(table) => self.table(table),
            DeValue::Array(array) => array.iter().for_each(|element| self.value(element)),
            _ => {}
        }
    }

    fn consider(&mut self, found: &Range<usize>) {
        let covers = found.start <= self.span.start && self.span.end <= found.end;
        let is_smaller = self.best.as_ref().is_none_or(|(len, _)| found.len() < *len);
        if covers && is_smaller {
            self.best = Some((found.len(), self.keys.clone()));
        }
    }
}

/// Line and column, both counted from 1, the column in characters.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn shortened(message: &str) -> String {
    match message.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

//! An access list, read from its notation and judged.

use std::fmt;

/// All rights.
pub const ANY: u32 = u32::MAX;

/// The rights by which somebody could put files into a folder, take it away or open it to others: to add files and
/// folders, to write attributes, to delete it or what is in it, to change its list or its owner, and the generic ones.
pub const WRITING: u32 = 0x500d_0156;

/// Rights by their letters in SDDL.
const RIGHTS: &[(&str, u32)] = &[
    ("GA", 0x1000_0000),
    ("GR", 0x8000_0000),
    ("GW", 0x4000_0000),
    ("GX", 0x2000_0000),
    ("FA", 0x001f_01ff),
    ("FR", 0x0012_0089),
    ("FW", 0x0012_0116),
    ("FX", 0x0012_00a0),
    ("RC", 0x0002_0000),
    ("SD", 0x0001_0000),
    ("WD", 0x0004_0000),
    ("WO", 0x0008_0000),
    ("CC", 0x0001),
    ("DC", 0x0002),
    ("LC", 0x0004),
    ("SW", 0x0008),
    ("RP", 0x0010),
    ("WP", 0x0020),
    ("DT", 0x0040),
    ("LO", 0x0080),
    ("CR", 0x0100),
];

/// Kinds of entries that take rights away, or give none: those of denial.
const DENIALS: [&str; 3] = ["D", "OD", "XD"];

/// Identifiers that SDDL writes in letters, and what people call them.
const ACCOUNTS: &[(&str, &str, &str)] = &[
    ("SY", "S-1-5-18", "SYSTEM"),
    ("BA", "S-1-5-32-544", "Administrators"),
    ("OW", "S-1-3-4", "its owner"),
    ("CO", "S-1-3-0", "whoever makes a file in it"),
    ("CG", "S-1-3-1", "the group of whoever makes a file in it"),
    ("WD", "S-1-1-0", "Everyone"),
    ("AN", "S-1-5-7", "anonymous users"),
    ("AU", "S-1-5-11", "Authenticated Users"),
    ("IU", "S-1-5-4", "interactive users"),
    ("NU", "S-1-5-2", "network users"),
    ("BU", "S-1-5-32-545", "Users"),
    ("BG", "S-1-5-32-546", "Guests"),
];

/// Whoever makes a file in a folder: an entry for them says nothing of anybody else.
const CREATOR: &str = "CO";
/// Of everybody.
const EVERYONE: &str = "WD";

/// Who owns something, and who has which rights on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessList {
    owner: String,
    /// `None`: there is no list, by which everybody may do everything.
    entries: Option<Vec<Entry>>,
}

/// That somebody has rights.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    account: String,
    rights: u32,
}

/// Text that is no access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an access list that is not understood")
    }
}

impl std::error::Error for Malformed {}

impl AccessList {
    /// Reads `O:…G:…D:…`, as Windows writes it.
    ///
    /// # Errors
    /// [`Malformed`] for everything else.
    pub fn from_sddl(text: &str) -> Result<Self, Malformed> {
        let owner_and_rest = text.strip_prefix("O:").ok_or(Malformed)?;
        let (owner, list) = match owner_and_rest.split_once("D:") {
            Some((owner, list)) => (owner, Some(list)),
            None => (owner_and_rest, None),
        };
        let owner = owner.split_once("G:").map_or(owner, |(owner, _group)| owner);
        if owner.is_empty() {
            return Err(Malformed);
        }
        let entries = match list {
            Some(list) if !list.starts_with("NO_ACCESS_CONTROL") => Some(entries_of(list)?),
            _ => None,
        };
        Ok(Self { owner: in_letters(owner).to_owned(), entries })
    }

    /// Whose it is, in SDDL.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The first who has one of these rights and is none of the trusted, in SDDL. An entry that takes rights away
    /// is not counted for anything, and one that is for files yet to be made is counted as any other.
    #[must_use]
    pub fn first_other_with(&self, rights: u32, trusted: &[&str]) -> Option<&str> {
        let Some(entries) = &self.entries else { return Some(EVERYONE) };
        let is_other = |account: &str| ![CREATOR].iter().chain(trusted).any(|one| in_letters(one) == account);
        let mut others = entries.iter().filter(|one| one.rights & rights != 0 && is_other(&one.account));
        others.next().map(|one| one.account.as_str())
    }
}

/// The entries that give rights. What stands before the first are flags, of inheritance and protection.
fn entries_of(list: &str) -> Result<Vec<Entry>, Malformed> {
    let flags_len = list.find('(').unwrap_or(list.len());
    let (flags, mut rest) = list.split_at(flags_len);
    if !flags.chars().all(|flag| flag.is_ascii_uppercase()) {
        return Err(Malformed);
    }
    let mut entries = Vec::new();
    while let Some(inner) = rest.strip_prefix('(') {
        let end = end_of(inner).ok_or(Malformed)?;
        let (entry, after) = inner.split_at(end);
        entries.extend(entry_of(entry)?);
        rest = &after[1..];
    }
    if rest.is_empty() { Ok(entries) } else { Err(Malformed) }
}

/// Where the bracket closes that stands before this text: a condition has brackets of its own.
fn end_of(text: &str) -> Option<usize> {
    let mut depth = 1;
    for (place, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(place);
        }
    }
    None
}

/// `kind;flags;rights;object;inherited object;account`, and maybe a condition.
fn entry_of(text: &str) -> Result<Option<Entry>, Malformed> {
    let fields: Vec<&str> = text.splitn(7, ';').collect();
    let [kind, _flags, rights, _object, _inherited, account, ..] = fields[..] else { return Err(Malformed) };
    if account.is_empty() {
        return Err(Malformed);
    }
    if DENIALS.contains(&kind) {
        return Ok(None);
    }
    Ok(Some(Entry { account: in_letters(account).to_owned(), rights: rights_of(rights) }))
}

/// Letters in pairs, or a number. What is not known counts as every right.
fn rights_of(text: &str) -> u32 {
    if let Some(digits) = text.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).unwrap_or(ANY);
    }
    let letters = |pair: &[u8]| {
        RIGHTS.iter().find(|(name, _)| name.as_bytes() == pair).map_or(ANY, |(_, right)| *right)
    };
    text.as_bytes().chunks(2).map(letters).fold(0, |all, right| all | right)
}

fn in_letters(account: &str) -> &str {
    ACCOUNTS.iter().find(|(_, number, _)| *number == account).map_or(account, |(letters, ..)| letters)
}

/// What people call whom SDDL writes so.
#[must_use]
pub fn name_of(account: &str) -> &str {
    ACCOUNTS.iter().find(|(letters, ..)| *letters == in_letters(account)).map_or(account, |(.., name)| name)
}

#[cfg(test)]
mod tests;

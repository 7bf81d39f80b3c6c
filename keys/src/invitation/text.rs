//! An invitation's text: finding it in what was pasted, base64url, and the checksum.

use std::mem;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{InvitationError, MAX_BODY_LEN};

/// What the text of every version begins with; the version and a colon follow.
const NAME: &str = "v6tun";
const VERSION: u32 = 1;
const PREFIX: &str = "v6tun1:";
const CHECKSUM_LEN: usize = 4;
const MAX_CODE_LEN: usize = (MAX_BODY_LEN + CHECKSUM_LEN).div_ceil(3) * 4;

pub(super) fn encode(body: &[u8]) -> Zeroizing<String> {
    let mut sealed = Zeroizing::new(Vec::with_capacity(body.len() + CHECKSUM_LEN));
    sealed.extend_from_slice(body);
    sealed.extend_from_slice(&checksum(body));
    let len = base64::encoded_len(sealed.len(), false).expect("an invitation is short");
    let mut text = Zeroizing::new(vec![0; PREFIX.len() + len]);
    let (prefix, code) = text.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX.as_bytes());
    URL_SAFE_NO_PAD.encode_slice(sealed.as_slice(), code).expect("the length is the encoder's own");
    Zeroizing::new(String::from_utf8(mem::take(&mut *text)).expect("base64 is ASCII"))
}

/// The body of the invitation that stands somewhere in `text`.
///
/// Blanks and quotes inside it are what mail programs, terminals and shells put there. If more follows
/// that is no part of it, the first word alone is tried; the checksum tells whether that was right.
pub(super) fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, InvitationError> {
    let (version, code) = find(text).ok_or(InvitationError::NotAnInvitation)?;
    if version != VERSION {
        return Err(InvitationError::Newer { version });
    }
    if find(code).is_some() {
        return Err(InvitationError::Several);
    }
    unseal(&joined(code)).or_else(|| unseal(first_word(code))).ok_or(InvitationError::Damaged)
}

/// The version that the first invitation in `text` names, and what follows its colon.
fn find(text: &str) -> Option<(u32, &str)> {
    text.match_indices(NAME).find_map(|(index, _)| {
        let (version, code) = text[index + NAME.len()..].split_once(':')?;
        let is_version = !version.starts_with('0') && version.bytes().all(|byte| byte.is_ascii_digit());
        is_version.then(|| version.parse().ok()).flatten().map(|version| (version, code))
    })
}

/// `code` without blanks and quotes, as far as it can be one.
fn joined(code: &str) -> Zeroizing<Vec<u8>> {
    let mut joined = Zeroizing::new(Vec::with_capacity(MAX_CODE_LEN + 1));
    // A character that is not ASCII becomes one that base64url does not have.
    let characters = code.chars().filter(|c| !is_filler(*c)).map(|c| u8::try_from(c).unwrap_or(b'?'));
    joined.extend(characters.take(MAX_CODE_LEN + 1));
    joined
}

/// What `code` begins with, up to the first character that base64url does not have.
fn first_word(code: &str) -> &[u8] {
    let code = code.trim_start_matches(is_filler).as_bytes();
    let is_foreign = |byte: &u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_');
    &code[..code.iter().position(is_foreign).unwrap_or(code.len())]
}

/// White space, quotes of any kind, the backslash that continues a shell's line, and marks of no width.
fn is_filler(character: char) -> bool {
    let marks = ['"', '\'', '`', '\\', '“', '”', '„', '‘', '’', '\u{ad}', '\u{200b}', '\u{2060}', '\u{feff}'];
    character.is_whitespace() || marks.contains(&character)
}

/// The body, if `code` is whole.
fn unseal(code: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if code.len() > MAX_CODE_LEN {
        return None;
    }
    let mut sealed = Zeroizing::new(vec![0; base64::decoded_len_estimate(code.len())]);
    let len = URL_SAFE_NO_PAD.decode_slice(code, &mut sealed).ok()?;
    let (body, sum) = sealed.get(..len)?.split_last_chunk()?;
    let body_len = if checksum(body) == *sum { body.len() } else { return None };
    sealed.truncate(body_len);
    Some(sealed)
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let hash = Sha256::new().chain_update(PREFIX).chain_update(body).finalize();
    std::array::from_fn(|index| hash[index])
}

//! Text as programs of Windows write it: UTF-8 behind a byte order mark, and UTF-16, as `>` of Windows PowerShell.

use std::borrow::Cow;

const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const UTF16_LITTLE_ENDIAN_MARK: &[u8] = &[0xff, 0xfe];
const UTF16_BIG_ENDIAN_MARK: &[u8] = &[0xfe, 0xff];
/// Bytes of UTF-8 that one unit of UTF-16 takes at most.
const MAX_UTF8_LEN: usize = 3;

/// The text in UTF-8, without a byte order mark; what has none is returned as it is. What is no UTF-16 behind its
/// mark becomes U+FFFD, which whoever reads the text refuses.
///
/// A text that is decoded stands in one buffer that never grew, so that its owner can wipe a secret.
#[must_use]
pub fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    if let Some(text) = bytes.strip_prefix(UTF8_MARK) {
        return Cow::Borrowed(text);
    }
    if let Some(text) = bytes.strip_prefix(UTF16_LITTLE_ENDIAN_MARK) {
        return Cow::Owned(from_utf16(text, u16::from_le_bytes));
    }
    if let Some(text) = bytes.strip_prefix(UTF16_BIG_ENDIAN_MARK) {
        return Cow::Owned(from_utf16(text, u16::from_be_bytes));
    }
    Cow::Borrowed(bytes)
}

/// A last byte without its other half is such an error, too.
fn from_utf16(bytes: &[u8], unit_of: fn([u8; 2]) -> u16) -> Vec<u8> {
    let pairs = bytes.chunks_exact(2);
    let is_cut = !pairs.remainder().is_empty();
    let units = pairs.filter_map(|pair| pair.try_into().ok().map(unit_of));
    let mut text = Vec::with_capacity((bytes.len() / 2 + 1) * MAX_UTF8_LEN);
    let decoded = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    for character in decoded.chain(is_cut.then_some(char::REPLACEMENT_CHARACTER)) {
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "mtu = 1400 # ä€😀\r\n";

    fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once('\u{feff}')
            .chain(text.chars())
            .collect::<String>()
            .encode_utf16()
            .flat_map(bytes_of)
            .collect()
    }

    #[test]
    fn a_text_is_the_same_however_it_was_written() {
        let marked = [UTF8_MARK, TEXT.as_bytes()].concat();
        let written = [TEXT.into(), marked, utf16(TEXT, u16::to_le_bytes), utf16(TEXT, u16::to_be_bytes)];
        for bytes in written {
            assert_eq!(utf8(&bytes), TEXT.as_bytes(), "{bytes:x?}");
        }
    }

    #[test]
    fn what_has_no_mark_is_left_alone_whatever_it_is() {
        for bytes in [&b""[..], b"\xff", b"\xfe", b"\xef\xbb", b"\x00k\x00e\x00y", b"caf\xe9"] {
            assert_eq!(utf8(bytes), bytes, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_no_utf16_is_marked_as_such_and_not_passed_over() {
        for bytes in [&b"\xff\xfek"[..], b"\xff\xfe\x00\xd8", b"\xfe\xff\xdc\x00"] {
            assert_eq!(utf8(bytes), "\u{fffd}".as_bytes(), "{bytes:x?}");
        }
    }

    #[test]
    fn a_decoded_secret_leaves_no_copy_behind() {
        let bytes = utf16(&"€".repeat(1000), u16::to_le_bytes);
        let Cow::Owned(text) = utf8(&bytes) else { panic!("it is decoded") };
        assert_eq!((text.len(), text.capacity()), (3000, (bytes.len() / 2) * MAX_UTF8_LEN));
    }
}

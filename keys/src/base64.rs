//! The text form of a key: strict, canonical base64 of exactly 32 bytes.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeSliceError, Engine as _};
use zeroize::Zeroizing;

use crate::{KEY_LEN, KEY_LEN_BASE64, KeyError};

/// What the decoder asks for: it reckons with whole groups of four characters.
const DECODE_BUFFER_LEN: usize = KEY_LEN + 1;

/// Writes 32 bytes as 44 characters.
pub(crate) fn encode(bytes: &[u8; KEY_LEN]) -> Zeroizing<String> {
    let mut characters = Zeroizing::new([0_u8; KEY_LEN_BASE64]);
    STANDARD.encode_slice(bytes, characters.as_mut_slice()).expect("32 bytes make 44 characters");
    let mut text = Zeroizing::new(String::with_capacity(KEY_LEN_BASE64));
    text.extend(characters.iter().copied().map(char::from));
    text
}

/// Reads 44 characters as 32 bytes.
///
/// # Errors
/// [`KeyError::WrongLength`] and [`KeyError::NotBase64`], the latter also where the base64 is not
/// the one that [`encode`] writes (stray bits behind the last byte, or a missing `=`).
pub(crate) fn decode(text: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyError> {
    if let Some(index) = text.iter().position(|byte| !byte.is_ascii()) {
        return Err(KeyError::NotBase64 { position: index + 1 });
    }
    if text.len() != KEY_LEN_BASE64 {
        return Err(KeyError::WrongLength { found: text.len() });
    }
    let mut buffer = Zeroizing::new([0_u8; DECODE_BUFFER_LEN]);
    let len = STANDARD.decode_slice(text, buffer.as_mut_slice()).map_err(not_base64)?;
    if len != KEY_LEN {
        // A 44th character other than `=` stands for a 33rd byte.
        return Err(KeyError::NotBase64 { position: KEY_LEN_BASE64 });
    }
    let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
    bytes.copy_from_slice(&buffer[..KEY_LEN]);
    Ok(bytes)
}

/// `text` without what wg(8) tolerates behind a key: white space and NUL.
#[must_use]
pub fn trim_end(text: &[u8]) -> &[u8] {
    let len = text.iter().rposition(|byte| !is_padding(*byte)).map_or(0, |last| last + 1);
    &text[..len]
}

/// White space of C's `isspace`, or NUL.
fn is_padding(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r' | 0)
}

/// The decoder's own errors quote the character at fault; this keeps its place alone.
fn not_base64(error: DecodeSliceError) -> KeyError {
    use base64::DecodeError::{InvalidByte, InvalidLastSymbol, InvalidLength, InvalidPadding};
    let index = match error {
        DecodeSliceError::DecodeError(InvalidByte(index, _) | InvalidLastSymbol(index, _)) => index,
        DecodeSliceError::DecodeError(InvalidLength(_) | InvalidPadding)
        | DecodeSliceError::OutputSliceTooSmall => KEY_LEN_BASE64 - 1,
    };
    KeyError::NotBase64 { position: index + 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn decode_changed(position: usize, replacement: u8) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyError> {
        let mut text = TEXT.as_bytes().to_vec();
        text[position - 1] = replacement;
        decode(&text)
    }

    #[test]
    fn a_known_text_is_read_and_written() {
        let bytes: [u8; KEY_LEN] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(*encode(&bytes), TEXT);
        assert_eq!(*decode(TEXT.as_bytes()).unwrap(), bytes);
    }

    #[test]
    fn a_wrong_length_is_named() {
        for len in [0, 1, 43] {
            let error = decode(&TEXT.as_bytes()[..len]).unwrap_err();
            assert_eq!(error, KeyError::WrongLength { found: len });
        }
        let error = decode(format!("{TEXT}\n").as_bytes()).unwrap_err();
        assert_eq!(error, KeyError::WrongLength { found: 45 });
    }

    #[test]
    fn a_foreign_character_is_named_by_its_place() {
        for (position, byte) in [(1, b' '), (7, b'-'), (20, b'\n'), (42, b'='), (12, 0xe9)] {
            let error = decode_changed(position, byte).unwrap_err();
            assert_eq!(error, KeyError::NotBase64 { position }, "{byte:#x}");
        }
    }

    #[test]
    fn stray_bits_behind_the_last_byte_are_refused() {
        assert_eq!(decode_changed(43, b'9').unwrap_err(), KeyError::NotBase64 { position: 43 });
    }

    #[test]
    fn a_33rd_byte_is_refused() {
        assert_eq!(decode_changed(44, b'A').unwrap_err(), KeyError::NotBase64 { position: 44 });
    }

    #[test]
    fn white_space_and_nul_are_trimmed_behind_the_key_alone() {
        assert_eq!(trim_end(b" key \t\r\n\x0b\x0c\0\n"), b" key");
        assert_eq!(trim_end(b" \n\0"), b"");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: [u8; KEY_LEN]) {
            let text = encode(&bytes);
            prop_assert_eq!(text.len(), KEY_LEN_BASE64);
            prop_assert_eq!(*decode(text.as_bytes()).unwrap(), bytes);
        }

        #[test]
        fn what_is_read_is_written_back(text in "[A-Za-z0-9+/]{42}[A-Za-z0-9+/=][A=]") {
            if let Ok(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(&*encode(&bytes), &text);
            }
        }

        #[test]
        fn no_input_panics(text: Vec<u8>) {
            let _ = decode(&text);
        }
    }
}

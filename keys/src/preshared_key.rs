//! A preshared key.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{KEY_LEN, KeyError, base64};

/// A symmetric key that two peers share beforehand, mixed into the handshake (WireGuard paper,
/// section 5.2). Any 32 bytes are one.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PresharedKey {
    bytes: [u8; KEY_LEN],
}

impl PresharedKey {
    /// A new key of the system's random bytes.
    ///
    /// # Errors
    /// [`KeyError::Random`] if the system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut key = Self { bytes: [0; KEY_LEN] };
        getrandom::fill(&mut key.bytes).map_err(KeyError::Random)?;
        Ok(key)
    }

    /// Reads the text form, which must be exactly 44 characters of canonical base64.
    ///
    /// # Errors
    /// [`KeyError::WrongLength`], [`KeyError::NotBase64`].
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        Self::from_text(text.as_bytes())
    }

    pub(crate) fn from_text(text: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { bytes: *base64::decode(text)? })
    }

    /// The text form: 44 characters.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        base64::encode(&self.bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.bytes
    }
}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_form_unclamped() {
        let text = "//////////////////////////////////////////8=";
        let key = PresharedKey::from_base64(text).unwrap();
        assert_eq!(key.as_bytes(), &[0xff; KEY_LEN]);
        assert_eq!(*key.to_base64(), text);
    }

    #[test]
    fn two_generated_keys_differ() {
        let first = PresharedKey::generate().unwrap();
        assert_ne!(first.as_bytes(), PresharedKey::generate().unwrap().as_bytes());
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        assert_eq!(format!("{:?}", PresharedKey::generate().unwrap()), "PresharedKey(..)");
    }
}

//! A preshared key.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{KEY_LEN, KeyError, base64};

/// A symmetric key that two peers share beforehand, mixed into the handshake (WireGuard paper,
/// section 5.2). Any 32 bytes are one. Serde sees its text form as a string, for files that only
/// their owner can read.
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

    /// The key of these 32 bytes.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; KEY_LEN]) -> Self {
        let key = Self { bytes };
        bytes.zeroize();
        key
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

impl PartialEq for PresharedKey {
    /// Takes the same time wherever the keys differ.
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

impl Eq for PresharedKey {}

impl Serialize for PresharedKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for PresharedKey {
    /// Errors say what is wrong, and nothing of the value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(TextVisitor)
    }
}

struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = PresharedKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a preshared key in base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PresharedKey, E> {
        PresharedKey::from_base64(text).map_err(E::custom)
    }

    /// The reader's own copy of the text is wiped.
    fn visit_string<E: de::Error>(self, text: String) -> Result<PresharedKey, E> {
        self.visit_str(&Zeroizing::new(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn a_key_equals_itself_and_no_key_that_differs_in_a_bit(
            bytes: [u8; KEY_LEN],
            index in 0..KEY_LEN,
            bit in 0..8_u32,
        ) {
            let key = PresharedKey::from_bytes(bytes);
            prop_assert_eq!(&key, &PresharedKey::from_bytes(bytes));
            let mut other = bytes;
            other[index] ^= 1 << bit;
            prop_assert_ne!(key, PresharedKey::from_bytes(other));
        }

        #[test]
        fn a_key_survives_serde(bytes: [u8; KEY_LEN]) {
            let key = PresharedKey::from_bytes(bytes);
            let json = serde_json::to_string(&key).unwrap();
            prop_assert_eq!(&json, &format!("\"{}\"", *key.to_base64()));
            prop_assert_eq!(serde_json::from_str::<PresharedKey>(&json).unwrap(), key);
        }

        #[test]
        fn what_serde_refuses_is_not_shown(text in "[g-zG-Z]{16,60}") {
            let error = serde_json::from_str::<PresharedKey>(&format!("\"{text}\"")).unwrap_err();
            prop_assert!(!error.to_string().contains(&text), "{}", error);
        }
    }
}

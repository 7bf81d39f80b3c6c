//! What an invitation is called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes of an id.
pub(crate) const ID_LEN: usize = 4;

/// What an invitation is called in lists, commands and logs. It is no secret. Displays as eight
/// hexadecimal digits; serde sees those as a string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId([u8; ID_LEN]);

/// The text is no id of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an invitation's id: that is eight hexadecimal digits")]
pub struct InvitationIdError;

impl InvitationId {
    /// The id of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; ID_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes, in the order of the digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ID_LEN] {
        &self.0
    }
}

impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:08x}", u32::from_be_bytes(self.0)))
    }
}

impl fmt::Debug for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvitationId({self})")
    }
}

impl FromStr for InvitationId {
    type Err = InvitationIdError;

    /// Reads eight hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, InvitationIdError> {
        // `from_str_radix` alone would take a sign as well.
        if text.len() != 2 * ID_LEN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvitationIdError);
        }
        u32::from_str_radix(text, 16).map(|id| Self(id.to_be_bytes())).map_err(|_| InvitationIdError)
    }
}

impl Serialize for InvitationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InvitationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = InvitationId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("eight hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<InvitationId, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_displays_as_eight_digits_and_can_be_padded() {
        let id = InvitationId::from_bytes([0, 0x0a, 0xb0, 0xff]);
        assert_eq!(id.to_string(), "000ab0ff");
        assert_eq!(format!("{id:10}|"), "000ab0ff  |");
        assert_eq!(format!("{id:?}"), "InvitationId(000ab0ff)");
        assert_eq!("000AB0FF".parse(), Ok(id));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "000ab0f", "000ab0ff0", "+00ab0ff", "000ab0fg", " 00ab0ff", "000ab0é"] {
            assert_eq!(text.parse::<InvitationId>(), Err(InvitationIdError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_id_survives_its_text_form_and_serde(bytes: [u8; ID_LEN]) {
            let id = InvitationId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{id}\""));
            prop_assert_eq!(serde_json::from_str::<InvitationId>(&json).unwrap(), id);
        }
    }
}

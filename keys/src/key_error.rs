//! Why a key could not be made or read.

use crate::KEY_LEN_BASE64;

/// Why a key could not be made or read. Never contains any part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is too short or too long to be a key.
    #[error("wrong length: a key has {KEY_LEN_BASE64} base64 characters, this has {found}")]
    WrongLength {
        /// Bytes that the text has.
        found: usize,
    },
    /// The text has the right length, but is not the canonical base64 of 32 bytes.
    #[error("not base64: character {position} does not belong in a key")]
    NotBase64 {
        /// The first character at fault, counted from 1.
        position: usize,
    },
    /// The public key is a point of low order: every shared secret with it would be zero.
    #[error("not a usable public key: it is a point of low order, with which nothing stays secret")]
    LowOrder,
    /// The operating system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random(#[source] getrandom::Error),
}

//! Keys of v6tun: what they are, how they are written, and the files that hold them.
//!
//! The text form is the one of wg(8): 44 characters of standard base64 for 32 bytes, so that
//! keys are interchangeable with `wg genkey`, `wg genpsk` and `wg pubkey` in both directions.
//!
//! Secrets ([`PrivateKey`], [`PresharedKey`]) are zeroized when dropped, as is every buffer that
//! they pass through, and have neither `Display` nor a `Debug` that shows them.

mod base64;
mod client_name;
mod invitation;
mod invitation_id;
mod key_error;
pub mod key_file;
mod preshared_key;
mod private_key;
mod public_key;

pub use base64::trim_end;
pub use client_name::is_client_name;
pub use invitation::{Invitation, InvitationError, ThrowAway};
pub use invitation_id::{InvitationId, InvitationIdError};
pub use key_error::KeyError;
pub use preshared_key::PresharedKey;
pub use private_key::PrivateKey;
pub use public_key::PublicKey;

/// Bytes of a key of any kind.
pub const KEY_LEN: usize = 32;

/// Characters of a key's text form.
pub const KEY_LEN_BASE64: usize = 44;

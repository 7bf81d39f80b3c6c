//! What an outer UDP payload is: the four messages of the WireGuard paper, section 5.4.

use crate::DropReason;
use crate::limits::{MAX_DATAGRAM, REJECT_AFTER_MESSAGES};

const INITIATION_LEN: usize = 148;
const RESPONSE_LEN: usize = 92;
const COOKIE_REPLY_LEN: usize = 64;
const EMPTY_DATA_LEN: usize = 32;

/// A UDP payload by its first bytes; nothing in it is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datagram {
    /// Handshake initiation (type 1).
    Initiation,
    /// Handshake response (type 2), for the session that `receiver` names.
    Response { receiver: u32 },
    /// Cookie reply (type 3), for the session that `receiver` names.
    CookieReply { receiver: u32 },
    /// Data (type 4), for the session that `receiver` names, with its nonce counter.
    Data { receiver: u32, counter: u64 },
}

impl Datagram {
    /// Tells what it is, or why the WireGuard engine must not see it.
    pub(crate) fn classify(bytes: &[u8]) -> Result<Self, DropReason> {
        let message_type = read_u32(bytes, 0).ok_or(DropReason::DatagramMalformed)?;
        let at = |offset| read_u32(bytes, offset).ok_or(DropReason::DatagramMalformed);
        match (message_type, bytes.len()) {
            (1, INITIATION_LEN) => Ok(Self::Initiation),
            (2, RESPONSE_LEN) => Ok(Self::Response { receiver: at(8)? }),
            (3, COOKIE_REPLY_LEN) => Ok(Self::CookieReply { receiver: at(4)? }),
            (4, len) if len > MAX_DATAGRAM => Err(DropReason::DatagramTooLong),
            (4, EMPTY_DATA_LEN..) => {
                let receiver = at(4)?;
                let counter = read_u64(bytes, 8).ok_or(DropReason::DatagramMalformed)?;
                if counter >= REJECT_AFTER_MESSAGES {
                    return Err(DropReason::CounterExhausted);
                }
                Ok(Self::Data { receiver, counter })
            }
            _ => Err(DropReason::DatagramMalformed),
        }
    }

    /// Whether a datagram that is about to be sent is a handshake initiation.
    pub(crate) fn is_initiation(bytes: &[u8]) -> bool {
        Self::classify(bytes) == Ok(Self::Initiation)
    }
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn read_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..)?.first_chunk().copied().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn data(len: usize, counter: u64) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[0] = 4;
        bytes[4..8].copy_from_slice(&7u32.to_le_bytes());
        bytes[8..16].copy_from_slice(&counter.to_le_bytes());
        bytes
    }

    #[test]
    fn a_data_message_names_its_receiver_and_counter() {
        assert_eq!(Datagram::classify(&data(32, 9)), Ok(Datagram::Data { receiver: 7, counter: 9 }));
    }

    #[test]
    fn counters_beyond_the_last_usable_one_are_refused() {
        assert!(Datagram::classify(&data(32, REJECT_AFTER_MESSAGES - 1)).is_ok());
        for counter in [REJECT_AFTER_MESSAGES, u64::MAX - 1, u64::MAX] {
            assert_eq!(Datagram::classify(&data(32, counter)), Err(DropReason::CounterExhausted));
        }
    }

    #[test]
    fn data_messages_longer_than_a_slot_can_hold_are_refused() {
        assert!(Datagram::classify(&data(MAX_DATAGRAM, 0)).is_ok());
        for len in [MAX_DATAGRAM + 1, 4000, 65507] {
            assert_eq!(Datagram::classify(&data(len, 0)), Err(DropReason::DatagramTooLong));
        }
    }

    #[test]
    fn reserved_bytes_and_lengths_must_be_exact() {
        for (message_type, len) in [(1, 148), (2, 92), (3, 64)] {
            let mut bytes = vec![0; len];
            bytes[0] = message_type;
            assert!(Datagram::classify(&bytes).is_ok());
            bytes[3] = 1;
            assert_eq!(Datagram::classify(&bytes), Err(DropReason::DatagramMalformed));
            bytes[3] = 0;
            bytes.push(0);
            assert_eq!(Datagram::classify(&bytes), Err(DropReason::DatagramMalformed));
        }
    }

    proptest! {
        #[test]
        fn classifying_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2100)) {
            let _ = Datagram::classify(&bytes);
        }
    }
}

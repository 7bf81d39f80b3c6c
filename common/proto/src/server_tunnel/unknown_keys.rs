//! Which unknown keys are worth a word.

use crate::limits::MAX_UNKNOWN_KEYS;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use v6tun_keys::PublicKey;

/// The unknown keys that were told of, the last of them at the back.
///
/// At one a second, those of the last minute fit.
#[derive(Debug, Default)]
pub(crate) struct UnknownKeys {
    told: VecDeque<(PublicKey, Instant)>,
}

impl UnknownKeys {
    const BETWEEN_ANY: Duration = Duration::from_secs(1);
    const BETWEEN_SAME: Duration = Duration::from_secs(60);

    /// Whether to tell of that key: one a second, and each once a minute.
    pub(crate) fn is_worth_telling(&mut self, key: PublicKey, now: Instant) -> bool {
        let age = |at: &Instant| now.saturating_duration_since(*at);
        if self.told.back().is_some_and(|(_, at)| age(at) < Self::BETWEEN_ANY) {
            return false;
        }
        if self.told.iter().any(|(other, at)| *other == key && age(at) < Self::BETWEEN_SAME) {
            return false;
        }
        if self.told.len() >= MAX_UNKNOWN_KEYS {
            self.told.pop_front();
        }
        self.told.push_back((key, now));
        true
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need a first moment")]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_keys_is_told_of_once_a_second_and_each_key_once_a_minute() {
        let start = Instant::now();
        let mut keys = UnknownKeys::default();
        let mut told = 0;
        for ms in 0..10_000u32 {
            let key = PublicKey::from_bytes([u8::try_from(ms % 251).unwrap(); 32]);
            told += u32::from(keys.is_worth_telling(key, start + Duration::from_millis(ms.into())));
        }
        assert_eq!(told, 10);
        let same = PublicKey::from_bytes([255; 32]);
        let at = |s| start + Duration::from_secs(s);
        assert!(keys.is_worth_telling(same, at(100)));
        assert!(!keys.is_worth_telling(same, at(159)));
        assert!(keys.is_worth_telling(same, at(160)));
        assert!(keys.told.len() <= MAX_UNKNOWN_KEYS);
    }
}

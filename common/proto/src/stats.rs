//! Counters of what was dropped.

use crate::DropReason;

/// What a tunnel has dropped since it was made, by reason.
#[derive(Debug, Clone)]
pub struct Stats {
    drops: [u64; DropReason::ALL.len()],
}

impl Default for Stats {
    fn default() -> Self {
        Self { drops: [0; DropReason::ALL.len()] }
    }
}

impl Stats {
    /// Every reason with its count, zeros included, in the order of [`DropReason::ALL`].
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().copied().zip(self.drops.iter().copied())
    }

    /// How often that reason was met.
    pub fn drops_for(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or_default()
    }

    /// Counts one more.
    pub fn count(&mut self, reason: DropReason) {
        if let Some(count) = self.drops.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_of_its_own() {
        let mut stats = Stats::default();
        for reason in DropReason::ALL {
            stats.count(*reason);
        }
        assert!(stats.drops().all(|(_, count)| count == 1));
    }
}

//! CoDel (RFC 8289): tells by how long packets have waited whether a queue stands, and how often its sender is to be
//! told.

use std::time::{Duration, Instant};

use crate::limits::{QUEUE_INTERVAL, QUEUE_TARGET};

/// How long after a drop the count of the last time is still worth something (RFC 8289, section 5.5).
const MEMORY: u32 = 16;

/// What is known of one queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CoDel {
    /// When the wait will have been too long for a whole interval.
    too_long_at: Option<Instant>,
    /// When the next packet is to be dropped, while packets are.
    drop_next: Option<Instant>,
    /// When the last packet was to be dropped.
    last_drop: Option<Instant>,
    count: u32,
    last_count: u32,
}

impl CoDel {
    /// Whether the sender of the packet that now leaves the queue is to slow down. It has waited since `since`;
    /// `is_last` if nothing waits behind it.
    pub(super) fn judge(&mut self, since: Instant, is_last: bool, now: Instant) -> bool {
        let stands = self.stands(since, is_last, now);
        match self.drop_next {
            Some(_) if !stands => {
                self.drop_next = None;
                false
            }
            Some(due) if now >= due => {
                self.count = self.count.saturating_add(1);
                self.drop_at(due, now);
                true
            }
            None if stands => {
                let grown = self.count.saturating_sub(self.last_count);
                let is_recent =
                    self.last_drop.is_some_and(|last| now.duration_since(last) < QUEUE_INTERVAL * MEMORY);
                self.count = if grown > 1 && is_recent { grown } else { 1 };
                self.last_count = self.count;
                self.drop_at(now, now);
                true
            }
            _ => false,
        }
    }

    /// Whether packets have waited too long for a whole interval.
    fn stands(&mut self, since: Instant, is_last: bool, now: Instant) -> bool {
        if is_last || now.duration_since(since) < QUEUE_TARGET {
            self.too_long_at = None;
            return false;
        }
        let at = *self.too_long_at.get_or_insert(now + QUEUE_INTERVAL);
        now >= at
    }

    /// The longer it lasts, the more often (RFC 8289, section 5.3).
    fn drop_at(&mut self, due: Instant, now: Instant) {
        self.last_drop = Some(now);
        self.drop_next = Some(due + pause(self.count));
    }
}

fn pause(count: u32) -> Duration {
    QUEUE_INTERVAL.div_f64(f64::from(count.max(1)).sqrt())
}

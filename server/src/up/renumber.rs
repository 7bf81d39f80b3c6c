//! Another prefix on the uplink: the clients move there, each with its identifier.

use super::serve::Server;
use crate::renumbering::successor;
use crate::roster::Effect;
use anyhow::Result;
use std::time::{Duration, Instant};
use tracing::warn;
use v6tun_proto::lease::PoolPrefix;

/// How long the old prefix has been away before the new one is believed: what sets up a link again does not do it all
/// at once.
const SETTLES: Duration = Duration::from_secs(10);

/// What was seen in the place of the prefix that is lent from, and since when.
#[derive(Debug, Default)]
pub(crate) struct Successor {
    seen: Option<(PoolPrefix, Instant)>,
    /// Why it could not be followed, said once.
    refusal: Option<String>,
}

impl Successor {
    /// Whether that has been there for long enough.
    fn has_settled(&mut self, today: Option<PoolPrefix>, now: Instant) -> Option<PoolPrefix> {
        let since = match (self.seen, today) {
            (Some((seen, since)), Some(today)) if seen == today => since,
            _ => now,
        };
        self.seen = today.map(|today| (today, since));
        today.filter(|_| now.duration_since(since) >= SETTLES)
    }
}

impl Server<'_> {
    /// Follows the uplink to another prefix.
    pub(super) async fn heed_prefix(&mut self) {
        let Some(from) = self.roster.prefix_on_link() else { return };
        let today = successor(from, self.lending.seen_uplink());
        let Some(to) = self.successor.has_settled(today, Instant::now()) else { return };
        let refusal = self.renumber(from, to).await.err().map(|error| format!("{error:#}"));
        if let Some(why) = &refusal
            && self.successor.refusal != refusal
        {
            warn!("the clients cannot move from {from} to {to}, which is tried again: {why}");
        }
        self.successor.refusal = refusal;
    }

    async fn renumber(&mut self, from: PoolPrefix, to: PoolPrefix) -> Result<()> {
        let moved = self.roster.renumber(from, to, self.lending.seen_uplink())?;
        warn!(
            "the uplink has the prefix {to} in the place of {from}: clients move there, and stock WireGuard clients must be told; \
             write it into server.toml, [pool]"
        );
        for (client, former) in moved {
            let Some(address) = self.roster.address_of(&client) else { continue };
            if self.lending.carries(former) {
                self.lease_needed(client).await;
            } else {
                self.tell_of(Effect::Moved { client, to: address });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_believed_once_it_has_been_there_for_ten_seconds_without_a_break() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let prefix: PoolPrefix = "2001:db8:9:8::/64".parse().unwrap();
        let other: PoolPrefix = "2001:db8:9:9::/64".parse().unwrap();
        let mut successor = Successor::default();
        for (second, seen, believed) in [
            (0, Some(prefix), false),
            (9, Some(prefix), false),
            (10, None, false),
            (11, Some(prefix), false),
            (20, Some(prefix), false),
            (20, Some(other), false),
            (21, Some(prefix), false),
            (31, Some(prefix), true),
        ] {
            let settled = successor.has_settled(seen, at(second));
            assert_eq!(settled, seen.filter(|_| believed), "{second}");
        }
    }
}

//! Settings that somebody else writes over and over: they are put back a few times, and then left for a while.
//!
//! Two programs that correct each other for ever load the host and its log, and neither wins. The administrator is told
//! who the other one may be.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use v6tun_host::network::{Change, SysctlKey};

/// So often a setting is put back within [`SPAN`].
const MAX_WRITES: usize = 3;
const SPAN: Duration = Duration::from_secs(60);

/// The settings that were put back lately.
#[derive(Debug, Default)]
pub(crate) struct TugOfWar {
    writes: HashMap<SysctlKey, VecDeque<Instant>>,
}

/// What is to be done about changes that would put something back.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// These are made.
    pub(crate) made: Vec<Change>,
    /// These settings are left as they are for now.
    pub(crate) left: Vec<SysctlKey>,
}

impl TugOfWar {
    /// Notes what is put back now, and takes out what was so too often. What is no setting is always made.
    pub(crate) fn judge(&mut self, changes: Vec<Change>, now: Instant) -> Judged {
        self.writes.retain(|_, writes| {
            while writes.front().is_some_and(|first| now.saturating_duration_since(*first) >= SPAN) {
                writes.pop_front();
            }
            !writes.is_empty()
        });
        let mut judged = Judged::default();
        for change in changes {
            let Some(key) = change.setting() else {
                judged.made.push(change);
                continue;
            };
            let writes = self.writes.entry(key.clone()).or_default();
            if writes.len() < MAX_WRITES {
                writes.push_back(now);
                judged.made.push(change);
            } else {
                judged.left.push(key);
            }
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_back(name: &str) -> Change {
        let key = SysctlKey::ipv6_conf("ens3", name).unwrap();
        Change::SetSysctl { key, from: Some("0".to_owned()), to: "1".to_owned() }
    }

    #[test]
    fn a_setting_is_put_back_three_times_a_minute_and_others_are_not_concerned() {
        let (mut tug, start) = (TugOfWar::default(), Instant::now());
        let mut made = |name, second| {
            tug.judge(vec![put_back(name)], start + Duration::from_secs(second)).made.len() == 1
        };
        assert_eq!(
            [0, 5, 10, 15, 59].map(|second| made("proxy_ndp", second)),
            [true, true, true, false, false]
        );
        assert!(made("accept_ra", 15));
        assert_eq!([60, 61, 65, 70].map(|second| made("proxy_ndp", second)), [true, false, true, true]);
        assert!(!made("proxy_ndp", 119), "those of 60, 65 and 70 s");
    }

    #[test]
    fn what_is_no_setting_is_always_made() {
        let mut tug = TugOfWar::default();
        let up = Change::SetLinkUp { link: "v6tun0".to_owned(), mtu: 1440 };
        for _ in 0..10 {
            assert_eq!(tug.judge(vec![up.clone()], Instant::now()).made.len(), 1);
        }
    }
}

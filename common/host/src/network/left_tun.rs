//! What one server has left for the next.

use super::link_names::with_todays_names;
use super::{Change, Entry, Link};

/// A tun that a server has left behind on purpose, with all that its journal says. A tun of one that was killed goes
/// with it, so that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftTun {
    /// Its name, as it is now.
    pub name: String,
    /// The link whose addresses are lent, as it is called now.
    pub uplink: String,
}

impl LeftTun {
    /// The one that the entries tell of last, if it is still there.
    pub(super) fn find(entries: &[Entry], links: &[Link]) -> Option<Self> {
        with_todays_names(entries, links).iter().rev().find_map(|entry| match &entry.change {
            Change::LeaveTun { link, uplink } => Some(Self { name: link.clone(), uplink: uplink.clone() })
                .filter(|_| entry.is_still_there(link, links)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Phase;

    fn link(index: u32, name: &str) -> Link {
        Link { index, name: name.into(), mtu: 1500, up: true, mac: Vec::new() }
    }

    fn left(name: &str, index: u32) -> Entry {
        let change = Change::LeaveTun { link: name.into(), uplink: "ens3".into() };
        Entry { at: 0, phase: Phase::Do, change, links: [(name.into(), index), ("ens3".into(), 2)].into() }
    }

    fn found(entries: &[Entry], links: &[Link]) -> Option<(String, String)> {
        LeftTun::find(entries, links).map(|LeftTun { name, uplink }| (name, uplink))
    }

    #[test]
    fn a_tun_is_left_as_long_as_it_is_there() {
        let entries = [left("v6tun0", 7)];
        let names = |tun: &str, uplink: &str| Some((tun.to_owned(), uplink.to_owned()));
        let uplink = link(2, "ens3");
        assert_eq!(found(&entries, &[uplink.clone(), link(7, "v6tun0")]), names("v6tun0", "ens3"));
        assert_eq!(found(&entries, std::slice::from_ref(&uplink)), None, "it went with its process");
        assert_eq!(found(&entries, &[uplink, link(8, "v6tun0")]), None, "it is another");
        assert_eq!(found(&entries, &[link(2, "wan"), link(7, "v6tun0")]), names("v6tun0", "wan"));
        assert_eq!(found(&[], &[link(7, "v6tun0")]), None);
    }
}

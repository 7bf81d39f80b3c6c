//! An IPv6 address as it stands on an interface.

use std::fmt;
use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::Prefix;

/// The kernel's `IFA_F_*` flags (`linux/if_addr.h`) that v6tun names.
pub mod address_flags {
    /// A temporary address (RFC 8981); the kernel alone can make one.
    pub const TEMPORARY: u32 = 0x01;
    /// No duplicate address detection.
    pub const NODAD: u32 = 0x02;
    /// Duplicate address detection has found another owner.
    pub const DADFAILED: u32 = 0x08;
    /// A Mobile IPv6 home address.
    pub const HOMEADDRESS: u32 = 0x10;
    /// Its preferred lifetime has ended: new connections do not begin from it.
    pub const DEPRECATED: u32 = 0x20;
    /// Duplicate address detection has not ended: the address is not yet used.
    pub const TENTATIVE: u32 = 0x40;
    /// The kernel makes temporary addresses from this one.
    pub const MANAGETEMPADDR: u32 = 0x100;
    /// No prefix route belongs to the address.
    pub const NOPREFIXROUTE: u32 = 0x200;
    /// The address joins its multicast group.
    pub const MCAUTOJOIN: u32 = 0x400;
    /// A stable privacy address (RFC 7217); the kernel alone can make one.
    pub const STABLE_PRIVACY: u32 = 0x800;

    /// Those that an administrator can set; the others are the kernel's own book-keeping.
    pub const CONFIGURABLE: u32 = NODAD | HOMEADDRESS | MANAGETEMPADDR | NOPREFIXROUTE | MCAUTOJOIN;
}

/// One IPv6 address on an interface, with everything that is needed to put it there again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The address.
    pub address: Ipv6Addr,
    /// 0 to 128.
    pub prefix_len: u8,
    /// The other end, where the interface is point to point and has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Ipv6Addr>,
    /// `IFA_F_*` as the kernel gave them.
    pub flags: u32,
    /// `RT_SCOPE_*`: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// Seconds until the address goes; `None`: never.
    pub valid: Option<u32>,
    /// Seconds until the address is deprecated; `None`: never.
    pub preferred: Option<u32>,
    /// `IFA_PROTO`: who put it there; 0: not said.
    #[serde(default)]
    pub protocol: u8,
    /// The metric of its prefix route, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_priority: Option<u32>,
}

impl InterfaceAddress {
    /// A permanent global address without duplicate address detection.
    #[must_use]
    pub fn permanent(address: Ipv6Addr, prefix_len: u8) -> Self {
        Self {
            address,
            prefix_len,
            peer: None,
            flags: address_flags::NODAD,
            scope: 0,
            valid: None,
            preferred: None,
            protocol: 0,
            route_priority: None,
        }
    }

    /// The flags that somebody configured, without the kernel's book-keeping.
    #[must_use]
    pub fn configured_flags(&self) -> u32 {
        self.flags & address_flags::CONFIGURABLE
    }

    /// Whether it can be taken away and put back as it was. Temporary and stable privacy addresses are made by
    /// the kernel alone, as is the finding that an address is a duplicate.
    #[must_use]
    pub fn is_restorable(&self) -> bool {
        const KERNELS_OWN: u32 =
            address_flags::TEMPORARY | address_flags::STABLE_PRIVACY | address_flags::DADFAILED;
        self.flags & KERNELS_OWN == 0
    }

    /// The prefix that it lies in.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        Prefix::of(self.address, self.prefix_len)
    }

    /// Whether the kernel takes the temporary addresses of this prefix away together with this one.
    #[must_use]
    pub(crate) fn carries(&self, other: &Self) -> bool {
        self.flags & address_flags::MANAGETEMPADDR != 0
            && other.flags & address_flags::TEMPORARY != 0
            && self.prefix().contains(other.address)
    }

    /// Whether the kernel uses it as a source: neither tentative nor a duplicate.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.flags & (address_flags::TENTATIVE | address_flags::DADFAILED) == 0
    }

    /// The same address after `elapsed` seconds, `None` if it would have expired.
    #[must_use]
    pub fn aged(&self, elapsed: u64) -> Option<Self> {
        let elapsed = u32::try_from(elapsed).unwrap_or(u32::MAX);
        let valid = match self.valid {
            Some(seconds) => Some(seconds.checked_sub(elapsed).filter(|left| *left > 0)?),
            None => None,
        };
        let preferred = self.preferred.map(|seconds| seconds.saturating_sub(elapsed));
        Some(Self { valid, preferred, ..self.clone() })
    }

    /// `A/64` and what follows it in `ip -6 addr add`.
    pub(crate) fn write_add_arguments(&self, f: &mut fmt::Formatter<'_>, link: &str) -> fmt::Result {
        self.write_identity(f)?;
        write!(f, " dev {link}")?;
        let words = [
            (address_flags::NODAD, "nodad"),
            (address_flags::HOMEADDRESS, "home"),
            (address_flags::MANAGETEMPADDR, "mngtmpaddr"),
            (address_flags::NOPREFIXROUTE, "noprefixroute"),
            (address_flags::MCAUTOJOIN, "autojoin"),
        ];
        for (_, word) in words.iter().filter(|(flag, _)| self.flags & flag != 0) {
            write!(f, " {word}")?;
        }
        if let Some(metric) = self.route_priority {
            write!(f, " metric {metric}")?;
        }
        if self.protocol != 0 {
            write!(f, " proto {}", self.protocol)?;
        }
        for (word, seconds) in [("valid_lft", self.valid), ("preferred_lft", self.preferred)] {
            if let Some(seconds) = seconds {
                write!(f, " {word} {seconds}")?;
            }
        }
        Ok(())
    }

    /// `A/64`, or `A peer B/128`: what identifies it to `ip -6 addr del`.
    pub(crate) fn write_identity(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{} peer {peer}/{}", self.address, self.prefix_len),
            None => write!(f, "{}/{}", self.address, self.prefix_len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_ages_by_the_time_that_it_was_away() {
        let mut address = InterfaceAddress::permanent("2001:db8::1".parse().unwrap(), 64);
        assert_eq!(address.aged(1_000_000), Some(address.clone()), "forever stays forever");
        (address.valid, address.preferred) = (Some(100), Some(40));
        let aged = address.aged(60).unwrap();
        assert_eq!((aged.valid, aged.preferred), (Some(40), Some(0)));
        assert_eq!(address.aged(100), None, "it has expired meanwhile");
        assert_eq!(address.aged(u64::MAX), None);
    }
}

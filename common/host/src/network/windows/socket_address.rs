//! IP addresses as IP Helper takes and gives them.

#![expect(unsafe_code, reason = "these addresses are unions")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use windows_sys::Win32::NetworkManagement::Ndis::NET_LUID_LH;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_INET,
};

pub(super) fn from_ip(address: IpAddr) -> SOCKADDR_INET {
    match address {
        IpAddr::V4(address) => SOCKADDR_INET {
            Ipv4: SOCKADDR_IN {
                sin_family: AF_INET,
                sin_addr: IN_ADDR { S_un: IN_ADDR_0 { S_addr: u32::from_ne_bytes(address.octets()) } },
                ..SOCKADDR_IN::default()
            },
        },
        IpAddr::V6(address) => SOCKADDR_INET {
            Ipv6: SOCKADDR_IN6 {
                sin6_family: AF_INET6,
                sin6_addr: IN6_ADDR { u: IN6_ADDR_0 { Byte: address.octets() } },
                ..SOCKADDR_IN6::default()
            },
        },
    }
}

/// `None` for one that is of neither family.
pub(super) fn to_ip(address: &SOCKADDR_INET) -> Option<IpAddr> {
    // SAFETY: all members begin with the family.
    match unsafe { address.si_family } {
        AF_INET => {
            // SAFETY: the family says so.
            let address = unsafe { address.Ipv4 };
            // SAFETY: all members are the same four bytes.
            let number = unsafe { address.sin_addr.S_un.S_addr };
            Some(Ipv4Addr::from(number.to_ne_bytes()).into())
        }
        AF_INET6 => {
            // SAFETY: the family says so.
            let address = unsafe { address.Ipv6 };
            // SAFETY: all members are the same sixteen bytes.
            let bytes = unsafe { address.sin6_addr.u.Byte };
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

/// `None` for one that is not of IPv6.
pub(super) fn to_ipv6(address: &SOCKADDR_INET) -> Option<Ipv6Addr> {
    match to_ip(address)? {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}

pub(super) fn from_luid(value: u64) -> NET_LUID_LH {
    NET_LUID_LH { Value: value }
}

pub(super) fn to_luid(luid: &NET_LUID_LH) -> u64 {
    // SAFETY: all members are the same 64 bits.
    unsafe { luid.Value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_as_it_was_given() {
        for text in ["192.0.2.1", "2001:db8::2330", "::", "0.0.0.0"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(to_ip(&from_ip(address)), Some(address));
        }
        assert_eq!(to_ip(&SOCKADDR_INET::default()), None, "no family");
        assert_eq!(to_ipv6(&from_ip(Ipv4Addr::LOCALHOST.into())), None);
    }
}

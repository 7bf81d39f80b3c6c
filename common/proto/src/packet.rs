//! Inner packets: checked once, then read without another doubt.

pub(crate) mod checksum;
mod ecn;
pub(crate) mod icmpv6;
mod ipv6;
mod mss;
mod too_big;

pub use ecn::Ecn;
#[cfg(test)]
pub(crate) use ipv6::tests;
pub use ipv6::{Fragment, Ipv6Packet};
pub(crate) use mss::MssClamp;
pub(crate) use too_big::TooBig;

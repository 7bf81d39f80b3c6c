//! Routes that name the address that the host shall send from.

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

/// A route of any table with a source address of its own (`ip -6 route ... src A`), whoever made it.
///
/// The kernel strikes the source out of such routes when the address goes, and does not put it back when the
/// address returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcedRoute {
    /// The link that the route leads to: only when the address goes from this one the kernel forgets it.
    pub link: String,
    /// The route's source address.
    pub source: Ipv6Addr,
    /// The route without its source, as `ip -6 route` takes it, in so far as it identifies the route.
    pub text: String,
    /// The route without its source and whatever changes by itself: the kernel's own message, in hexadecimal.
    pub way: String,
}

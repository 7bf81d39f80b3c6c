//! The state of the host's network: what it is, what it must be, and how it becomes so and goes back.
//!
//! ```text
//! Requirement[] ─┐                    ┌─ journalled before it is done
//!                ├─ plan() ─> Change[] ┴─> carry_out() ─> kernel
//!  Observed ─────┤
//!                └─ undo() <─ Entry[] (journal)
//! ```
//!
//! [`plan`] and [`undo`] are pure: the same code runs at start, in every reconciliation, in a dry run and
//! in the undoing. Only [`Network`] touches the kernel. What is so already yields no change, and therefore
//! no undoing; what somebody else changed since is left alone.

mod address;
mod address_order;
mod as_found;
mod chain_opening;
mod change;
mod error;
mod filter_table;
mod firewall_rule;
mod journal;
mod left_tun;
mod link_names;
mod observed;
mod plan;
mod port_list;
mod port_range;
mod requirement;
mod route;
mod sourced_route;
mod sysctl_key;
mod undo;

mod executor;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;
#[cfg(any(windows, test))]
mod windows_firewall;
#[cfg(any(windows, test))]
mod windows_rows;

pub use address::{InterfaceAddress, address_flags};
pub use as_found::as_found;
pub use chain_opening::ChainOpening;
pub use change::Change;
pub use error::NetworkError;
pub use executor::{ExecuteError, RestoreError, carry_out, release, restore};
pub use filter_table::{FilterTable, SeenTable};
pub use firewall_rule::{FirewallAction, FirewallRule, Traffic};
pub use journal::{Entry, Identity, Journal, JournalError, Phase};
pub use left_tun::LeftTun;
pub use observed::{LINK_GROUP, Link, Observed, Proxy};
pub use plan::plan;
pub use port_list::deserialize_ports;
pub use port_range::{PortRange, PortRangeError};
pub use requirement::Requirement;
pub use route::{DefaultRoute, Prefix, ROUTE_PROTOCOL, Route, RouteKind, RouteTo};
pub use sourced_route::SourcedRoute;
pub use sysctl_key::{SysctlKey, SysctlKeyError};
pub use undo::{Undo, undo};

#[cfg(target_os = "linux")]
use linux::StandIns;
#[cfg(target_os = "linux")]
pub use linux::{AddressWatch, Network};
#[cfg(windows)]
use windows::StandIns;
#[cfg(windows)]
pub use windows::{AddressWatch, Network, delete_firewall_rules};

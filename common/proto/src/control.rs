//! Control inside the tunnel: leases, heartbeats and leave-taking, as UDP between link-local
//! addresses, handled in the process at both ends and never shown to a tun.
//!
//! A packet to our own link-local address is a control datagram or it is dropped. Its sender is
//! the peer whose session decrypted it; its source address has to agree. Neither end speaks
//! control to one that has not spoken it, except for the lease request of a client that has no
//! address: a stock WireGuard peer meets nothing that it does not know.

mod carrier;
mod link_local;
mod message;
mod raw_key;
mod reachability;
mod refusal;
mod requester;
mod responder;

pub use carrier::CONTROL_PORT;
pub(crate) use carrier::{ControlBuffer, Ends};
pub use link_local::{SERVER_LINK_LOCAL, client_link_local};
pub(crate) use message::{Envelope, LeaseTerms, Message};
pub use reachability::{InboundResult, Nonce, TcpResult};
pub use refusal::{EnrolRefusal, RefusalReason};
pub(crate) use requester::Requester;
pub(crate) use responder::Responder;

//! Tests of what the other end can be reached by, for the two doctors.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What identifies a datagram that is waited for: random, so that nobody else can send it.
pub type Nonce = [u8; 16];

/// How a client was reached from its server's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundResult {
    /// The round-trip time of an echo request to its address; `None`: no answer.
    pub echo: Option<Duration>,
    /// What became of a connection to its TCP port.
    pub tcp: TcpResult,
}

/// What became of a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TcpResult {
    /// None was tried.
    Untried,
    /// It was accepted.
    Open,
    /// It was refused: the host is reached, and nothing listens or a firewall rejects.
    Refused,
    /// Nothing came back.
    Silent,
}

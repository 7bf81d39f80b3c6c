//! What the running client can be asked beyond its status.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use v6tun_proto::InboundResult;
use v6tun_wire::Operated;

use crate::status::Status;

impl Operated for Status {
    type Order = Order;
    type Answer = Answer;
}

/// An order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Have the server try to reach this PC, at that TCP port as well.
    TestInbound { tcp_port: Option<NonZeroU16> },
}

/// What it came to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// To [`Order::TestInbound`]; `None`: the server did not say.
    Inbound(Option<InboundResult>),
}

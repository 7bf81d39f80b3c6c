//! The subcommands, each in a file of its own, and what they say to each other over the control socket.

pub(crate) mod down;
pub(crate) mod status;
pub(crate) mod up;

use serde::{Deserialize, Serialize};

use crate::status::Status;

/// What the running client is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Tell the figures.
    Status,
    /// Stop, restore this PC, and answer only then.
    Down,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Down`]: this PC is as it was found.
    Down,
    /// The request could not be done.
    Failed(String),
}

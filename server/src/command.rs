//! The subcommands, each in a file of its own.

pub(crate) mod down;
pub(crate) mod status;
pub(crate) mod up;

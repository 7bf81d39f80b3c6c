//! A service of Windows.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use v6tun_wire::GlobalArgs;

use crate::args::Args;

/// The commands that are about the service.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {}

pub(crate) async fn run(_global: &GlobalArgs, command: &Command) -> Result<()> {
    match *command {}
}

/// The process's end, if Windows has started it as the service.
pub(crate) fn serve(_args: &Args) -> Option<ExitCode> {
    None
}

/// Says that the client has all that it needs of this PC. It may be long until the server answers.
pub(crate) fn tell_ready() {}

/// Says of a client that runs already that it is the service, if it is.
pub(crate) fn name_holder(error: anyhow::Error, _global: &GlobalArgs) -> anyhow::Error {
    error
}

//! The command line of `v6tun`.

use clap::{Parser, Subcommand};

use crate::standard_stream::EXAMPLE;

/// Keys for v6tun, interchangeable with those of wg(8).
#[derive(Debug, Parser)]
#[command(name = "v6tun", version, arg_required_else_help = true, after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Print a new private key
    Genkey,
    /// Print a new preshared key
    Genpsk,
    /// Read a private key from standard input, print its public key
    Pubkey,
}

//! Serves the turtle of [`v6tun_tests::turtle_site`] by IPv6 and IPv4.

use std::net::{Ipv6Addr, TcpListener};

use anyhow::Context as _;
use clap::Parser;

/// A web site whose turtle dances for IPv6 visitors only.
#[derive(Parser)]
struct Arguments {
    /// TCP port to listen on
    #[arg(long, default_value_t = 80)]
    port: u16,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // The unspecified IPv6 address takes IPv4 visitors as well: Linux's `bindv6only` is 0 by default.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, arguments.port))
        .with_context(|| format!("listening on port {}", arguments.port))?;
    v6tun_tests::turtle_site::serve(&listener).context("serving")
}

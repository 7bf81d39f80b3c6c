//! Both ends of v6tun, and a stock WireGuard peer, under virtual time.

#![expect(clippy::unwrap_used, reason = "a world that cannot be set up has failed its test")]

mod bad_paths;
mod connecting;
mod days;
mod endpoints;
mod outages;
mod restarts;
mod stock;
mod world;

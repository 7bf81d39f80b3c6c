//! Both ends of v6tun, and a stock WireGuard peer, under virtual time.

mod connecting;
mod days;
mod endpoints;
mod outages;
mod stock;
mod world;

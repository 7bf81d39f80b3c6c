//! The v6tun client.
fn main() {}

//! The v6tun server.
fn main() {}

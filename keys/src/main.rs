//! The program `v6tun`.
fn main() {}

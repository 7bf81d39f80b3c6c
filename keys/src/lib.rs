//! Keys of v6tun.

//! Waiting for tun, socket and orders at once.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::Readiness;
#[cfg(windows)]
pub(super) use windows::Readiness;

#[cfg(unix)]
pub use unix::Waker;
#[cfg(windows)]
pub use windows::Waker;

/// What may be read without waiting. Readiness is reported once, when it begins: it lasts until a read says that
/// nothing is left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waiting {
    pub(super) tun: bool,
    pub(super) socket: bool,
    pub(super) orders: bool,
}

impl Waiting {
    pub(super) const ALL: Self = Self { tun: true, socket: true, orders: true };

    pub(super) fn any(self) -> bool {
        self.tun || self.socket || self.orders
    }
}

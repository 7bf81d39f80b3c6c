//! Standard input without the buffer of `std`, which would keep a copy of what is secret.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::standard_input;
#[cfg(windows)]
pub(crate) use windows::standard_input;

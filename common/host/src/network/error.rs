//! What can go wrong between the program and the kernel.

use std::io;

use thiserror::Error;

/// An operation on the host's network that failed, with its subject and the kernel's own error.
///
/// The text holds the reason, so the cause is not given a second time as `source`.
#[derive(Debug, Error)]
#[error("{operation}: {}", reason(.cause))]
pub struct NetworkError {
    operation: String,
    cause: io::Error,
}

impl NetworkError {
    pub(crate) fn new(operation: impl Into<String>, cause: io::Error) -> Self {
        Self { operation: operation.into(), cause }
    }

    /// What was tried, and on what: `add route 2001:db8::1/128 dev v6tun0`.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The kernel's error.
    #[must_use]
    pub fn cause(&self) -> &io::Error {
        &self.cause
    }

    /// The kernel's error number, where there is one.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.cause.raw_os_error()
    }
}

/// The error's words without Rust's `(os error 1)`, and without the full stop that Windows ends them with.
fn reason(cause: &io::Error) -> String {
    let text = cause.to_string();
    match (cause.raw_os_error(), text.rsplit_once(" (os error ")) {
        (Some(_), Some((words, _))) => words.trim_end_matches('.').to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_operation_subject_and_reason() {
        let error =
            NetworkError::new("add route 2001:db8::1/128 dev v6tun0", io::Error::from_raw_os_error(5));
        let text = error.to_string();
        let (what, why) = text.rsplit_once(": ").unwrap();
        assert_eq!(what, "add route 2001:db8::1/128 dev v6tun0");
        assert!(!why.is_empty() && !why.contains("os error") && !why.ends_with('.'), "{why:?}");
        assert_eq!(error.raw_os_error(), Some(5));
    }
}

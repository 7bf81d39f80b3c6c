//! Errors of the lower crates that know a hint, on their way to the user.

use std::error::Error;

use v6tun_cli::Failure;
use v6tun_host::{
    control_socket::ControlError, directory::DirectoryError, durable_file::DurableFileError,
    instance_lock::LockError, network::JournalError, privilege::PrivilegeError, tun::TunError,
    udp::BindError,
};
use v6tun_keys::key_file::KeyFileError;

/// An error that may know what to do about it.
pub trait Hinted: Error + Send + Sync + Sized + 'static {
    /// What to do about it.
    fn hint(&self) -> Option<String>;
}

macro_rules! hinted {
    ($($error:ty),+ $(,)?) => {
        $(impl Hinted for $error {
            fn hint(&self) -> Option<String> {
                <$error>::hint(self)
            }
        })+
    };
}

hinted!(
    BindError,
    ControlError,
    DirectoryError,
    DurableFileError,
    JournalError,
    KeyFileError,
    LockError,
    PrivilegeError,
    TunError,
);

/// Gives an error its exit status and keeps its hint.
pub trait OrFail<T> {
    /// It was tried, and failed.
    fn or_failed(self) -> anyhow::Result<T>;
    /// What the configuration names is at fault.
    fn or_misconfigured(self) -> anyhow::Result<T>;
}

impl<T, E: Hinted> OrFail<T> for Result<T, E> {
    fn or_failed(self) -> anyhow::Result<T> {
        self.map_err(|error| with_hint(error, Failure::failed))
    }

    fn or_misconfigured(self) -> anyhow::Result<T> {
        self.map_err(|error| with_hint(error, Failure::usage))
    }
}

fn with_hint<E: Hinted>(error: E, kind: impl FnOnce(String) -> Failure) -> anyhow::Error {
    let failure = kind(error.to_string());
    let failure = match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    };
    anyhow::Error::from(error).context(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_hint_reach_the_report() {
        let error = Err::<(), _>(LockError::Held { path: "x".into(), pid: Some(7) }).or_failed().unwrap_err();
        let failure = error.downcast_ref::<Failure>().unwrap();
        assert_eq!(failure.exit_code(), v6tun_cli::exit_code::FAILED);
        assert!(failure.hint().unwrap().contains("down"));
    }
}

//! How a user gives a command the rights that it needs.

#[cfg(not(windows))]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(not(windows))]
use unix as platform;
#[cfg(windows)]
use windows as platform;

/// What to do about a refusal, where no certain command is to be repeated.
pub const RUN_ELEVATED: &str = platform::RUN_ELEVATED;

/// The command as it is typed to have an administrator's rights, in backquotes.
#[must_use]
pub fn elevated(command: &str) -> String {
    format!("`{}{command}`", platform::PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_in_backquotes_whatever_precedes_it() {
        let text = elevated("v6tun-client down");
        assert!(text.starts_with('`') && text.ends_with("v6tun-client down`"), "{text}");
    }
}

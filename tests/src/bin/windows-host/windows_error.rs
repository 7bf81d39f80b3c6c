//! The errors of Windows that the doubles' functions return.

use std::fmt;

/// A number of `winerror.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowsError(pub(crate) u32);

impl WindowsError {
    pub(crate) const FILE_NOT_FOUND: Self = Self(2);
    pub(crate) const INVALID_PARAMETER: Self = Self(87);
    pub(crate) const ALREADY_EXISTS: Self = Self(183);
    pub(crate) const NOT_FOUND: Self = Self(1168);
    pub(crate) const NETWORK_UNREACHABLE: Self = Self(1231);
    pub(crate) const ALREADY_INITIALIZED: Self = Self(1247);
    pub(crate) const OBJECT_ALREADY_EXISTS: Self = Self(5010);
    pub(crate) const GEN_FAILURE: Self = Self(31);
}

impl fmt::Display for WindowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.0)
    }
}

/// What a request comes to: the text of its answer.
pub(crate) type Answer = Result<String, WindowsError>;

/// The next word of a request.
pub(crate) fn word<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<&'a str, WindowsError> {
    words.next().ok_or(WindowsError::INVALID_PARAMETER)
}

/// The next word of a request, read as a number or an address.
pub(crate) fn parsed<'a, T: std::str::FromStr>(
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<T, WindowsError> {
    word(words)?.parse().map_err(|_| WindowsError::INVALID_PARAMETER)
}

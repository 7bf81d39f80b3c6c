//! Why an invitation could not be made or read.

/// Why an invitation could not be made or read. Never contains any part of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// The text has no `v6tun1:` in it.
    #[error("no invitation: nothing here begins with v6tun1:")]
    NotAnInvitation,
    /// The text is an invitation of a version that is not known here.
    #[error("an invitation of version {version}, and this program knows version 1 alone")]
    Newer {
        /// The version that it names.
        version: u32,
    },
    /// More than one invitation stands in the text.
    #[error("more than one invitation in one text")]
    Several,
    /// Characters are missing, wrong, or too many: the checksum says so.
    #[error("the invitation is damaged: cut off, or a character of it is wrong")]
    Damaged,
    /// It is whole, and what it says cannot be.
    #[error("the invitation cannot be used: {what}")]
    Unusable {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The operating system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random(#[source] getrandom::Error),
}

impl InvitationError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotAnInvitation => "`v6tun-server invite NAME`, on the server, prints an invitation",
            Self::Newer { .. } => "install the version of v6tun-client that belongs to the server's",
            Self::Several => "paste one of them",
            Self::Damaged => {
                "copy it once more, from v6tun1: to the end of what `v6tun-server invite` printed"
            }
            Self::Unusable { .. } => {
                "`v6tun-server invite NAME --endpoint HOST:PORT`, on the server, makes another"
            }
            Self::Random(_) => return None,
        };
        Some(hint.to_owned())
    }
}

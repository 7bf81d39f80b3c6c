//! An invitation as it is typed, pasted or piped in. Its text is a secret: it is wiped when it has been read, and
//! shown nowhere.

use std::{
    convert::Infallible,
    fmt,
    io::{self, IsTerminal, Read, Write},
    str::{self, FromStr},
};

use anyhow::{Context, Result};
use v6tun_cli::Failure;
use v6tun_keys::{Invitation, InvitationError};
use zeroize::Zeroizing;

use crate::standard_input::standard_input;

/// Stands for standard input.
const STANDARD_INPUT: &str = "-";
/// Bytes that are read from standard input: an invitation has 462 at the most, and people paste it with what stands
/// around it.
const MAX_LEN: usize = 4096;

/// The argument: an invitation's text, or `-`.
#[derive(Clone)]
pub(crate) struct Typed(Zeroizing<String>);

impl Typed {
    /// Reads the invitation, from standard input where the argument says so.
    ///
    /// # Errors
    /// A usage failure that says what the text is instead, without any part of it.
    pub(crate) fn read(&self) -> Result<Invitation> {
        if *self.0 != STANDARD_INPUT {
            return self.0.parse().map_err(unreadable);
        }
        if io::stdin().is_terminal() {
            // Where standard error is closed nobody waits for a prompt.
            let _unheard = write!(io::stderr(), "invitation: ");
        }
        read_line(standard_input().context("cannot read standard input")?)
    }
}

impl FromStr for Typed {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(..)")
    }
}

/// The invitation in the first line that is not empty.
fn read_line(mut input: impl Read) -> Result<Invitation> {
    let mut text = Zeroizing::new([0; MAX_LEN]);
    let mut len = 0;
    let line = loop {
        let read = input.read(&mut text[len..]).context("cannot read standard input")?;
        len += read;
        match first_line(&text[..len]) {
            (line, is_whole) if is_whole || read == 0 => break line,
            _ => {}
        }
    };
    let text = str::from_utf8(line).map_err(|_| InvitationError::NotAnInvitation);
    text.and_then(str::parse).map_err(unreadable)
}

/// The first line that is not empty, and whether its end has come.
fn first_line(text: &[u8]) -> (&[u8], bool) {
    let text = text.trim_ascii_start();
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], true),
        None => (text, false),
    }
}

fn unreadable(error: InvitationError) -> anyhow::Error {
    let failure = Failure::usage(error.to_string());
    match error.hint() {
        Some(hint) => failure.with_hint(hint).into(),
        None => failure.into(),
    }
}

/// A text in which no invitation can be read any more.
pub(crate) fn without_invitations(text: &str) -> String {
    let mut parts = text.split("v6tun1:");
    let mut redacted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_of_it = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
        redacted += "v6tun1:…";
        redacted += part.trim_start_matches(is_of_it);
    }
    redacted
}

#[cfg(test)]
mod tests {
    use v6tun_keys::PrivateKey;

    use super::*;

    fn invitation() -> Invitation {
        let server = PrivateKey::from_bytes([1; 32]).public_key();
        Invitation::new("203.0.113.233:51820", server, 2_000_000_000).unwrap()
    }

    /// Gives a few bytes at each reading, and fails when it is read on after its end.
    struct Pipe<'a>(&'a [u8]);

    impl Read for Pipe<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.0.len().min(7).min(buffer.len());
            let (now, later) = self.0.split_at(len);
            buffer[..len].copy_from_slice(now);
            self.0 = later;
            Ok(len)
        }
    }

    #[test]
    fn the_first_line_that_is_not_empty_is_read_and_no_more_is_waited_for() {
        let (invitation, text) = (invitation(), invitation().to_text());
        drop(text);
        let text = invitation.to_text();
        for input in [
            format!("{}\n", *text),
            format!("\n  \r\n{}\r\nrest", *text),
            (*text).clone(),
            format!("sudo v6tun-client up {}\n", *text),
        ] {
            assert_eq!(read_line(Pipe(input.as_bytes())).unwrap().id, invitation.id, "{input:?}");
        }
    }

    #[test]
    fn what_is_no_invitation_is_wrong_usage_with_a_hint_and_is_not_repeated() {
        let whole = invitation().to_text();
        let cut = &whole[..whole.len() - 9];
        let long = format!("v6tun1:{}", "A".repeat(2 * MAX_LEN));
        for text in ["", "\n\n", "hello", cut, &long] {
            let typed: Typed = text.parse().unwrap();
            for error in [read_line(Pipe(text.as_bytes())).unwrap_err(), typed.read().unwrap_err()] {
                let failure = error.downcast_ref::<Failure>().unwrap();
                assert_eq!(failure.exit_code(), v6tun_cli::exit_code::USAGE);
                assert!(failure.hint().is_some());
                assert!(!format!("{error:#}").contains(cut));
            }
        }
        assert!(read_line(Pipe(b"v6tun1:\xff\n")).is_err());
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let typed: Typed = invitation().to_text().parse().unwrap();
        assert_eq!(format!("{typed:?}"), "Typed(..)");
    }

    #[test]
    fn an_invitation_is_cut_out_of_any_text() {
        let text = invitation().to_text();
        let said = format!("unrecognized subcommand '{}' and '{}'", *text, *text);
        assert_eq!(without_invitations(&said), "unrecognized subcommand 'v6tun1:…' and 'v6tun1:…'");
        assert_eq!(without_invitations("nothing here"), "nothing here");
    }
}

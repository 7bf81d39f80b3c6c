//! What each subcommand does, as wg(8) documents it.

use std::fmt;
use std::io::{self, Read, Write};

use v6tun_keys::{KEY_LEN_BASE64, KeyError, PresharedKey, PrivateKey, trim_end};
use zeroize::Zeroizing;

use crate::args::Command;
use crate::standard_stream;

/// Bytes that are read at once.
const CHUNK_LEN: usize = 256;

/// Why a subcommand failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("cannot make a key: {}", with_source(.0))]
    Generate(KeyError),
    #[error("cannot read a private key from standard input: {0}")]
    Read(io::Error),
    #[error("standard input holds no private key: {0}")]
    Malformed(KeyError),
    #[error("standard input holds more than a private key: characters other than white space follow it")]
    Trailing,
    #[error("cannot write the key to standard output: {0}")]
    Write(io::Error),
}

pub(crate) fn run(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Genkey => print_secret(|| Ok(PrivateKey::generate()?.to_base64())),
        Command::Genpsk => print_secret(|| Ok(PresharedKey::generate()?.to_base64())),
        Command::Pubkey => {
            let mut input = standard_stream::input().map_err(CommandError::Read)?;
            print(&read_private_key(&mut input)?.public_key().to_string())
        }
    }
}

fn print_secret(generate: impl FnOnce() -> Result<Zeroizing<String>, KeyError>) -> Result<(), CommandError> {
    if standard_stream::is_output_world_accessible() {
        standard_stream::say(standard_stream::WORLD_ACCESSIBLE);
    }
    print(&generate().map_err(CommandError::Generate)?)
}

fn print(key: &str) -> Result<(), CommandError> {
    let mut line = Zeroizing::new([b'\n'; KEY_LEN_BASE64 + 1]);
    line[..KEY_LEN_BASE64].copy_from_slice(key.as_bytes());
    let mut output = standard_stream::output().map_err(CommandError::Write)?;
    output.write_all(line.as_slice()).map_err(CommandError::Write)
}

/// Reads 44 characters and then, to the end, nothing but white space and NUL.
fn read_private_key(input: &mut impl Read) -> Result<PrivateKey, CommandError> {
    let mut text = Zeroizing::new([0_u8; KEY_LEN_BASE64]);
    let found = fill(input, text.as_mut_slice())?;
    if found < KEY_LEN_BASE64 {
        // A newline that ended a short key is none of its characters.
        let found = trim_end(&text[..found]).len();
        return Err(CommandError::Malformed(KeyError::WrongLength { found }));
    }
    let mut rest = Zeroizing::new([0_u8; CHUNK_LEN]);
    loop {
        match fill(input, rest.as_mut_slice())? {
            0 => break,
            len if trim_end(&rest[..len]).is_empty() => {}
            _ => return Err(CommandError::Trailing),
        }
    }
    let text = std::str::from_utf8(text.as_slice()).map_err(|error| {
        CommandError::Malformed(KeyError::NotBase64 { position: error.valid_up_to() + 1 })
    })?;
    PrivateKey::from_base64(text).map_err(CommandError::Malformed)
}

/// Reads until `buffer` is full or the input ends; returns how much there was.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, CommandError> {
    let mut len = 0;
    while len < buffer.len() {
        match input.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CommandError::Read(error)),
        }
    }
    Ok(len)
}

/// An error and its reasons on one line.
fn with_source(error: &dyn std::error::Error) -> impl fmt::Display {
    let reasons = std::iter::successors(Some(error), |error| error.source());
    reasons.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

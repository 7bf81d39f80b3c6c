//! A named pipe.
//!
//! SYSTEM and Administrators alone can open it, by its access list. Its name lies where they alone can make pipes
//! (`ProtectedPrefix\Administrators`), so that who asks needs not ask who answers: nobody else can have taken the
//! name while the program did not run. Programs on other machines are refused.

#![expect(unsafe_code, reason = "tokio takes an access list by its address")]

use std::{
    io,
    path::{Path, absolute},
};

use tokio::{
    io::AsyncReadExt,
    net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions},
    time::{Instant, sleep, timeout},
};
use v6tun_files::windows_security::{PIPE_OF_ADMINISTRATORS, SecurityDescriptor};
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;

use crate::{
    limits::{CONTROL_PATIENCE, PIPE_RETRY},
    privilege::RUN_ELEVATED,
};

/// What helps who may not connect.
pub(super) const DENIED_HINT: &str = RUN_ELEVATED;

/// What shows who has the place.
pub(super) fn taken_hint(path: &Path) -> Option<String> {
    let name = name_of(path);
    let name = name.trim_start_matches(r"\\.\pipe\");
    Some(format!(
        r#"`[IO.Directory]::GetFiles("\\.\pipe\") -match "v6tun"` lists such pipes, {name} among them"#
    ))
}

/// A connection from a program that asks.
pub(super) type Incoming = NamedPipeServer;

/// The pipe, of which one instance waits for who comes next.
#[derive(Debug)]
pub(super) struct Listener {
    name: String,
    next: NamedPipeServer,
}

impl Listener {
    /// Listens under the name that stands for this path. Nothing is left over by a program that was killed.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let name = name_of(path);
        match ClientOptions::new().open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            _ => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "another program has its name")),
        }
        let next = create(&name, true)?;
        Ok(Self { name, next })
    }

    /// There is an instance at any time: who comes while it changes hands finds the pipe busy, and never missing.
    pub(super) async fn accept(&mut self) -> io::Result<Incoming> {
        loop {
            let outcome = self.next.connect().await;
            // Also after an error: an instance whose client has gone again takes no other.
            let next = create(&self.name, false)?;
            let connected = std::mem::replace(&mut self.next, next);
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                outcome => return outcome.map(|()| connected),
            }
        }
    }
}

fn create(name: &str, is_first: bool) -> io::Result<NamedPipeServer> {
    let descriptor = SecurityDescriptor::from_sddl(PIPE_OF_ADMINISTRATORS)?;
    let mut attributes = descriptor.attributes();
    let mut options = ServerOptions::new();
    options.first_pipe_instance(is_first).reject_remote_clients(true);
    // SAFETY: the attributes are those of Windows, and live until after the call as the descriptor does.
    unsafe { options.create_with_security_attributes_raw(name, attributes.as_mut_ptr()) }
}

/// Connects; `None` where nobody listens. A pipe whose instances are all taken is tried again for a while.
pub(super) async fn connect(path: &Path) -> io::Result<Option<NamedPipeClient>> {
    let (name, deadline) = (name_of(path), Instant::now() + CONTROL_PATIENCE);
    loop {
        match ClientOptions::new().open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if !is_busy(&error) => return Err(error),
            Err(_) if Instant::now() >= deadline => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(_) => sleep(PIPE_RETRY).await,
            Ok(client) => return Ok(Some(client)),
        }
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_PIPE_BUSY.cast_signed())
}

/// The pipe's access list has let in whom it should.
pub(super) fn admit(_stream: &Incoming) -> io::Result<Result<(), String>> {
    Ok(Ok(()))
}

/// Waits until the other side has read the answer and closed: what is written stands in this process until then, and
/// would go with it.
pub(super) async fn finish(mut stream: Incoming) -> io::Result<()> {
    match timeout(CONTROL_PATIENCE, stream.read(&mut [0])).await? {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// One name of a bounded length for each path, the same in all processes.
fn name_of(path: &Path) -> String {
    let path = absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().to_lowercase();
    format!(r"\\.\pipe\ProtectedPrefix\Administrators\v6tun-{:016x}", fnv_1a(path.as_bytes()))
}

/// The 64-bit hash of Fowler, Noll and Vo. Nobody gains by two paths of one hash: an administrator chose both.
fn fnv_1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_short_name_however_it_is_written() {
        let name = name_of(Path::new(r"C:\ProgramData\v6tun\run\client.sock"));
        for same in [r"c:\programdata\V6TUN\run\client.sock", "C:/ProgramData/v6tun/run/client.sock"] {
            assert_eq!(name_of(Path::new(same)), name);
        }
        assert_ne!(name_of(Path::new(r"C:\ProgramData\v6tun\run2\client.sock")), name);
        assert!(name_of(Path::new(&"x".repeat(1000))).len() < 100);
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv_1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}

//! A socket in the file system.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// What helps who may not connect.
pub(super) const DENIED_HINT: &str = "it answers root alone: run this with sudo";

/// What shows who has the place.
pub(super) fn taken_hint(path: &Path) -> Option<String> {
    Some(format!("`ls -l {}` shows it", path.display()))
}

/// A connection from a program that asks.
pub(super) type Incoming = UnixStream;

/// The socket; its file goes with it.
#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens there. A socket that is left over there is replaced.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        remove_stale(path)?;
        Ok(Self { socket: bind_private(path)?, path: path.to_owned() })
    }

    pub(super) async fn accept(&mut self) -> io::Result<Incoming> {
        Ok(self.socket.accept().await?.0)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the control socket's file stays");
        }
    }
}

/// Connects; `None` where nobody listens.
pub(super) async fn connect(path: &Path) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(path).await {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        connected => connected.map(Some),
    }
}

/// Whether who connected is answered, as the kernel says who that is; or what to say instead.
pub(super) fn admit(stream: &Incoming) -> io::Result<Result<(), String>> {
    let asking = stream.peer_cred()?.uid();
    if may_ask(asking, rustix::process::geteuid().as_raw()) {
        return Ok(Ok(()));
    }
    tracing::warn!(uid = asking, "a control request of another user is refused");
    Ok(Err(format!("user {asking} may not ask, only root and the program's own user")))
}

/// What is written reaches the other side, also when this process ends.
pub(super) async fn finish(_stream: Incoming) -> io::Result<()> {
    Ok(())
}

/// Whether the program of user `own` answers user `asking`.
pub(super) fn may_ask(asking: u32, own: u32) -> bool {
    const ROOT: u32 = 0;
    asking == ROOT || asking == own
}

/// Binds beside the path and moves the socket there once it is closed to others, so that it is never open to them.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let unfinished = path.with_extension("sock-new");
    remove_stale(&unfinished)?;
    let listener = UnixListener::bind(&unfinished)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600))?;
    fs::rename(&unfinished, path)?;
    Ok(listener)
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is in its place"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

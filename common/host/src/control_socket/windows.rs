//! A named pipe.

use std::{io, path::Path};

use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};

/// What helps who may not connect.
pub(super) const DENIED_HINT: &str = "it answers administrators alone: run this as administrator";

/// What shows who has the place.
pub(super) fn taken_hint(_path: &Path) -> Option<String> {
    None
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
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let name = name_of(path);
        let next = ServerOptions::new().first_pipe_instance(true).create(&name)?;
        Ok(Self { name, next })
    }

    pub(super) async fn accept(&mut self) -> io::Result<Incoming> {
        self.next.connect().await?;
        let next = ServerOptions::new().create(&self.name)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// Connects; `None` where nobody listens.
pub(super) async fn connect(path: &Path) -> io::Result<Option<NamedPipeClient>> {
    match ClientOptions::new().open(name_of(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        connected => connected.map(Some),
    }
}

/// The pipe's access list has let in whom it should.
pub(super) fn admit(_stream: &Incoming) -> io::Result<Result<(), String>> {
    Ok(Ok(()))
}

fn name_of(path: &Path) -> String {
    let path = path.display().to_string().replace(['\\', ':', '/'], "-");
    format!(r"\\.\pipe\ProtectedPrefix\Administrators\v6tun-{path}")
}

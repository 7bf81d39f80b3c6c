//! A connection of a double.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::pc::Pc;
use crate::windows_error::{Answer, WindowsError};
use crate::{adapter, addresses, changes, interfaces, packets, routes};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Serves a connection to its end.
pub(crate) fn serve(pc: &Pc, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true).and_then(|()| serve_kind(pc, stream)) {
        // The end of a killed process looks like this.
        eprintln!("a connection ended: {error}");
    }
}

fn serve_kind(pc: &Pc, stream: TcpStream) -> io::Result<()> {
    let hello = read_hello(&stream)?;
    let mut words = hello.splitn(3, ' ');
    let (kind, _process, argument) =
        (words.next().unwrap_or_default(), words.next(), words.next().unwrap_or_default());
    match kind {
        "wintun" => {
            let connection = NEXT.fetch_add(1, Ordering::Relaxed);
            let outcome = serve_requests(stream, |request| adapter::answer(pc, connection, request));
            adapter::abandon(pc, connection);
            outcome
        }
        "session" => packets::serve(pc, &stream, argument),
        "iphlpapi" => serve_requests(stream, |request| answer(pc, request)),
        "changes" => changes::serve(stream),
        _ => Err(io::Error::other(format!("an unknown kind of connection: {hello:?}"))),
    }
}

/// Reads the first line, and nothing after it.
fn read_hello(stream: &TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    for byte in io::Read::bytes(stream).take(1024) {
        match byte? {
            b'\n' => return String::from_utf8(line).map_err(io::Error::other),
            byte => line.push(byte),
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn serve_requests(stream: TcpStream, mut answer: impl FnMut(&str) -> Answer) -> io::Result<()> {
    let mut to = stream.try_clone()?;
    for request in BufReader::new(stream).lines() {
        let request = request?;
        let (error, text) = match answer(&request) {
            Ok(text) => (0, text),
            Err(error) => (error.0, String::new()),
        };
        if error != 0 {
            eprintln!("{request}: error {error}");
        }
        to.write_all(format!("{error} {}\n{text}", text.len()).as_bytes())?;
    }
    Ok(())
}

/// Carries out a request of iphlpapi.
fn answer(pc: &Pc, request: &str) -> Answer {
    let mut words = request.split(' ');
    let what = words.next().unwrap_or_default();
    match what {
        "address" => addresses::change(&mut words),
        "addresses" => addresses::list(&mut words),
        "route" => routes::change(pc, &mut words),
        "routes" => routes::list(pc, &mut words),
        "best" => routes::best(pc, &mut words),
        "interfaces" => interfaces::list(pc, &mut words),
        "interface" => interfaces::one(pc, &mut words),
        "set-interface" => interfaces::set(pc, &mut words),
        "guid" => interfaces::guid(pc, &mut words),
        "index" => interfaces::index(pc, &mut words),
        "dns" => interfaces::name_servers(pc, &mut words),
        "set-dns" => interfaces::set_name_servers(pc, &mut words),
        _ => Err(WindowsError::INVALID_PARAMETER),
    }
}

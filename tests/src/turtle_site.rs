//! The site of the article: its turtle dances for those who come by IPv6, and keeps still for the rest.
//!
//! HTTP/1.1, plain text. `GET /` is the page; `GET /dance` streams the dance, frame by frame, to a visitor
//! whose terminal understands the cursor movements of ECMA-48.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use v6tun_cli::turtle::{DANCE, STEP, STILL};

/// How long a visitor may stay silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request that is read.
const REQUEST_LIMIT: u64 = 8192;
/// How many times the dance goes through all of its steps.
const ROUNDS: usize = 3;

/// What the page tells a visitor by IPv6.
pub const DANCES: &str = "The turtle dances";
/// What the page tells a visitor by IPv4.
pub const KEEPS_STILL: &str = "The turtle keeps still";

/// Serves the site on `listener` for ever, one thread a visitor.
///
/// # Errors
/// The listener failed.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (stream, visitor) = listener.accept()?;
        thread::spawn(move || {
            // A visitor who goes away early is no news.
            let _ = answer(stream, visitor);
        });
    }
}

fn answer(mut stream: TcpStream, visitor: SocketAddr) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new((&stream).take(REQUEST_LIMIT)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let address = visitor.ip().to_canonical();
    match request.split_whitespace().nth(1) {
        Some("/") => respond(&mut stream, "200 OK", &page(address)),
        Some("/dance") if address.is_ipv6() => dance(&mut stream, address),
        Some("/dance") => respond(&mut stream, "200 OK", &page(address)),
        _ => respond(&mut stream, "404 Not Found", "There is only a turtle here.\n"),
    }
}

/// The page as a visitor with this address sees it.
fn page(address: IpAddr) -> String {
    match address {
        IpAddr::V6(_) => format!("{}\n    {DANCES}: you came by IPv6, from {address}\n", DANCE[0]),
        IpAddr::V4(_) => format!("{STILL}\n    {KEEPS_STILL}: you came by IPv4, from {address}\n"),
    }
}

fn respond(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Streams the dance: each frame goes up over the one before and overwrites it.
fn dance(stream: &mut TcpStream, address: IpAddr) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    )?;
    let steps = DANCE.iter().cycle().take(ROUNDS * DANCE.len());
    for (index, frame) in steps.enumerate() {
        if index > 0 {
            write!(stream, "\x1b[{}A", frame.lines().count())?;
            thread::sleep(STEP);
        }
        for line in frame.lines() {
            writeln!(stream, "{line}\x1b[K")?;
        }
        stream.flush()?;
    }
    write!(stream, "\n    {DANCES}: you came by IPv6, from {address}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_of_the_dance_has_the_same_height() {
        let heights: Vec<usize> = DANCE.iter().map(|frame| frame.lines().count()).collect();
        assert!(heights.iter().all(|height| *height == heights[0]), "{heights:?}");
    }

    #[test]
    fn the_turtle_dances_for_ipv6_alone() {
        assert!(page("2001:db8::1".parse().unwrap()).contains(DANCES));
        assert!(page("192.0.2.1".parse().unwrap()).contains(KEEPS_STILL));
    }
}

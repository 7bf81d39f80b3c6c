//! What a test orders and asks, one line a connection on a Unix socket; the answer is the rest of the connection.
//!
//! | line | what happens |
//! | --- | --- |
//! | `remove ADAPTER` | the adapter is taken away under the hands of the program that uses it |
//! | `stall ADAPTER`, `go-on ADAPTER` | nothing leaves its ring any more, or everything again |
//! | `keep-orphans` | from now on the adapter of a killed process stays until somebody wants to create it |
//! | `name-servers` | a line `INTERFACE FAMILY SERVERS` for each that somebody has set |

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::packets::{ORDER_GO_ON, ORDER_STALL};
use crate::pc::{Pc, lock};
use crate::{adapter, ip, packets};

/// Serves a test, one order after the other.
pub(crate) fn serve(pc: &Pc, listener: &UnixListener) {
    for stream in listener.incoming() {
        if let Err(error) = stream.and_then(|stream| serve_one(pc, stream)) {
            eprintln!("an order: {error}");
        }
    }
}

fn serve_one(pc: &Pc, mut stream: UnixStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut line)?;
    let answer = match obey(pc, line.trim_end()) {
        Ok(text) => format!("ok\n{text}"),
        Err(why) => format!("{why}\n"),
    };
    stream.write_all(answer.as_bytes())
}

fn obey(pc: &Pc, line: &str) -> Result<String, String> {
    let (order, argument) = line.split_once(' ').unwrap_or((line, ""));
    match order {
        "remove" if adapter::remove(pc, argument) => Ok(String::new()),
        "remove" => Err(no_adapter(argument)),
        "stall" => to_session(pc, argument, ORDER_STALL),
        "go-on" => to_session(pc, argument, ORDER_GO_ON),
        "keep-orphans" => {
            pc.keeps_orphans.store(true, Ordering::Relaxed);
            Ok(String::new())
        }
        "name-servers" => Ok(name_servers(pc)),
        _ => Err(format!("an unknown order: {line:?}")),
    }
}

fn to_session(pc: &Pc, name: &str, order: u8) -> Result<String, String> {
    let session = lock(&pc.adapters).get(name).map(|adapter| Arc::clone(&adapter.session));
    packets::order(&session.ok_or_else(|| no_adapter(name))?, order);
    Ok(String::new())
}

fn no_adapter(name: &str) -> String {
    format!("there is no adapter {name:?}")
}

fn name_servers(pc: &Pc) -> String {
    let links = ip::links();
    let mut text = String::new();
    for ((index, family), servers) in lock(&pc.name_servers).iter() {
        if let Some(link) = links.get(index) {
            let _ = writeln!(text, "{} {} {servers}", link.name, family.digit());
        }
    }
    text
}

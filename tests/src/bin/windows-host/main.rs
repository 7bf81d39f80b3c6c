//! What stands behind the doubles of Windows' DLLs (`tests/windows/doubles`): runs beside a Windows program in its
//! network namespace, and does on Linux what the functions of these DLLs promise.
//!
//! Listens on [`PORT`] of the loopback. Each connection begins with a line `KIND PROCESS ARGUMENT`:
//!
//! | kind | what follows |
//! | --- | --- |
//! | `wintun` | requests about adapters, which go when the connection ends |
//! | `session` | the packets of the adapter that the argument names: see `packets` |
//! | `iphlpapi` | requests about addresses, routes, interfaces and name servers |
//! | `changes` | what changes in the namespace, told by the host: see `changes` |
//!
//! A request is a line, its answer a line `ERROR LENGTH` and LENGTH bytes more; `ERROR` is a number of Windows, 0 for
//! none. A test gives its orders, and asks what the doubles have been told, on a Unix socket: see `orders`.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result};
use clap::Parser;

mod adapter;
mod addresses;
mod changes;
mod connection;
mod interfaces;
mod ip;
mod orders;
mod packets;
mod pc;
mod routes;
mod windows_error;

use pc::Pc;

/// The port on 127.0.0.1, which `tests/windows/doubles/host.h` knows as well.
const PORT: u16 = 48620;

/// What stands behind the doubles of Windows' DLLs: does on Linux what their functions promise
#[derive(Parser)]
struct Arguments {
    /// Where a test gives its orders
    #[arg(long)]
    socket: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let doubles = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).context("listening to the doubles")?;
    let test =
        UnixListener::bind(&arguments.socket).with_context(|| arguments.socket.display().to_string())?;
    println!("windows-host: ready");
    let pc = Arc::new(Pc::default());
    let for_the_test = Arc::clone(&pc);
    thread::spawn(move || orders::serve(&for_the_test, &test));
    for stream in doubles.incoming() {
        let (stream, pc) = (stream.context("a connection of a double")?, Arc::clone(&pc));
        thread::spawn(move || connection::serve(&pc, stream));
    }
    Ok(())
}

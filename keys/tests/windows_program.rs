//! The program `v6tun` in Windows' shells.

#![cfg(windows)]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use v6tun_keys::key_file::read_private_key;

fn v6tun(subcommand: &str, input: Option<&Path>, output: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_v6tun"));
    command.arg(subcommand);
    if let Some(input) = input {
        command.stdin(File::open(input).expect("the input is there"));
    }
    if let Some(output) = output {
        command.stdout(File::create(output).expect("a file for the output"));
    }
    command.output().expect("the program starts")
}

#[test]
fn a_public_key_is_made_of_a_file_however_a_shell_has_written_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.key");
    assert!(v6tun("genkey", None, Some(&path)).status.success());
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.len(), 45, "no carriage return");
    let marked = format!("\u{feff}{}\r\n", text.trim_end());
    let utf16: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let by_powershell = dir.path().join("by-powershell.key");
    fs::write(&by_powershell, utf16).unwrap();
    let public = v6tun("pubkey", Some(&path), None);
    assert_eq!(public.stdout.len(), 45, "{public:?}");
    assert_eq!(v6tun("pubkey", Some(&by_powershell), None), public);
}

#[test]
fn an_input_without_end_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spaces");
    fs::write(&path, " ".repeat(100_000)).unwrap();
    let output = v6tun("pubkey", Some(&path), None);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("longer than 65536 bytes"), "{output:?}");
}

#[test]
fn a_key_written_where_others_can_read_it_comes_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.key");
    let output = v6tun("genkey", None, Some(&path));
    let is_warned = String::from_utf8_lossy(&output.stderr).contains("world accessible");
    assert_eq!(is_warned, read_private_key(&path).is_err(), "a folder may be closed to others, or not");
}

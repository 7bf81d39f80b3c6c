//! The contract of wg(8), held by `v6tun` byte for byte: beside the real `wg` where it is installed.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene fails")]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const V6TUN: &str = env!("CARGO_BIN_EXE_v6tun");

/// A private key and what `wg pubkey` says of it.
const PRIVATE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHl8=";

/// `wg`, or `None` with a loud word.
fn wg(test: &str) -> Option<&'static str> {
    let installed = Command::new("wg").arg("--version").output().is_ok_and(|it| it.status.success());
    if !installed {
        eprintln!("SKIPPED {test}: wg is not installed (apt install wireguard-tools)");
    }
    installed.then_some("wg")
}

fn run(program: &str, args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has already refused reads no further.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn key_of(program: &str, args: &[&str], stdin: &[u8]) -> Vec<u8> {
    let output = run(program, args, stdin);
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What `program` writes to its standard error while its output goes to a file of this mode.
fn warning(program: &str, command: &str, path: &Path, mode: u32) -> Vec<u8> {
    let file = File::create(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let output = Command::new(program).arg(command).stdin(Stdio::null()).stdout(file).output().unwrap();
    assert!(output.status.success());
    assert_eq!(fs::metadata(path).unwrap().len(), 45, "the key is written, warning or not");
    output.stderr
}

#[test]
fn a_key_is_44_characters_and_a_newline_and_nothing_else_is_said() {
    for args in [["genkey"], ["genpsk"]] {
        let output = run(V6TUN, &args, b"");
        assert!(output.status.success() && output.stderr.is_empty());
        assert_eq!(output.stdout.len(), 45);
        assert_eq!(&output.stdout[43..], b"=\n");
    }
}

#[test]
fn each_reads_the_private_keys_of_the_other() {
    let Some(wg) = wg("each_reads_the_private_keys_of_the_other") else { return };
    for maker in [V6TUN, wg] {
        // A preshared key is an unclamped private key to pubkey.
        for command in ["genkey", "genpsk"] {
            let private = key_of(maker, &[command], b"");
            assert_eq!(key_of(V6TUN, &["pubkey"], &private), key_of(wg, &["pubkey"], &private));
        }
    }
}

#[test]
fn pubkey_accepts_and_refuses_what_wg_does() {
    let wg = wg("pubkey_accepts_and_refuses_what_wg_does (its half beside wg)");
    let cases: &[(bool, String)] = &[
        (true, PRIVATE.to_owned()),
        (true, format!("{PRIVATE}\n")),
        (true, format!("{PRIVATE} \t\r\n\x0b\x0c\0\n")),
        (true, format!("{PRIVATE}{}", "\n".repeat(5000))),
        (false, String::new()),
        (false, "\n".to_owned()),
        (false, format!(" {PRIVATE}")),
        (false, format!("{PRIVATE}x")),
        (false, format!("{PRIVATE}{}x", " ".repeat(5000))),
        (false, format!("{PRIVATE}\n{PRIVATE}\n")),
        (false, format!("{}\n", &PRIVATE[..43])),
        (false, PRIVATE.replace('A', "-")),
        (false, PRIVATE.replace("Hl8=", "Hl9=")),
        (false, PRIVATE.replace('=', "A")),
        (false, PRIVATE.replace("8=", "==")),
        (false, "é".repeat(22)),
    ];
    for (accepted, input) in cases {
        let ours = run(V6TUN, &["pubkey"], input.as_bytes());
        assert_eq!(ours.status.code(), Some(if *accepted { 0 } else { 1 }), "{input:?}");
        assert_eq!(ours.stdout.is_empty(), !accepted, "{input:?}");
        assert_eq!(ours.stderr.is_empty(), *accepted, "{input:?}");
        assert!(!String::from_utf8_lossy(&ours.stderr).contains("AAEC"), "a key is never shown");
        if let Some(wg) = wg {
            let theirs = run(wg, &["pubkey"], input.as_bytes());
            assert_eq!((ours.status.code(), ours.stdout), (theirs.status.code(), theirs.stdout), "{input:?}");
        }
    }
}

#[test]
fn a_world_accessible_file_is_warned_of_when_and_as_wg_does() {
    let wg = wg("a_world_accessible_file_is_warned_of_when_and_as_wg_does (its half beside wg)");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    for command in ["genkey", "genpsk"] {
        for mode in [0o600, 0o640, 0o660, 0o601, 0o602, 0o604, 0o644, 0o666] {
            let ours = warning(V6TUN, command, &path, mode);
            assert_eq!(ours.is_empty(), mode & 0o007 == 0, "{command} {mode:o}");
            if let Some(wg) = wg {
                assert_eq!(ours, warning(wg, command, &path, mode), "{command} {mode:o}");
            }
        }
    }
}

#[test]
fn the_public_key_may_go_to_anybody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    fs::write(&path, PRIVATE).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let public = dir.path().join("key.pub");
    let output = File::create(&public).unwrap();
    fs::set_permissions(&public, fs::Permissions::from_mode(0o644)).unwrap();
    let input = File::open(&path).unwrap();
    let done = Command::new(V6TUN).arg("pubkey").stdin(input).stdout(output).output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty());
}

#[test]
fn a_key_that_cannot_be_written_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(V6TUN).arg("genkey").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("v6tun: cannot write the key"));
}

#[test]
fn wrong_usage_exits_2_and_help_and_version_exit_0() {
    let wrong: [&[&str]; 4] = [&[], &["genkeys"], &["genkey", "more"], &["--unknown"]];
    for args in wrong {
        let output = run(V6TUN, args, b"");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
    for args in [["--help"], ["--version"]] {
        let output = run(V6TUN, &args, b"");
        assert!(output.status.success() && !output.stdout.is_empty() && output.stderr.is_empty());
    }
}

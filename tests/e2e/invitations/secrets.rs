//! The secret of an invitation and a client's private key are nowhere on the server.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use v6tun_keys::Invitation;
use v6tun_tests::lab::Lab;
use v6tun_tests::product::FreshServer;

use crate::options;

/// Where the 32 bytes of the secret begin among the bytes that an invitation's text spells.
const SECRET_AT: usize = 1 + 4 + 5 + 32;
const SECRET_LEN: usize = 32;

/// Bytes that must not be found, and what they are.
struct Secret {
    what: String,
    bytes: Vec<u8>,
}

/// `secret` as it is and as programs write it: hexadecimal, and base64 in both alphabets.
fn spellings(what: &str, secret: &[u8]) -> Vec<Secret> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    // How the last bytes are spelt depends on what follows.
    let whole_groups = &secret[..secret.len() / 3 * 3];
    let all = [
        ("raw", secret.to_vec()),
        ("capital hexadecimal", hex.to_uppercase().into_bytes()),
        ("hexadecimal", hex.into_bytes()),
        ("base64", STANDARD.encode(whole_groups).into_bytes()),
        ("base64url", URL_SAFE_NO_PAD.encode(whole_groups).into_bytes()),
    ];
    all.into_iter().map(|(form, bytes)| Secret { what: format!("{what}, {form}"), bytes }).collect()
}

/// The bytes that an invitation's text spells.
fn bytes_of(invitation: &str) -> Result<Vec<u8>> {
    let text = invitation.strip_prefix("v6tun1:").context("no invitation")?;
    URL_SAFE_NO_PAD.decode(text).context("no base64url")
}

/// Everything about an invitation that the server must forget.
fn secrets_of(invitation: &str) -> Result<Vec<Secret>> {
    let bytes = bytes_of(invitation)?;
    let secret = bytes.get(SECRET_AT..SECRET_AT + SECRET_LEN).context("a short invitation")?;
    let parsed: Invitation = invitation.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
    let throw_away = parsed.identity().private_key;
    let mut secrets = spellings("the invitation's secret", secret);
    secrets.extend(spellings("the throw-away private key", throw_away.as_bytes()));
    secrets.push(Secret { what: "the invitation's text".into(), bytes: invitation.as_bytes().to_vec() });
    Ok(secrets)
}

/// Every file below `folder`.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false if path.is_file() => found.push(path),
            false => {}
        }
    }
    Ok(found)
}

/// What the server has and shows: its files, what it logged, its command line and its environment.
fn places(server: &FreshServer) -> Result<Vec<(String, Vec<u8>)>> {
    let mut places = vec![("the log".to_owned(), server.process.stderr().into_bytes())];
    let id = server.process.id();
    let of_kernel = ["cmdline", "environ"].map(|file| PathBuf::from(format!("/proc/{id}/{file}")));
    let own =
        files(server.installation.dir())?.into_iter().chain(files(&server.installation.host().etc_v6tun())?);
    for path in own.chain(of_kernel) {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        places.push((path.display().to_string(), bytes));
    }
    Ok(places)
}

fn assert_nowhere(server: &FreshServer, secrets: &[Secret]) -> Result<()> {
    let places = places(server)?;
    for secret in secrets {
        for (place, bytes) in &places {
            let is_there = bytes.windows(secret.bytes.len()).any(|window| window == secret.bytes);
            ensure!(!is_there, "{} stands in {place}", secret.what);
        }
    }
    Ok(())
}

#[test]
fn the_server_keeps_neither_an_invitation_nor_a_clients_key() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up_with(lab, "up -vv")?;
        let open = server.installation.invite("open")?;
        let pc = server.client(lab, &lab.pc)?;
        let _connected = pc.up_with(&server.invitation)?;
        let refused = server.client(lab, &lab.laptop)?.join(&server.invitation)?;
        ensure!(!refused.success(), "used twice");
        ensure!(server.process.stderr().contains("TRACE"), "it does not log at trace level");

        let mut secrets = secrets_of(&open)?;
        secrets.extend(secrets_of(&server.invitation)?);
        secrets.extend(spellings("the client's private key", pc.read_private_key()?.as_bytes()));
        assert_nowhere(&server, &secrets)?;
        // What must be there is found by the same look.
        let own = server.installation.read_private_key()?;
        let found = assert_nowhere(&server, &spellings("the server's own key", own.as_bytes()));
        ensure!(found.is_err(), "this test cannot fail");
        Ok(())
    })
}

#[test]
fn what_is_searched_for_is_what_an_invitation_spells() -> Result<()> {
    let key = v6tun_keys::PrivateKey::generate()?;
    let invitation = Invitation::new("203.0.113.233:51820", key.public_key(), 1)?.to_text();
    let bytes = bytes_of(&invitation)?;
    assert_eq!(bytes[SECRET_AT - 32..SECRET_AT], *key.public_key().as_bytes());
    // It begins a group of three bytes: as a part of the text it is spelt as by itself.
    let [.., in_text] = &spellings("", &bytes[SECRET_AT..SECRET_AT + SECRET_LEN])[..] else { unreachable!() };
    ensure!(invitation.contains(std::str::from_utf8(&in_text.bytes)?));
    Ok(())
}

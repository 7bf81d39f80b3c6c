//! The files of an enrolment, each of which is complete or not there, whatever ends the program when.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use v6tun_cli::config_file;
use v6tun_host::{
    directory::ensure_private_dir,
    durable_file::{Prepared, RealDisk, replace},
};
use v6tun_keys::{Invitation, PrivateKey, key_file};
use v6tun_wire::OrFail;
use zeroize::Zeroizing;

use super::visit::Membership;
use crate::config::RawConfig;

/// This PC's key, beside `client.toml`.
pub(crate) const KEY_FILE: &str = "client.key";
/// The preshared key, beside `client.toml`.
pub(crate) const PRESHARED_KEY_FILE: &str = "client.psk";

/// Only the owner reads and writes what is written here.
const MODE: u32 = 0o600;
/// What is written to see that there is room for it: more than the files have.
const TRIAL_LEN: usize = 4096;

/// Where they are.
pub(super) struct Files<'a> {
    config: &'a Path,
    /// The `client.toml` that is there: what stays of it when it is written anew.
    written: Option<RawConfig>,
}

impl<'a> Files<'a> {
    /// Beside this `client.toml`.
    pub(super) fn beside(config: &'a Path, written: Option<RawConfig>) -> Self {
        Self { config, written }
    }

    /// Makes the folder where it is missing, and sees that files can be written there, before anything is sent.
    ///
    /// # Errors
    /// Why they cannot.
    pub(super) fn check(&self) -> Result<()> {
        let folder = self.folder();
        if folder.exists() {
            self.try_to_write()?;
        }
        ensure_private_dir(folder).or_failed()?;
        self.try_to_write()
    }

    fn try_to_write(&self) -> Result<()> {
        let disk = &mut RealDisk;
        Prepared::write(disk, &self.preshared_key(), &[0; TRIAL_LEN], MODE).or_failed()?.discard(disk);
        Ok(())
    }

    /// This PC's key: the one that is there, or a new one, which is on the disk when this returns.
    ///
    /// # Errors
    /// If it can neither be read nor made.
    pub(super) fn private_key(&self) -> Result<PrivateKey> {
        let path = match &self.written {
            Some(written) => config_file::resolve(self.config, &written.private_key_file),
            None => self.beside_config(KEY_FILE),
        };
        match key_file::read_private_key(&path) {
            Err(key_file::KeyFileError::Missing { .. }) => {}
            outcome => return outcome.or_misconfigured(),
        }
        let key = PrivateKey::generate().context("cannot make a key")?;
        replace(&path, line(&key.to_base64()).as_bytes(), MODE).or_failed()?;
        Ok(key)
    }

    /// Writes what the enrolment came to: the preshared key, and then the file that names it.
    ///
    /// # Errors
    /// If the disk does not take it. The server gives the same key the same answer again.
    pub(super) fn write(&self, invitation: &Invitation, membership: &Membership) -> Result<()> {
        let preshared_key = line(&membership.preshared_key.to_base64());
        replace(&self.preshared_key(), preshared_key.as_bytes(), MODE).or_failed()?;
        replace(self.config, self.client_toml(invitation).as_bytes(), MODE).or_failed()
    }

    fn client_toml(&self, invitation: &Invitation) -> String {
        let written = self.written.as_ref();
        let key =
            written.map_or_else(|| KEY_FILE.into(), |written| written.private_key_file.to_string_lossy());
        let interface = match written.and_then(|written| written.interface.as_deref()) {
            Some(interface) => format!("interface = {}", quoted(interface)),
            None => "# interface = \"v6tun0\"".to_owned(),
        };
        let mtu = match written.and_then(|written| written.mtu) {
            Some(mtu) => format!("mtu = {mtu}"),
            None => "# mtu = 1400".to_owned(),
        };
        let Invitation { server, endpoint, .. } = invitation;
        format!(
            "# How this PC reaches its v6tun server. v6tun-client wrote it when it enrolled; it may be edited.\n\
             \n\
             # This PC's own key. It never leaves this PC.\n\
             private-key-file = {}\n\
             # The tunnel's name.\n\
             {interface}\n\
             # A ceiling of the tunnel's MTU in bytes, 1280 to 1500. Without it: what the way to the server allows.\n\
             {mtu}\n\
             \n\
             [server]\n\
             public-key = \"{server}\"\n\
             # Its address or name, and its UDP port.\n\
             endpoint = {}\n\
             # What the server gave this PC beside the keys.\n\
             preshared-key-file = \"{PRESHARED_KEY_FILE}\"\n",
            quoted(&key),
            quoted(endpoint),
        )
    }

    fn preshared_key(&self) -> PathBuf {
        self.beside_config(PRESHARED_KEY_FILE)
    }

    fn beside_config(&self, name: &str) -> PathBuf {
        config_file::resolve(self.config, Path::new(name))
    }

    fn folder(&self) -> &Path {
        folder_of(self.config)
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn line(key: &str) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(key.len() + 1));
    line.push_str(key);
    line.push('\n');
    line
}

/// As TOML writes a string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

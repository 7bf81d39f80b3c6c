//! Who could put another program in the place of one that runs with more rights than they have.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;

use v6tun_files::windows_security::{
    ADMINISTRATORS, OWNER, SYSTEM, WRITING, access_list_of, name_of, own_owner, own_user,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_READ_ATTRIBUTES, READ_CONTROL,
};

/// What Windows' own folders belong to: the account `TrustedInstaller`.
const TRUSTED_INSTALLER: &str = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";

/// One of those besides SYSTEM, Administrators and this user who may write to the program or to a folder above it; the
/// root of the drive, where every user may make folders, is left out.
///
/// # Errors
/// If Windows does not tell.
pub fn exchangeable_by(program: &Path) -> io::Result<Option<String>> {
    let own = [own_owner()?, own_user()?];
    let trusted = [SYSTEM, ADMINISTRATORS, TRUSTED_INSTALLER, &own[0], &own[1], OWNER];
    for step in program.ancestors().filter(|step| step.parent().is_some()) {
        let list = access_list_of(&open(step)?)?;
        let is_trusted = trusted[..5].contains(&list.owner());
        let other = if is_trusted { list.first_other_with(WRITING, &trusted) } else { Some(list.owner()) };
        if let Some(other) = other {
            return Ok(Some(name_of(other).to_owned()));
        }
    }
    Ok(None)
}

fn open(path: &Path) -> io::Result<File> {
    let rights = READ_CONTROL | FILE_READ_ATTRIBUTES;
    OpenOptions::new().access_mode(rights).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

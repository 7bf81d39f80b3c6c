//! Key files where files have an owner and an access list.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use v6tun_files::windows_security::{
    ADMINISTRATORS, ANY, FILE_OF_OWNER, OWNER, SYSTEM, access_list_of, create_new, name_of, own_user,
};

/// `FILE_FLAG_BACKUP_SEMANTICS`: a folder is opened as well, so that it is refused as what it is.
const FOLDERS_TOO: u32 = 0x0200_0000;

/// Opens for reading.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(FOLDERS_TOO).open(path)
}

/// A new file that has its access list from its first moment on.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    create_new(path, FILE_OF_OWNER)
}

/// NTFS writes names to its own journal, in order; a folder has nothing to be synced.
pub(super) fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Whom the access list lets at the file, besides its owner, the user who asks, and those who get at every file.
pub(super) fn opening_to_others(file: &File, _metadata: &Metadata) -> io::Result<Option<String>> {
    let (list, user) = (access_list_of(file)?, own_user()?);
    let trusted = [SYSTEM, ADMINISTRATORS, OWNER, list.owner(), &user];
    let other = list.first_other_with(ANY, &trusted);
    Ok(other.map(|other| format!("its access list lets {} at it", name_of(other))))
}

/// The command that makes such a file, with this subcommand of `v6tun`: the folder's access list is the file's.
pub(super) fn making(subcommand: &str, path: &Path) -> String {
    format!("`v6tun {subcommand} > {}` makes one, in a folder that is closed to others", quoted(path))
}

/// The commands that take a file from all others. The accounts stand there by their numbers: their names are
/// translated.
pub(super) fn closing(path: &Path) -> String {
    let path = quoted(path);
    format!(
        "`icacls {path} /reset`, then `icacls {path} /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F *S-1-3-4:F`"
    )
}

/// As one word of a command line, of PowerShell and of `cmd`: no path has this character in it.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

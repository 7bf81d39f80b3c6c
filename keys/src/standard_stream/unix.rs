//! Standard streams as file descriptors.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FileType, Mode};

/// wg(8)'s warning, word for word: scripts look for it.
pub(crate) const WORLD_ACCESSIBLE: &str = "Warning: writing to world accessible file.\n\
    Consider setting the umask to 077 and trying again.\n";

/// How keys are made and read in a shell.
pub(crate) const EXAMPLE: &str = "\
Example:
  (umask 077; v6tun genkey > client.key)
  v6tun pubkey < client.key

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// Standard input, unbuffered.
pub(crate) fn input() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Standard output, unbuffered.
pub(crate) fn output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Whether standard output is a regular file that others have any permission on: when wg(8) warns.
pub(crate) fn is_output_world_accessible() -> bool {
    rustix::fs::fstat(io::stdout()).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode).is_file()
            && Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXO)
    })
}

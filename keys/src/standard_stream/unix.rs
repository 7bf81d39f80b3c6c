//! Standard streams as file descriptors.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FileType, Mode};

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

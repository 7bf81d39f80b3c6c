//! Standard streams as handles.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::os::windows::io::AsHandle;

use v6tun_files::text;
use v6tun_files::windows_security::{ADMINISTRATORS, ANY, OWNER, SYSTEM, access_list_of, own_user};
use zeroize::Zeroizing;

/// wg(8)'s warning, and what is to be done about it here.
pub(crate) const WORLD_ACCESSIBLE: &str = "Warning: writing to world accessible file.\n\
    Consider writing it in a folder that is closed to others.\n";

/// How keys are made and read in PowerShell.
pub(crate) const EXAMPLE: &str = "\
Example, in a folder that is closed to others:
  v6tun genkey > client.key
  Get-Content client.key | v6tun pubkey

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// Bytes that standard input may have: a key has 88 at most, the rest leaves room for white space alone.
const MAX_INPUT_LEN: usize = 64 * 1024;

/// What standard input holds, in UTF-8: a file that PowerShell has written is in UTF-16.
pub(crate) fn input() -> io::Result<Cursor<Zeroizing<Vec<u8>>>> {
    let input = File::from(io::stdin().as_handle().try_clone_to_owned()?);
    // Room for all of it at once: a content that is secret leaves no copies behind in memory.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_INPUT_LEN + 1));
    match input.take(MAX_INPUT_LEN as u64 + 1).read_to_end(&mut content) {
        // The end of a pipe whose other side is gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        outcome => drop(outcome?),
    }
    if content.len() > MAX_INPUT_LEN {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {MAX_INPUT_LEN} bytes"),
        ));
    }
    Ok(Cursor::new(Zeroizing::new(text::utf8(&content).into_owned())))
}

/// Standard output, unbuffered.
pub(crate) fn output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
}

/// Whether standard output is a file that others have any right on: when wg(8) warns.
pub(crate) fn is_output_world_accessible() -> bool {
    let is_open = |file: File| {
        let (list, user) = (access_list_of(&file)?, own_user()?);
        let trusted = [SYSTEM, ADMINISTRATORS, OWNER, list.owner(), &user];
        Ok::<_, io::Error>(file.metadata()?.is_file() && list.first_other_with(ANY, &trusted).is_some())
    };
    output().and_then(is_open).unwrap_or(false)
}

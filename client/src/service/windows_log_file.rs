//! The log of a service: a file of bounded size, and those before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of one file at the most: some 8,000 lines, months of a quiet client.
const MAX_LEN: u64 = 1024 * 1024;
/// How many files there are at the most, the one that is written to included.
const FILES: usize = 4;
/// Bytes at the end of the log that are looked through for an error.
const TAIL: u64 = 16 * 1024;

/// What marks a line of an error, as `tracing` writes it.
const ERROR: &str = " ERROR ";

/// The log that is written to. A line is never parted: a file may be longer than the bound by one.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    len: u64,
    max_len: u64,
}

impl LogFile {
    /// Goes on with the log at `path`, or begins it.
    ///
    /// # Errors
    /// If it cannot be written to.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = append_to(path)?;
        let len = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, len, max_len: MAX_LEN })
    }

    /// Begins a new file. One that cannot be moved out of the way, as somebody looks at it, is begun anew itself.
    fn rotate(&mut self) -> io::Result<()> {
        let mut moved = Ok(());
        for number in (1..FILES).rev() {
            moved = fs::rename(numbered(&self.path, number - 1), numbered(&self.path, number));
        }
        match moved {
            Ok(()) => self.file = append_to(&self.path)?,
            Err(_) => OpenOptions::new().write(true).open(&self.path)?.set_len(0)?,
        }
        self.len = 0;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.len >= self.max_len {
            self.rotate()?;
        }
        let written = self.file.write(bytes)?;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// `client.log`, `client.1.log`, `client.2.log`…
fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 0 { path.to_owned() } else { path.with_extension(format!("{number}.log")) }
}

/// The length of the log; 0 if there is none.
pub(super) fn len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// The last error of the log that was not there when it was `before` bytes long.
pub(super) fn last_error(path: &Path, before: u64) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let len = file.metadata().ok()?.len();
    // A shorter one has been begun anew.
    let before = if len < before { 0 } else { before };
    file.seek(SeekFrom::Start(before.max(len.saturating_sub(TAIL)))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let text = String::from_utf8_lossy(&tail);
    let line = text.lines().rev().find_map(|line| line.split_once(ERROR))?;
    Some(line.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let names =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_log_that_is_long_enough_makes_room_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.log");
        let mut log = LogFile { max_len: 100, ..LogFile::open(&path).unwrap() };
        for number in 0..100 {
            writeln!(log, "line {number} of some thirty bytes").unwrap();
        }
        assert_eq!(files(folder.path()), ["client.1.log", "client.2.log", "client.3.log", "client.log"]);
        let all: String = ["client.3.log", "client.2.log", "client.1.log", "client.log"]
            .map(|name| fs::read_to_string(folder.path().join(name)).unwrap())
            .concat();
        let numbers: Vec<usize> =
            all.lines().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        assert!(numbers.len() > 6 && numbers.len() < 20, "{numbers:?}");
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
        assert_eq!(numbers.last(), Some(&99));
    }

    #[test]
    fn a_log_that_cannot_be_moved_stays_within_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.log");
        // Nothing can be renamed to a folder that is not empty.
        fs::create_dir_all(folder.path().join("client.1.log/in the way")).unwrap();
        let mut log = LogFile { max_len: 100, ..LogFile::open(&path).unwrap() };
        for number in 0..100 {
            writeln!(log, "line {number} of some thirty bytes").unwrap();
        }
        assert!(len(&path) < 200, "{} bytes", len(&path));
        assert!(fs::read_to_string(&path).unwrap().contains("line 99 "));
    }

    #[test]
    fn a_log_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.log");
        for _ in 0..2 {
            LogFile::open(&path).unwrap().write_all(b"line\n").unwrap();
        }
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), len(&path)), ("line\nline\n", 10));
    }

    #[test]
    fn of_what_came_since_the_last_error_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.log");
        assert_eq!((last_error(&path, 0), len(&path)), (None, 0));
        fs::write(&path, "T ERROR an old one\nT  INFO up\n").unwrap();
        let before = len(&path);
        assert_eq!(last_error(&path, before), None);
        fs::write(&path, "T ERROR an old one\nT  INFO up\nT ERROR one\nT ERROR two: why\nT  WARN x\n")
            .unwrap();
        assert_eq!(last_error(&path, before).as_deref(), Some("two: why"));
        fs::write(&path, "T ERROR anew\n").unwrap();
        assert_eq!(last_error(&path, before).as_deref(), Some("anew"));
    }
}

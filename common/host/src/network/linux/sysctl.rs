//! Kernel settings as files.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::network::SysctlKey;

/// The folder of the kernel settings.
#[derive(Debug, Clone)]
pub(super) struct SysctlTree {
    root: PathBuf,
}

impl SysctlTree {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The value without the white space around it; `None` if there is no such setting.
    pub(super) fn read(&self, key: &SysctlKey) -> io::Result<Option<String>> {
        match fs::read_to_string(key.path_under(&self.root)) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, key: &SysctlKey, value: &str) -> io::Result<()> {
        let path = key.path_under(&self.root);
        // Not created: a setting that does not exist is an error, in a test's tree as in the kernel's.
        let mut file = fs::OpenOptions::new().write(true).truncate(true).open(path)?;
        io::Write::write_all(&mut file, value.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_trimmed_and_never_created() {
        let root = tempfile::tempdir().unwrap();
        let key: SysctlKey = "net.ipv6.conf.ens3/100.accept_ra".parse().unwrap();
        let tree = SysctlTree::new(root.path());
        assert_eq!(tree.read(&key).unwrap(), None);
        assert!(tree.write(&key, "2").is_err());
        let path = key.path_under(root.path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "1\n").unwrap();
        assert_eq!(tree.read(&key).unwrap().as_deref(), Some("1"));
        tree.write(&key, "2").unwrap();
        assert_eq!(tree.read(&key).unwrap().as_deref(), Some("2"));
    }
}

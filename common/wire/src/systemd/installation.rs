//! The unit's file, on this system or on the one below a folder.

use super::unit;
use anyhow::{Context, Result};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use v6tun_cli::Failure;

/// The administrator's units.
const UNITS: &str = "etc/systemd/system";
/// The packages' units, on systems of today and of yesterday.
const PACKAGED_UNITS: [&str; 2] = ["usr/lib/systemd/system", "lib/systemd/system"];

/// Where the unit belongs.
#[derive(Debug)]
pub(super) struct Installation {
    root: Option<PathBuf>,
    name: String,
    unit: PathBuf,
    /// What the unit was before it was last written anew.
    old: PathBuf,
}

impl Installation {
    /// Of the unit of that name on this system, or on the one below `root`.
    ///
    /// # Errors
    /// If there is no such folder.
    pub(super) fn below(root: Option<&Path>, name: &str) -> Result<Self> {
        let canonical = |root: &Path| {
            fs::canonicalize(root)
                .with_context(|| Failure::usage(format!("cannot work below {}", root.display())))
        };
        let root = root.map(canonical).transpose()?.filter(|root| root != Path::new("/"));
        let unit = root.as_deref().unwrap_or(Path::new("/")).join(UNITS).join(name);
        Ok(Self { old: unit.with_extension("service.old"), name: name.to_owned(), unit, root })
    }

    /// The folder that stands for `/`; `None`: `/` itself.
    pub(super) fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The unit that [`write`](Self::write) writes.
    pub(super) fn unit_path(&self) -> &Path {
        &self.unit
    }

    /// Whether there is a unit of ours or of the package.
    pub(super) fn has_unit(&self) -> Result<bool> {
        Ok(self.own()?.is_some() || self.packaged().is_some())
    }

    /// Makes sure that the unit reads so, and returns whether it had to be written. The package's need not be where
    /// it says the same.
    ///
    /// # Errors
    /// For a unit of that name that is not ours, which is left alone.
    pub(super) fn write(&self, text: &str) -> Result<bool> {
        let own = self.own()?;
        let present = own.clone().or_else(|| self.packaged());
        if present.as_deref() == Some(text) {
            return Ok(false);
        }
        let unwritten = || format!("cannot write {}", self.unit.display());
        if own.is_some() {
            fs::rename(&self.unit, &self.old).with_context(unwritten)?;
        }
        write_new(&self.unit, text).with_context(unwritten)?;
        Ok(true)
    }

    /// Removes our unit, and what it was before. Whether there was one.
    pub(super) fn remove(&self) -> Result<bool> {
        let is_there = self.own()?.is_some();
        for path in is_there.then_some([&self.unit, &self.old]).into_iter().flatten() {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(is_there)
    }

    /// Our unit's text.
    fn own(&self) -> Result<Option<String>> {
        let unit = self.unit.display();
        match fs::symlink_metadata(&self.unit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // As `systemctl mask` and `systemctl link` make.
            Ok(found) if found.is_symlink() => {
                let failure = Failure::failed(format!("{unit} is a symbolic link, which is not v6tun's"));
                let hint = format!("`sudo systemctl unmask {}`, or remove it", self.name);
                return Err(failure.with_hint(hint).into());
            }
            _ => {}
        }
        let text = fs::read_to_string(&self.unit).with_context(|| format!("cannot read {unit}"))?;
        if text.starts_with(unit::MARK) {
            return Ok(Some(text));
        }
        let failure = Failure::failed(format!("{unit} is not v6tun's: it does not begin with its mark"));
        Err(failure.with_hint(format!("move it away: `sudo mv {unit} {unit}.mine`")).into())
    }

    fn packaged(&self) -> Option<String> {
        let root = self.root.as_deref().unwrap_or(Path::new("/"));
        PACKAGED_UNITS.iter().find_map(|units| fs::read_to_string(root.join(units).join(&self.name)).ok())
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "v6tun-server.service";

    struct Root(tempfile::TempDir, Installation);

    impl Root {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let installation = Installation::below(Some(root.path()), UNIT).unwrap();
            Self(root, installation)
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn names(&self) -> Vec<String> {
            let Ok(entries) = fs::read_dir(self.0.path().join(UNITS)) else { return Vec::new() };
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    fn ours(rest: &str) -> String {
        format!("{}\n{rest}\n", unit::MARK)
    }

    #[test]
    fn it_is_written_once_and_removed_without_rest() {
        let root = Root::new();
        assert!(root.1.write(&ours("a")).unwrap());
        assert!(!root.1.write(&ours("a")).unwrap(), "nothing has changed");
        assert!(root.1.remove().unwrap());
        assert!(!root.1.remove().unwrap());
        assert_eq!(root.names(), [""; 0]);
    }

    #[test]
    fn an_edited_unit_is_kept_beside_the_new_one() {
        let root = Root::new();
        root.put(&format!("{UNITS}/{UNIT}"), &ours("edited"));
        assert!(root.1.write(&ours("new")).unwrap());
        assert_eq!(fs::read_to_string(&root.1.old).unwrap(), ours("edited"));
        root.1.remove().unwrap();
        assert_eq!(root.names(), [""; 0]);
    }

    #[test]
    fn somebody_elses_unit_is_left_alone() {
        let root = Root::new();
        root.put(&format!("{UNITS}/{UNIT}"), "[Service]\n");
        for error in [root.1.write(&ours("a")).unwrap_err(), root.1.remove().unwrap_err()] {
            assert!(error.to_string().contains("is not v6tun's"), "{error}");
        }
        fs::remove_file(&root.1.unit).unwrap();
        std::os::unix::fs::symlink("/dev/null", &root.1.unit).unwrap();
        assert!(root.1.write(&ours("a")).unwrap_err().to_string().contains("symbolic link"));
        assert_eq!(root.names(), [UNIT]);
    }

    #[test]
    fn the_packages_unit_serves_where_it_says_the_same() {
        let root = Root::new();
        root.put(&format!("lib/systemd/system/{UNIT}"), &ours("a"));
        assert!(root.1.has_unit().unwrap());
        assert!(!root.1.write(&ours("a")).unwrap());
        assert_eq!(root.names(), [""; 0]);
        assert!(root.1.write(&ours("another configuration")).unwrap());
        assert!(root.1.remove().unwrap());
    }
}

//! Where this program lies, and whether a service can start it from there.

use crate::Role;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use v6tun_cli::Failure;

/// What the unit's `ProtectHome=` and `PrivateTmp=` hide from the service.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];
/// Stands in the folders that cargo builds into (bford.info/cachedir).
const CACHE_TAG: &str = "CACHEDIR.TAG";
/// Permission bits by which somebody else could put another program in its place.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// This program's path, as the system below `root` knows it.
///
/// # Errors
/// With how to move it, if it lies where a service does not find it, where it is swept away, or where others could
/// exchange it.
pub(super) fn find(role: Role, root: Option<&Path>) -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let root = root.unwrap_or(Path::new("/"));
    let objection = match program.strip_prefix(root) {
        Ok(inside) => objection(root, inside),
        Err(_) => Some(format!("outside of {}", root.display())),
    };
    let Some(objection) = objection else {
        return Ok(Path::new("/").join(program.strip_prefix(root)?));
    };
    let folder = root.join("usr/local/bin");
    let installed = folder.join(role.program);
    let hint = format!(
        "`sudo install {} {} && sudo {} install`",
        program.display(),
        folder.display(),
        installed.display()
    );
    let what = format!("cannot make a service of {}: it lies {objection}", program.display());
    Err(Failure::failed(what).with_hint(hint).into())
}

/// Why a service cannot start `inside`, a path below `root`.
fn objection(root: &Path, inside: &Path) -> Option<String> {
    let seen = Path::new("/").join(inside);
    if let Some(hidden) = hidden(&seen) {
        return Some(format!("below {hidden}, where services do not look"));
    }
    let ways = inside.ancestors().map(|way| root.join(way));
    for way in ways {
        if way.join(CACHE_TAG).exists() {
            return Some(format!("in the build folder {}", way.display()));
        }
        let is_ours =
            fs::metadata(&way).is_ok_and(|found| found.uid() == 0 && found.mode() & WRITABLE_BY_OTHERS == 0);
        if !is_ours {
            return Some(format!("where others than root could exchange it ({})", way.display()));
        }
    }
    None
}

/// The hidden folder that `path` lies below.
pub(super) fn hidden(path: &Path) -> Option<&'static str> {
    HIDDEN.into_iter().find(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A root with a program in `/usr/local/bin`; `None` where the test has no right to one.
    fn root() -> Option<tempfile::TempDir> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: a program of root's needs root");
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["usr/local/bin", "home/me/bin", "srv/build/release"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("v6tun-server"), "").unwrap();
        }
        fs::write(root.path().join("srv/build").join(CACHE_TAG), "").unwrap();
        Some(root)
    }

    #[test]
    fn a_folder_of_roots_is_accepted() {
        let Some(root) = root() else { return };
        assert_eq!(objection(root.path(), Path::new("usr/local/bin/v6tun-server")), None);
    }

    #[test]
    fn a_home_a_build_folder_and_a_program_that_others_can_exchange_are_refused() {
        let Some(root) = root() else { return };
        let refused = |path: &str| objection(root.path(), Path::new(path)).expect(path);
        assert!(refused("home/me/bin/v6tun-server").contains("below /home"));
        assert!(refused("srv/build/release/v6tun-server").contains("build folder"));
        let open = root.path().join("usr/local");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(refused("usr/local/bin/v6tun-server").contains("exchange it"));
    }
}

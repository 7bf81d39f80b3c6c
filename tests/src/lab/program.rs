//! Where the programs under test lie.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// A program of the product: in `V6TUN_BIN_DIR`, else in the release folder of the target directory that
/// the running program was built into.
pub(super) fn of_the_product(name: &str) -> Result<PathBuf> {
    let dir = match std::env::var_os("V6TUN_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => release_dir()?,
    };
    let path = dir.join(name);
    ensure!(path.is_file(), "{} is not there: run `cargo build --release` first", path.display());
    fs::canonicalize(&path).with_context(|| path.display().to_string())
}

/// A Windows program of the product: in `V6TUN_WINDOWS_BIN_DIR`, else where `tests/windows/env` has it built.
pub(crate) fn of_the_product_for_windows(name: &str) -> Result<PathBuf> {
    let dir = match std::env::var_os("V6TUN_WINDOWS_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => windows_release_dir()?,
    };
    for_windows(&dir, name, &format!(". tests/windows/env; cargo build --release -p {name}"))
}

/// A program of `tests/windows/relay`.
pub(crate) fn of_the_relay(name: &str) -> Result<PathBuf> {
    let command = ". tests/windows/env; cd tests/windows/relay; cargo build --release";
    for_windows(&windows_release_dir()?, name, command)
}

fn for_windows(dir: &Path, name: &str, command: &str) -> Result<PathBuf> {
    let path = dir.join(format!("{name}.exe"));
    ensure!(path.is_file(), "{} is not there: run `({command})` first", path.display());
    Ok(path)
}

fn windows_release_dir() -> Result<PathBuf> {
    Ok(target_dir()?.join("windows/x86_64-pc-windows-gnu/release"))
}

/// A program of this package: beside the running one, or beside the folder `deps` of a running test.
pub(super) fn beside_this_one(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe().context("where the running program lies")?;
    let found = me.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built beside {}", me.display()))
}

/// Gives a program a path in the lab's folder: command lines are split at blanks, and this one has none.
pub(super) fn link(lab_dir: &Path, program: &Path) -> Result<String> {
    let dir = lab_dir.join("bin");
    fs::create_dir_all(&dir).context("the lab's folder of programs")?;
    let path = dir.join(program.file_name().context("a program's name")?);
    if !path.exists() {
        symlink(program, &path).with_context(|| path.display().to_string())?;
    }
    Ok(path.display().to_string())
}

fn release_dir() -> Result<PathBuf> {
    Ok(target_dir()?.join("release"))
}

/// The target directory that the running program was built into.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let me = std::env::current_exe().context("where the running program lies")?;
    let profile = me.ancestors().skip(1).find(|dir| !dir.ends_with("deps"));
    let target = profile.and_then(Path::parent).context("the running program lies in no target directory")?;
    Ok(target.to_owned())
}

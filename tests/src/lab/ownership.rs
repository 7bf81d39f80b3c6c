//! Who owns which lab, so that one whose process was killed can be told from one that is in use.
//!
//! Each lab has a file `/run/v6tun-lab/ID.lock`, locked for as long as its process lives: the kernel lets
//! go of the lock with the process, however that ends, and no process id can be taken for another's. ID is
//! the process id and a number; the lab's namespaces are named `v6t-ID-ROLE`.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

const ROOT: &str = "/run/v6tun-lab";
const NAMESPACES: &str = "/run/netns";
const NAMESPACE_FILES: &str = "/etc/netns";
/// Each machine of a lab has a folder of its own here: on the machine that the labs stand on it must exist, so
/// that `ip netns exec` can lay the other over it.
const PRODUCT_FILES: &str = "/etc/v6tun";
static NEXT_NUMBER: AtomicU32 = AtomicU32::new(0);

/// The right to a lab's names. Dropping it removes all that bears them.
#[derive(Debug)]
pub struct Ownership {
    id: String,
    dir: PathBuf,
    _lock: File,
}

impl Ownership {
    /// Takes a new ID, after removing the labs whose owners are gone.
    pub(super) fn claim() -> Result<Self> {
        make_private_dir(Path::new(ROOT))?;
        let _one_at_a_time = lock_all()?;
        reap()?;
        let id = format!("{}-{}", std::process::id(), NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        let dir = Path::new(ROOT).join(&id);
        let lock = File::create_new(lock_path(&id)).context("the lab's lock")?;
        lock.try_lock().context("the lab's lock")?;
        make_private_dir(&dir)?;
        fs::create_dir_all(PRODUCT_FILES).context(PRODUCT_FILES)?;
        Ok(Self { id, dir, _lock: lock })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn namespace_name(&self, role: &str) -> String {
        format!("v6t-{}-{role}", self.id)
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if let Err(error) = lock_all().and_then(|_one_at_a_time| remove(&self.id)) {
            eprintln!("lab {}: not removed whole: {error:#}", self.id);
        }
    }
}

/// Everything on this machine that bears the name of the lab `id`: namespaces, their files, its folder.
/// Empty after the lab has gone.
///
/// # Errors
/// A folder cannot be read.
pub fn traces(id: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for (folder, start) in [(NAMESPACES, format!("v6t-{id}-")), (NAMESPACE_FILES, format!("v6t-{id}-"))] {
        found.extend(
            names(folder)?
                .into_iter()
                .filter(|name| name.starts_with(&start))
                .map(|name| join(folder, &name)),
        );
    }
    found.extend([join(ROOT, id), lock_path(id)].into_iter().filter(|path| path.exists()));
    Ok(found)
}

/// Removes the labs whose owner is gone. The caller holds [`lock_all`].
fn reap() -> Result<()> {
    for name in names(ROOT)? {
        let Some(id) = name.strip_suffix(".lock").filter(|id| !id.is_empty()) else { continue };
        let lock = File::open(lock_path(id)).context("a lab's lock")?;
        if lock.try_lock().is_ok() {
            remove(id).with_context(|| format!("removing what is left of lab {id}"))?;
        }
    }
    Ok(())
}

fn remove(id: &str) -> Result<()> {
    let prefix = format!("v6t-{id}-");
    for namespace in names(NAMESPACES)?.into_iter().filter(|name| name.starts_with(&prefix)) {
        kill_inhabitants(&namespace)?;
        let status =
            Command::new("ip").args(["netns", "del", &namespace]).status().context("ip netns del")?;
        anyhow::ensure!(status.success(), "ip netns del {namespace} failed");
    }
    for name in names(NAMESPACE_FILES)?.into_iter().filter(|name| name.starts_with(&prefix)) {
        fs::remove_dir_all(join(NAMESPACE_FILES, &name))?;
    }
    // Only an empty one goes: others may keep their files there.
    let _ = fs::remove_dir(NAMESPACE_FILES);
    let dir = join(ROOT, id);
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::remove_file(lock_path(id)).context("the lab's lock")?;
    if names(ROOT)?.iter().all(|name| !name.ends_with(".lock")) {
        // No lab needs it any more. Only an empty one goes.
        let _ = fs::remove_dir(PRODUCT_FILES);
    }
    Ok(())
}

/// What `/etc/v6tun` is on the machine of this name.
pub(super) fn product_files(namespace: &str) -> PathBuf {
    Path::new(NAMESPACE_FILES).join(namespace).join("v6tun")
}

/// Kills what still runs in one of the lab's own namespaces, by process id.
fn kill_inhabitants(namespace: &str) -> Result<()> {
    let output = Command::new("ip").args(["netns", "pids", namespace]).output().context("ip netns pids")?;
    let listed = String::from_utf8_lossy(&output.stdout);
    for pid in listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, Signal::KILL);
    }
    Ok(())
}

/// Held while namespaces are listed, claimed or removed.
fn lock_all() -> Result<File> {
    let file = File::create(join(ROOT, "lock")).context("/run/v6tun-lab/lock")?;
    file.lock().context("/run/v6tun-lab/lock")?;
    Ok(file)
}

fn lock_path(id: &str) -> PathBuf {
    join(ROOT, &format!("{id}.lock"))
}

fn join(folder: &str, name: &str) -> PathBuf {
    Path::new(folder).join(name)
}

fn make_private_dir(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| path.display().to_string())
}

/// The names in a folder, sorted; none if there is no such folder.
fn names(folder: &str) -> Result<Vec<String>> {
    if !Path::new(folder).exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| folder.to_owned())?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

//! Who holds a socket, by looking through every process's open files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The names of the processes that hold the sockets with these inodes. Best effort: processes that may not be
/// looked into, or that end meanwhile, are passed over.
pub(super) fn of_sockets(inodes: &BTreeSet<u32>) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    if inodes.is_empty() {
        return names;
    }
    let Ok(processes) = fs::read_dir("/proc") else { return names };
    for process in processes.flatten() {
        let is_number = process.file_name().to_str().is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let Some(files) = is_number.then(|| fs::read_dir(process.path().join("fd")).ok()).flatten() else {
            continue;
        };
        let held = files.flatten().filter_map(|file| socket_inode(&file.path()));
        for inode in held.filter(|inode| inodes.contains(inode)) {
            if let Ok(name) = fs::read_to_string(process.path().join("comm")) {
                names.insert(inode, name.trim_end().to_owned());
            }
        }
    }
    names
}

/// The number in a link that reads `socket:[12345]`.
fn socket_inode(file: &std::path::Path) -> Option<u32> {
    let target = fs::read_link(file).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

//! What shows the state of a disk on Linux.

use std::fmt::Display;

pub(super) fn full_hint(folder: impl Display) -> String {
    format!("`df -h {folder}` and `df -i {folder}` show how full the disk is; make room and try again")
}

pub(super) fn read_only_hint(folder: impl Display) -> String {
    format!("`findmnt -T {folder}` shows the file system; the kernel's log says if it failed")
}

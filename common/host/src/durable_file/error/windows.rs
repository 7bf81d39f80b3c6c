//! What shows the state of a disk on Windows.

use std::fmt::Display;

pub(super) fn full_hint(folder: impl Display) -> String {
    format!(
        "`Get-PSDrive -PSProvider FileSystem` shows how full the disk of {folder} is; make room and try again"
    )
}

pub(super) fn read_only_hint(folder: impl Display) -> String {
    format!("`Get-Disk | Format-List Number, IsReadOnly` shows why nothing can be written to {folder}")
}

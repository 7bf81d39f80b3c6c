//! An administrator, whose terminal has the rights already.

pub(super) const PREFIX: &str = "";
pub(super) const RUN_ELEVATED: &str =
    "run it as administrator: right-click Terminal in the Start menu, \"Run as administrator\"";

//! An administrator, whose terminal has the rights already.

pub(super) const PREFIX: &str = "";
pub(super) const RUN_ELEVATED: &str = "run it as administrator: right-click the terminal in the Start menu";

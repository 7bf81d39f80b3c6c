//! Standard streams where `std` alone knows them.

use std::io::{self, Stdin, Stdout};

/// Standard input.
pub(crate) fn input() -> io::Result<Stdin> {
    Ok(io::stdin())
}

/// Standard output.
pub(crate) fn output() -> io::Result<Stdout> {
    Ok(io::stdout())
}

/// Files have no permission bits here.
pub(crate) fn is_output_world_accessible() -> bool {
    false
}

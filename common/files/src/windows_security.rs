//! Who may open what, on Windows: owners and access lists (DACL), in Windows' own notation for them (SDDL).
//!
//! What is made with one of the lists here has it from its first moment on. What is found is judged by
//! [`AccessList`], which is pure: a list is good if nobody has rights but those who are named as trusted.

mod access_list;
#[cfg(windows)]
mod create;
#[cfg(windows)]
mod descriptor;
#[cfg(windows)]
mod token;
#[cfg(windows)]
mod wide;

pub use access_list::{ANY, AccessList, Malformed, WRITING, name_of};
#[cfg(windows)]
pub use create::{create_folder, create_new};
#[cfg(windows)]
pub use descriptor::{SecurityDescriptor, access_list_of};
#[cfg(windows)]
pub use token::{is_administrator, own_owner, own_user};

/// Windows itself, and the services that run as it, in SDDL.
pub const SYSTEM: &str = "SY";
/// The group of those who may do everything on this PC.
pub const ADMINISTRATORS: &str = "BA";
/// Whoever owns it.
pub const OWNER: &str = "OW";

/// A folder, with all that is made in it, of SYSTEM and Administrators alone. Only an administrator can make it.
pub const FOLDER_OF_ADMINISTRATORS: &str = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";
/// A folder, with all that is made in it, that its owner has access to, too.
pub const FOLDER_OF_OWNER: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)";
/// A file of its owner, SYSTEM and Administrators alone.
pub const FILE_OF_OWNER: &str = "D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)";
/// A pipe that SYSTEM and Administrators alone can open.
pub const PIPE_OF_ADMINISTRATORS: &str = "D:P(A;;FA;;;SY)(A;;FA;;;BA)";

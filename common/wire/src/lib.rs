//! What both programs wire in the same way: the options that they share, their folders, the event loop around
//! one end of the tunnel, the operator who stops them or asks, the undoing of what they did to the host, and the
//! service that they can be.
//!
//! ```text
//! operator (signals, control socket) ──> the program's main thread ──orders──> EventLoop (thread v6tun-data)
//!                                              │        ^                        Tunnel + DataPath
//!                                              v        └──────────events─────────────┘
//!                                    host::network, journal
//! ```

use locks::Locks;
use undo::{begin_journal, open_journal, restore, restore_leftovers};

mod args;
mod ask;
pub mod doctor;
mod event_loop;
mod folders;
mod hinted;
mod locks;
mod operator;
#[cfg(target_os = "linux")]
pub mod systemd;
mod undo;
mod unix_time;
mod untouched;
mod up;

pub use args::{DoctorArgs, GlobalArgs, StatusArgs, UpArgs};
pub use ask::{down, order, status};
pub use event_loop::{EventLoop, Figures};
pub use folders::{Folders, Role};
pub use hinted::{Hinted, OrFail};
pub use operator::{Operated, Operator, Reply, Request, Response, Wish};
pub use unix_time::{since_unix_seconds, unix_seconds_ago};
pub use untouched::refuse_unless_untouched;
pub use up::{Host, KEEPALIVE, decline, up};

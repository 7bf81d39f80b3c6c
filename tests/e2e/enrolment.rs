//! Enrolment and orders under the worst that can come: a crowd with one invitation, a server that is killed at each
//! step, and a disk that is full or breaks.
//!
//! In a program of its own, because all of it would disturb tests that measure time.

#[path = "enrolment/belief.rs"]
mod belief;
#[path = "enrolment/crowd.rs"]
mod crowd;
#[path = "enrolment/faults.rs"]
mod faults;
#[path = "enrolment/killed.rs"]
mod killed;
#[path = "enrolment/orders.rs"]
mod orders;
#[path = "enrolment/trouble.rs"]
mod trouble;

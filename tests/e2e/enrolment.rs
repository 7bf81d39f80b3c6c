//! Enrolment under the worst that can come: a crowd with one invitation, and a server that is killed at each step.
//!
//! In a program of its own, because both would disturb tests that measure time.

#[path = "enrolment/crowd.rs"]
mod crowd;
#[path = "enrolment/killed.rs"]
mod killed;

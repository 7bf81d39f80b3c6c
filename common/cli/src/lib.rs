//! common/cli

//! common/proto

//! The subcommands: each takes its options apart, calls the stages in order
//! and prints what they made.

pub mod bench;
pub mod build;
pub mod common;
pub mod doc;
pub mod doctor;
pub mod qemu;
pub mod replay;
pub mod test;

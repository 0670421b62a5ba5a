//! The subcommands: each reads its options, calls the stages and prints the results.

pub mod bench;
pub mod book;
pub mod build;
pub mod cache;
pub mod check;
pub mod common;
pub mod course;
pub mod doc;
pub mod doctor;
pub mod exercise;
pub mod grade;
pub mod hint;
pub mod ide;
pub mod learn;
pub mod list;
pub mod mistake;
pub mod new;
mod projects;
pub mod qemu;
pub mod replay;
pub mod reset;
mod script;
pub mod shell;
pub mod solution;
pub mod student;
pub mod test;
pub mod watch;

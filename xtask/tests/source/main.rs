//! Kernel sources from mirrors, archives and users, good and bad.

mod downloads;
mod given;
mod lab;
mod server;
mod signer;

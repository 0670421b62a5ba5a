//! Valid and invalid kernel sources from mirrors, archives and users.

mod downloads;
mod given;
mod lab;
mod server;
mod signer;

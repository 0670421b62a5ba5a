//! The toolchain on fake hosts: tools are found, installed or refused.

mod fake_host;
mod packages;
mod tools;

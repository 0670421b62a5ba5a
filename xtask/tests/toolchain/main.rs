//! The toolchain on hosts made of shell scripts: what is found, what is
//! installed and what is refused.

mod fake_host;
mod packages;
mod tools;

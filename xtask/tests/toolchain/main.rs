//! The toolchain on machines made of shell scripts: what is found, what is
//! installed and what is refused.

mod machine;
mod packages;
mod tools;

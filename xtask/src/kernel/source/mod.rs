//! The source tree of a kernel: obtained, verified, unpacked, patched.

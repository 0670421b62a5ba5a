//! The pinned tools that build kernels and run guests: found, or provisioned.

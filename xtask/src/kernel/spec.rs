//! The kernels known by name: `kernel-config/kernels.toml`.

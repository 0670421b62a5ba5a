//! The hardware of a guest.

/// The number of a guest's CPUs and the size of its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hardware {
    /// CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
}

impl Hardware {
    /// The hardware of a guest unless the user chooses another: two CPUs, so that threads
    /// really run side by side.
    pub const DEFAULT: Self = Self {
        cpus: 2,
        memory_mib: 256,
    };
}

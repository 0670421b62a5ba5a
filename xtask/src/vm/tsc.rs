//! Measures the rate of the host's time stamp counter.
//!
//! Under TCG in real time a guest's TSC is the host's. The guest measures its rate with the
//! emulated PIT, which fails on a busy host; the guest then has its timer ticks alone. A
//! kernel parameter with the rate avoids the measurement.

use quanta::Clock;

/// The number of ticks whose duration is converted.
const TICKS: u64 = 1_000_000_000;

/// Returns the ticks of a millisecond, measured against the host's clock within 0.2 s; `None`
/// if the counter cannot be read or does not run evenly.
pub fn host_khz() -> Option<u64> {
    let clock = Clock::new();
    let nanoseconds = clock.delta_as_nanos(0, TICKS);
    // Without a usable counter quanta counts nanoseconds.
    (nanoseconds > 0 && nanoseconds != TICKS).then(|| TICKS * 1_000_000 / nanoseconds)
}

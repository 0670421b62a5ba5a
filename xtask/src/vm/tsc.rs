//! How fast the host's time stamp counter runs.
//!
//! Under TCG in real time a guest's TSC is the host's, and the guest finds out
//! its rate by the emulated PIT, which it misses on a busy host; it then lives
//! by its timer ticks alone. Told the rate, it need not find out.

use quanta::Clock;

/// So many ticks are converted to nanoseconds.
const TICKS: u64 = 1_000_000_000;

/// Ticks a millisecond, measured against the host's clock within 0.2 s; `None`
/// where the counter cannot be read or does not run evenly.
pub fn host_khz() -> Option<u64> {
    let clock = Clock::new();
    let nanoseconds = clock.delta_as_nanos(0, TICKS);
    // Without a usable counter quanta counts nanoseconds.
    (nanoseconds > 0 && nanoseconds != TICKS).then(|| TICKS * 1_000_000 / nanoseconds)
}

//! Timestamps: the kernel's, `[   12.345678]`, and a lesson's, `[+1.0s]`.

/// The allowed deviation of a line from its expected time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Maximum number of seconds that a line may be early.
    pub early: f64,
    /// Maximum number of seconds that a line may be late.
    pub late: f64,
}

/// Tolerance in virtual time. The kernel's timer wheel rounds a sleep of one second up
/// by at most 0.03 s, and the woken thread has to run.
pub const VIRTUAL_TOLERANCE: Tolerance = Tolerance {
    early: 0.05,
    late: 0.05,
};

/// Tolerance in real time, on a host that may be busy. Lines are late then and never
/// early, because a late thread begins its next sleep late. With two guests and two busy
/// processes on two cores, lines were at most 0.24 s late; with a tenth of a core for
/// each guest, 0.57 s, and once 1.2 s.
pub const REAL_TOLERANCE: Tolerance = Tolerance {
    early: 0.05,
    late: 1.0,
};

/// Returns whether `delta` is near `expected`, two intervals between lines in seconds:
/// within the `tolerance` or a tenth of the expected interval, whichever is more. QEMU
/// gives its virtual CPUs turns of up to 0.1 s of the guest's time, so in a busy guest one
/// line may be late by 0.1 s and the next line on time.
pub fn is_near(delta: f64, expected: f64, tolerance: Tolerance) -> bool {
    let Tolerance { early, late } = tolerance;
    let tenth = expected / 10.0;
    // Timestamps have six decimals; their difference has more.
    let ok = |off: f64, allowed: f64| off <= allowed.max(tenth) + 1e-7;
    ok(expected - delta, early) && ok(delta - expected, late)
}

/// Splits a line that begins with the kernel's timestamp into the seconds since boot and
/// the text after the bracket.
pub fn split_kernel(line: &str) -> Option<(f64, &str)> {
    let (timestamp, rest) = line.strip_prefix('[')?.split_once(']')?;
    let timestamp = timestamp.trim_start();
    let (seconds, fraction) = timestamp.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() != 6 {
        return None;
    }
    Some((timestamp.parse().ok()?, rest))
}

/// Splits an expected line that begins with a lesson's timestamp into the seconds since
/// the line above and the text after the bracket.
pub fn split_expected(line: &str) -> Option<(f64, &str)> {
    let (timestamp, rest) = line.strip_prefix("[+")?.split_once("s]")?;
    let plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if !timestamp.bytes().all(plain) {
        return None;
    }
    Some((timestamp.parse().ok()?, rest))
}

/// Formats seconds as a lesson's timestamp: `[+1.3s]`.
pub fn format(delta: f64, decimals: usize) -> String {
    format!("[{delta:+.decimals$}s]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_interval_has_a_smaller_tolerance_than_a_long_one() {
        let near = |delta, expected| is_near(delta, expected, VIRTUAL_TOLERANCE);
        assert!(near(0.14, 0.1) && !near(0.16, 0.1));
        assert!(!near(0.0, 0.1));
        assert!(near(1.09, 1.0) && !near(1.11, 1.0));
    }

    #[test]
    fn in_real_time_a_line_may_be_late_but_not_early() {
        let near = |delta, expected| is_near(delta, expected, REAL_TOLERANCE);
        assert!(near(1.0, 0.1) && !near(1.2, 0.1));
        assert!(!near(0.0, 0.1));
        assert!(near(1.9, 1.0) && !near(2.1, 1.0) && !near(0.85, 1.0));
    }

    #[test]
    fn only_complete_timestamps_are_accepted() {
        assert_eq!(
            split_kernel("[   12.345678] x: y"),
            Some((12.345678, " x: y"))
        );
        assert_eq!(
            split_kernel("[12345.000000][  T12] x").map(|s| s.0),
            Some(12345.0)
        );
        for line in [
            "[..] x",
            "[12.3] x",
            "[ 1e2.000000] x",
            "[1.123456",
            "x [1.123456] y",
            "",
        ] {
            assert_eq!(split_kernel(line), None, "{line}");
        }
        assert_eq!(split_expected("[+1.0s] x"), Some((1.0, " x")));
        assert_eq!(split_expected("[+2s] x"), Some((2.0, " x")));
        for line in [
            "[+s] x",
            "[+infs] x",
            "[1.0s] x",
            "[+1.0] x",
            "[+-1s] x",
            "[..]",
        ] {
            assert_eq!(split_expected(line), None, "{line}");
        }
    }
}

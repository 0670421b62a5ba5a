//! Time stamps: the kernel's, `[   12.345678]`, and a lesson's, `[+1.0s]`.

/// How far a line may be from the time that the text states, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// It may come so much too early.
    pub early: f64,
    /// Or so much too late.
    pub late: f64,
}

/// When the guest runs in virtual time. The kernel's timer wheel rounds a
/// sleep of one second up by as much as 0.03 s, and the woken thread has to
/// run.
pub const VIRTUAL_TOLERANCE: Tolerance = Tolerance {
    early: 0.05,
    late: 0.05,
};

/// When it runs in real time, on a host that may have other things to do. A
/// line is late then, not early: a thread that was late sleeps from there on.
/// Two guests and two busy processes on two cores made lines late by 0.24 s at
/// the most; guests that got a tenth of a core each, by 0.57 s, and once by
/// 1.2 s.
pub const REAL_TOLERANCE: Tolerance = Tolerance {
    early: 0.05,
    late: 1.0,
};

/// Whether a line that came `delta` seconds after the one above came when it
/// should have, `wanted` seconds after it: to within the `tolerance` or a
/// tenth of the time, whichever is more. QEMU gives its virtual CPUs turns of
/// up to 0.1 s of the guest's time, so on a busy guest one line may come late
/// by that and the next not.
pub fn is_near(delta: f64, wanted: f64, tolerance: Tolerance) -> bool {
    let Tolerance { early, late } = tolerance;
    let tenth = wanted / 10.0;
    // Stamps have six decimals; the sum has more.
    let ok = |off: f64, allowed: f64| off <= allowed.max(tenth) + 1e-7;
    ok(wanted - delta, early) && ok(delta - wanted, late)
}

/// Takes the kernel's stamp off a line that begins with one: the seconds
/// since boot, and what follows the bracket.
pub fn split_kernel(line: &str) -> Option<(f64, &str)> {
    let (stamp, rest) = line.strip_prefix('[')?.split_once(']')?;
    let stamp = stamp.trim_start();
    let (seconds, fraction) = stamp.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() != 6 {
        return None;
    }
    Some((stamp.parse().ok()?, rest))
}

/// Takes a lesson's stamp off an expected line: the seconds since the stamped
/// line above, and what follows the bracket.
pub fn split_expected(line: &str) -> Option<(f64, &str)> {
    let (stamp, rest) = line.strip_prefix("[+")?.split_once("s]")?;
    let plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if !stamp.bytes().all(plain) {
        return None;
    }
    Some((stamp.parse().ok()?, rest))
}

/// Writes a time as a lesson would: `[+1.3s]`.
pub fn format(delta: f64, decimals: usize) -> String {
    format!("[{delta:+.decimals$}s]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_time_is_held_to_more_closely_than_a_long_one() {
        let near = |delta, wanted| is_near(delta, wanted, VIRTUAL_TOLERANCE);
        assert!(near(0.14, 0.1) && !near(0.16, 0.1));
        assert!(!near(0.0, 0.1));
        assert!(near(1.09, 1.0) && !near(1.11, 1.0));
    }

    #[test]
    fn in_real_time_a_line_may_be_late_but_not_early() {
        let near = |delta, wanted| is_near(delta, wanted, REAL_TOLERANCE);
        assert!(near(1.0, 0.1) && !near(1.2, 0.1));
        assert!(!near(0.0, 0.1));
        assert!(near(1.9, 1.0) && !near(2.1, 1.0) && !near(0.85, 1.0));
    }

    #[test]
    fn only_real_stamps_are_stamps() {
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

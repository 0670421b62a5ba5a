//! Parses the reports of QEMU's monitor on the guest's CPUs: `info registers -a`, with each
//! CPU's flags (`RFL=00000202 [-------]`) and whether it is halted (`HLT=1`), and
//! `info lapic CPU`, with the CPU's timer.

/// Reports whether at least one CPU has interrupts enabled, by `info registers -a`; `None` if
/// that has no flags. Bit 9 of the flags is the one (Intel's manual, volume 1, "EFLAGS
/// Register").
pub fn interrupts_enabled(registers: &str) -> Option<bool> {
    let flags = registers.split_whitespace().filter_map(|word| {
        let (_, flags) = word.split_once("FL=")?;
        u32::from_str_radix(flags, 16).ok()
    });
    flags.map(|flags| flags & 1 << 9 != 0).reduce(|a, b| a || b)
}

/// Returns the number of CPUs that do not wait for an interrupt (the instruction HLT), by
/// `info registers -a`; `None` if that does not report it.
pub fn running(registers: &str) -> Option<usize> {
    let halted = registers
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("HLT="));
    halted
        .map(|halted| usize::from(halted == "0"))
        .reduce(|a, b| a + b)
}

/// Reports whether a CPU's timer has counted down, by `info lapic`; `None` if that does not
/// report it. A timer that is not set counts from 0.
pub fn timer_has_expired(apic: &str) -> Option<bool> {
    let count = |name: &str| -> Option<u32> {
        let (_, rest) = apic.split_once(name)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some(count("initial_count = ")? > 0 && count("current_count = ")? == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the report on two CPUs with these flags, of which the second is halted.
    fn registers(first: &str, second: &str) -> String {
        format!(
            "\r\nCPU#0\r\nRIP=ffffffff8102d3c5 RFL={first} [----A--] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n\
             CPU#1\r\nRIP=ffffffff8102d3c5 RFL={second} [-------] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
        )
    }

    #[test]
    fn one_cpu_with_interrupts_enabled_is_enough() {
        let of = |first: &str, second: &str| interrupts_enabled(&registers(first, second));
        assert_eq!(of("00000212", "00000046"), Some(true));
        assert_eq!(of("00000002", "00000202"), Some(true));
        assert_eq!(of("00000002", "00000046"), Some(false));
        assert_eq!(interrupts_enabled("no such command"), None);
    }

    #[test]
    fn a_halted_cpu_does_not_run() {
        let one = registers("00000212", "00000046");
        assert_eq!(running(&one), Some(1));
        assert_eq!(running(&one.replace("HLT=1", "HLT=0")), Some(2));
        assert_eq!(running("no such command"), None);
    }

    #[test]
    fn a_timer_has_expired_when_it_was_set_and_has_counted_down() {
        let of = |initial: u32, current: u32| {
            timer_has_expired(&format!(
                "LVTT\t 0x000000ec active-hi edge                 one-shot     Fixed  (vec 236)\r\n\
                 Timer\t DCR=0x3 (divide by 16) initial_count = {initial} \
                 current_count = {current}\r\nSPIV\t 0x000001ff\r\n"
            ))
        };
        assert_eq!(of(53533, 47963), Some(false));
        assert_eq!(of(53533, 0), Some(true));
        assert_eq!(of(0, 0), Some(false));
        assert_eq!(timer_has_expired("no such command"), None);
    }
}

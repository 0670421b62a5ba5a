//! What QEMU's monitor tells of the guest's CPUs: `info registers -a`, with each
//! CPU's flags (`RFL=00000202 [-------]`) and whether it waits (`HLT=1`), and
//! `info lapic CPU`, with its timer.

/// Does one CPU at least take interrupts, by `info registers -a`? None if nothing
/// is told. Bit 9 of the flags says so (Intel's manual, volume 1, "EFLAGS
/// Register").
pub fn interrupts(registers: &str) -> Option<bool> {
    let flags = registers.split_whitespace().filter_map(|word| {
        let (_, flags) = word.split_once("FL=")?;
        u32::from_str_radix(flags, 16).ok()
    });
    flags.map(|flags| flags & 1 << 9 != 0).reduce(|a, b| a || b)
}

/// How many CPUs do not wait for an interrupt (the instruction HLT), by
/// `info registers -a`. None if nothing is told.
pub fn running(registers: &str) -> Option<usize> {
    let halted = registers
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("HLT="));
    halted
        .map(|halted| usize::from(halted == "0"))
        .reduce(|a, b| a + b)
}

/// Has the time come for which a CPU's timer was set, by `info lapic`? None if
/// that is not told. A timer that is not set counts from 0.
pub fn timer_is_over(apic: &str) -> Option<bool> {
    let count = |name: &str| -> Option<u32> {
        let (_, rest) = apic.split_once(name)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some(count("initial_count = ")? > 0 && count("current_count = ")? == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two CPUs with these flags, of which the second waits.
    fn registers(first: &str, second: &str) -> String {
        format!(
            "\r\nCPU#0\r\nRIP=ffffffff8102d3c5 RFL={first} [----A--] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n\
             CPU#1\r\nRIP=ffffffff8102d3c5 RFL={second} [-------] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
        )
    }

    #[test]
    fn one_cpu_that_takes_interrupts_is_enough() {
        let of = |first: &str, second: &str| interrupts(&registers(first, second));
        assert_eq!(of("00000212", "00000046"), Some(true));
        assert_eq!(of("00000002", "00000202"), Some(true));
        assert_eq!(of("00000002", "00000046"), Some(false));
        assert_eq!(interrupts("no such command"), None);
    }

    #[test]
    fn who_waits_does_not_run() {
        let one = registers("00000212", "00000046");
        assert_eq!(running(&one), Some(1));
        assert_eq!(running(&one.replace("HLT=1", "HLT=0")), Some(2));
        assert_eq!(running("no such command"), None);
    }

    #[test]
    fn a_timer_is_over_when_it_was_set_and_has_counted_down() {
        let of = |initial: u32, current: u32| {
            timer_is_over(&format!(
                "LVTT\t 0x000000ec active-hi edge                 one-shot     Fixed  (vec 236)\r\n\
                 Timer\t DCR=0x3 (divide by 16) initial_count = {initial} \
                 current_count = {current}\r\nSPIV\t 0x000001ff\r\n"
            ))
        };
        assert_eq!(of(53533, 47963), Some(false));
        assert_eq!(of(53533, 0), Some(true));
        assert_eq!(of(0, 0), Some(false));
        assert_eq!(timer_is_over("no such command"), None);
    }
}

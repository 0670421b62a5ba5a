//! Parses the reports of QEMU's monitor on the guest's CPUs: `info registers -a`, with each
//! CPU's flags (`RFL=00000202 [-------]`) and whether it is halted (`HLT=1`), and
//! `info lapic CPU`, with the CPU's timer.

/// The registers of a CPU that show which code it executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuRegisters {
    /// Address of the next instruction.
    pub rip: u64,
    /// Address of the top of the stack.
    pub rsp: u64,
    /// Address of the innermost frame, in code with frame pointers.
    pub rbp: u64,
    /// Whether the CPU waits for an interrupt (the instruction HLT).
    pub halted: bool,
    /// Whether it executes a program's code, not the kernel's.
    pub in_user_mode: bool,
}

/// Returns the registers of all CPUs in 64-bit mode, by `info registers -a`; a CPU of which
/// something is missing is left out.
pub fn registers(report: &str) -> Vec<CpuRegisters> {
    report.split("CPU#").filter_map(cpu_registers).collect()
}

fn cpu_registers(report: &str) -> Option<CpuRegisters> {
    let value = |name: &str| {
        let words = report.split_whitespace();
        let mut values = words.filter_map(|word| word.strip_prefix(name));
        values.next()
    };
    let address = |name: &str| u64::from_str_radix(value(name)?, 16).ok();
    Some(CpuRegisters {
        rip: address("RIP=")?,
        rsp: address("RSP=")?,
        rbp: address("RBP=")?,
        halted: value("HLT=")? == "1",
        in_user_mode: value("CPL=")? == "3",
    })
}

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
    fn a_cpu_has_registers() {
        let report = "\r\nCPU#0\r\nRAX=0000000000000000 RBX=0000000000000001\r\n\
             RSI=0 RDI=0 RBP=ffffc900000f7ec0 RSP=ffffc900000f7ec8\r\n\
             RIP=ffffffff8102d3c5 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n\
             CPU#1\r\nEIP=00000000 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n";
        let first = CpuRegisters {
            rip: 0xffff_ffff_8102_d3c5,
            rsp: 0xffff_c900_000f_7ec8,
            rbp: 0xffff_c900_000f_7ec0,
            halted: true,
            in_user_mode: false,
        };
        assert_eq!(super::registers(report), [first]);
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

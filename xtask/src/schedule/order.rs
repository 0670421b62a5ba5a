//! The text by which `perturb` takes a schedule, and its limits.

use std::fmt::Write as _;

use kmodlab_protocol::Setting;

use super::MODULE;
use super::probe_points::ProbePoint;

/// Maximum number of probe points in one guest (`PLACES` in modules/tools/perturb/probe.c).
const MAX_POINTS: usize = 256;

/// Begins the name of a function of the kernel (`KERNEL` there).
const KERNEL: &str = "vmlinux:";

/// Maximum length of a list of probe points, in bytes: the kernel accepts a page at
/// most for a module parameter (`PAGE_SIZE` in fs/kernfs/file.c), and some numbers
/// precede the list.
pub(super) const MAX_LIST_BYTES: usize = 3900;

/// A schedule as `perturb` takes it.
#[derive(Debug, Clone)]
pub struct PerturbOrder {
    /// The setting that makes `perturb` apply the schedule in a guest.
    pub setting: Setting,
    /// The probe points, in the order of their numbers.
    pub points: Vec<ProbePoint>,
}

impl PerturbOrder {
    /// Returns the order that `perturb` reads from `value`.
    pub(super) fn new(value: String, points: Vec<ProbePoint>) -> Self {
        let setting = Setting {
            module: MODULE.to_owned(),
            parameter: "order".to_owned(),
            value,
        };
        Self { setting, points }
    }
}

/// Room for one delay in an order, in bytes: a symbol, a task's name, and numbers.
const DELAY_BYTES: usize = 700;

/// Splits probe points into as few slices as possible, each small enough for one
/// guest.
pub fn chunks(points: &[ProbePoint]) -> Vec<&[ProbePoint]> {
    slices(points, MAX_LIST_BYTES)
}

/// Splits probe points in the same way for a guest with one delay.
pub fn chunks_with_delay(points: &[ProbePoint]) -> Vec<&[ProbePoint]> {
    slices(points, MAX_LIST_BYTES - DELAY_BYTES)
}

fn slices(points: &[ProbePoint], bytes: usize) -> Vec<&[ProbePoint]> {
    let mut chunks = Vec::new();
    let mut rest = points;
    while !rest.is_empty() {
        let fits = |count: &usize| list(&rest[..*count], reported).len() <= bytes;
        // A single point always fits: a symbol has at most 512 bytes.
        // One more may be that of a delay.
        let counts = 2..=rest.len().min(MAX_POINTS - 1);
        let count = counts.take_while(fits).last().unwrap_or(1);
        let (chunk, others) = rest.split_at(count);
        chunks.push(chunk);
        rest = others;
    }
    chunks
}

/// Returns the operand that a baseline run reports.
pub(super) fn reported(point: &ProbePoint) -> Option<u32> {
    point.operand.map(|operand| operand.bits)
}

/// Formats probe points as `perturb` reads them: `f+1+2,g+3`, or with the operands that it is to use:
/// `f+1:5+2,g+3:7`. The offsets are those from a function of the same section, which need not be their own: a name
/// in Rust is so long that one for each function would fill several lists, and memory that two tasks use has
/// another address in each list's run.
pub(super) fn list(points: &[ProbePoint], operand: impl Fn(&ProbePoint) -> Option<u32>) -> String {
    let mut text = String::new();
    let begin = |point: &ProbePoint| point.section_offset.saturating_sub(point.offset.into());
    for group in points.chunk_by(|a, b| a.section == b.section) {
        let Some(first) = group.iter().min_by_key(|point| begin(point)) else {
            continue;
        };
        if !text.is_empty() {
            text.push(',');
        }
        if first.in_kernel {
            text.push_str(KERNEL);
        }
        text.push_str(&first.function);
        for point in group {
            // `write!` to a String cannot fail.
            let _ = write!(text, "+{}", point.section_offset - begin(first));
            if let Some(operand) = operand(point) {
                let _ = write!(text, ":{operand}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::point;
    use super::*;

    #[test]
    fn a_list_has_one_function_for_each_section() {
        let at = |function, begin: u64, offset: u32, section| ProbePoint {
            section,
            section_offset: begin + u64::from(offset),
            ..point(function, offset)
        };
        let points = [
            at("f", 16, 1, 0),
            at("f", 16, 12, 0),
            at("g", 64, 3, 0),
            at("h", 0, 3, 1),
        ];
        assert_eq!(list(&points, |_| None), "f+1+12+51,h+3");
        let of_kernel = ProbePoint {
            in_kernel: true,
            ..at("mutex_unlock", 0, 22, usize::MAX)
        };
        let operand = |_: &ProbePoint| Some(7);
        assert_eq!(list(&[of_kernel], operand), "vmlinux:mutex_unlock+22:7");
    }

    #[test]
    fn chunks_are_as_long_as_possible_and_together_complete() {
        for letters in [1, 100, 500] {
            let functions = (0..300).map(|n| format!("{n:0letters$}"));
            let points: Vec<ProbePoint> = functions.map(|name| point(&name, 7)).collect();
            let chunks = chunks(&points);
            assert_eq!(chunks.concat(), points);
            for pair in chunks.windows(2) {
                let more = [pair[0], &pair[1][..1]].concat();
                assert!(list(pair[0], reported).len() <= MAX_LIST_BYTES);
                assert!(more.len() >= MAX_POINTS || list(&more, reported).len() > MAX_LIST_BYTES);
            }
        }
        assert!(chunks(&[]).is_empty());
    }
}

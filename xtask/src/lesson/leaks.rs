//! What kmemleak says of memory that a lesson lost.
//!
//! The report names the functions of the kernel. A module has been unloaded by
//! then and its functions are bare addresses, which are told here by the
//! sections of the `.ko` file that were there.

use super::compare::printable;
use super::record::CodeSection;

/// How each finding of the report begins (mm/kmemleak.c):
/// `unreferenced object 0xffff888003b2c000 (size 64):`
const OBJECT: &str = "unreferenced object 0x";

/// Memory that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaks {
    /// In one line: how much.
    pub headline: String,
    /// The kernel's report.
    pub report: Vec<String>,
}

/// Reads the contents of `/sys/kernel/debug/kmemleak`: what was allocated at
/// `since` (in jiffies) or later. None if nothing is lost.
pub fn read(text: &str, since: u64, sections: &[CodeSection]) -> Option<Leaks> {
    let mut objects = 0;
    let mut bytes = 0;
    let mut report = Vec::new();
    for object in objects_of(text) {
        if number_after(&object, "jiffies ").is_some_and(|jiffies| jiffies < since) {
            continue;
        }
        objects += 1;
        bytes += number_after(&object, "(size ").unwrap_or(0);
        let lines = object.iter().map(|line| with_section(line, sections));
        report.extend(lines.map(|line| printable(&line)));
    }
    let s = if objects == 1 { "" } else { "s" };
    (objects > 0).then(|| Leaks {
        headline: format!(
            "kmemleak: {objects} object{s} that nothing points to any more, {bytes} bytes"
        ),
        report,
    })
}

/// The lines of each finding.
fn objects_of(text: &str) -> Vec<Vec<&str>> {
    let mut objects: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        if line.starts_with(OBJECT) {
            objects.push(Vec::new());
        }
        if let Some(object) = objects.last_mut() {
            object.push(line);
        }
    }
    objects
}

/// The number behind the first `words` in these lines.
fn number_after(lines: &[&str], words: &str) -> Option<u64> {
    let (_, rest) = lines.iter().find_map(|line| line.split_once(words))?;
    let end = rest.find(|digit: char| !digit.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// A line of a stack; where it is an address without a name that was in a
/// module, the module, the section and the offset stand behind it.
fn with_section(line: &str, sections: &[CodeSection]) -> String {
    let address = line
        .split_whitespace()
        .next_back()
        .and_then(|word| word.strip_prefix("0x"))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok());
    // Modules that follow each other often get the same place: the last is meant.
    let section = address.and_then(|address| {
        sections
            .iter()
            .filter_map(|section| Some((section, address.checked_sub(section.address)?)))
            .filter(|(section, offset)| *offset < section.size)
            .max_by_key(|(section, _)| section.address)
    });
    match section {
        Some((
            CodeSection {
                module, section, ..
            },
            offset,
        )) => {
            format!("{line} {section}+{offset:#x} [{module}]")
        }
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(module: &str, section: &str, address: u64) -> CodeSection {
        CodeSection {
            module: module.to_owned(),
            section: section.to_owned(),
            address,
            size: 8192,
        }
    }

    /// What a module in Rust left when it was loaded and when it was removed,
    /// by 6.12; shortened.
    const FOUND: &str = "\
unreferenced object 0xffff888004dac740 (size 64):
  comm \"insmod\", pid 63, jiffies 4294895148
  hex dump (first 32 bytes):
    aa 55 00 00 00 00 00 00 aa 55 00 00 00 00 00 00  .U.......U......
  backtrace (crc 970cc84f):
    krealloc_noprof+0x4e/0xd0
    0xffffffffa0000bc7
    0xffffffffa000900e
    do_one_initcall+0x10a/0x320
unreferenced object 0xffff888004dac440 (size 96):
  comm \"rmmod\", pid 70, jiffies 4294895341
  backtrace (crc 970cc84f):
    0xffffffffa0000c83
    0xffffffffc0000000
";

    #[test]
    fn a_modules_frames_get_their_sections() {
        let sections = [
            section("before", ".text", 0xffff_ffff_a000_0000),
            section("x", ".text", 0xffff_ffff_a000_0000),
            section("x", ".exit.text", 0xffff_ffff_a000_0c6c),
            section("x", ".init.text", 0xffff_ffff_a000_9000),
        ];
        let Some(Leaks { headline, report }) = read(FOUND, 0, &sections) else {
            panic!();
        };
        assert_eq!(
            headline,
            "kmemleak: 2 objects that nothing points to any more, 160 bytes"
        );
        assert_eq!(report.len(), FOUND.lines().count());
        let frames: Vec<&str> = report
            .iter()
            .filter_map(|line| line.strip_prefix("    0x"))
            .collect();
        assert_eq!(
            frames,
            [
                "ffffffffa0000bc7 .text+0xbc7 [x]",
                "ffffffffa000900e .init.text+0xe [x]",
                "ffffffffa0000c83 .exit.text+0x17 [x]",
                "ffffffffc0000000",
            ]
        );
        // 6.7 hashes the address, and says so before the name.
        assert_eq!(
            with_section("    [<00000000c3a51f3d>] 0xffffffffa0000c83", &sections),
            "    [<00000000c3a51f3d>] 0xffffffffa0000c83 .exit.text+0x17 [x]"
        );
    }

    #[test]
    fn what_was_lost_before_the_lesson_does_not_count() {
        let Some(Leaks { headline, report }) = read(FOUND, 4_294_895_149, &[]) else {
            panic!();
        };
        assert_eq!(
            headline,
            "kmemleak: 1 object that nothing points to any more, 96 bytes"
        );
        assert_eq!(report.len(), 5);
        assert_eq!(read(FOUND, 4_294_895_342, &[]), None);
        assert_eq!(read("", 0, &[]), None);
        assert_eq!(read("cat: can't open", 0, &[]), None);
    }
}

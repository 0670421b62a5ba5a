//! Reads kmemleak's report of the memory that a lesson leaked.
//!
//! The report names functions of the kernel. Functions of a module that is no longer
//! loaded are bare addresses; the sections that were loaded at these addresses name them.

use crate::text::printable;
use kmodlab_protocol::CodeSection;

/// Beginning of each entry of the report (mm/kmemleak.c):
/// `unreferenced object 0xffff888003b2c000 (size 64):`
const OBJECT: &str = "unreferenced object 0x";

/// The memory that a lesson leaked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaks {
    /// The number of objects and bytes, in one line.
    pub headline: String,
    /// The lines of the kernel's report.
    pub report: Vec<String>,
}

/// Reads the contents of `/sys/kernel/debug/kmemleak`, except for objects that were
/// allocated before `since` (in jiffies). Returns `None` if no object is left.
pub fn read(text: &str, since: u64, sections: &[CodeSection]) -> Option<Leaks> {
    let mut places: Vec<Place<'_>> = Vec::new();
    for object in objects_of(text) {
        if number_after(&object, "jiffies ").is_some_and(|jiffies| jiffies < since) {
            continue;
        }
        let bytes = number_after(&object, "(size ").unwrap_or(0);
        let stack = stack_of(&object);
        let same = |place: &&mut Place<'_>| !stack.is_empty() && stack_of(&place.first) == stack;
        match places.iter_mut().find(same) {
            Some(place) => {
                place.more += 1;
                place.bytes_of_more += bytes;
            }
            None => places.push(Place {
                first: object,
                bytes,
                more: 0,
                bytes_of_more: 0,
            }),
        }
    }
    let objects: u64 = places.iter().map(|place| 1 + place.more).sum();
    let bytes: u64 = places
        .iter()
        .map(|place| place.bytes + place.bytes_of_more)
        .sum();
    let mut report = Vec::new();
    for place in &places {
        let lines = place.first.iter().map(|line| with_section(line, sections));
        report.extend(lines.map(|line| printable(&line)));
        if let more @ 1.. = place.more {
            let bytes = place.bytes_of_more;
            let s = plural(more);
            report.push(format!(
                "  and {more} more object{s} from the same place, {bytes} bytes"
            ));
        }
    }
    let s = plural(objects);
    (objects > 0).then(|| Leaks {
        headline: format!(
            "kmemleak: {objects} object{s} that nothing points to any more, {bytes} bytes"
        ),
        report,
    })
}

/// The objects that were allocated with the same stack.
struct Place<'a> {
    /// The lines of the first of them.
    first: Vec<&'a str>,
    bytes: u64,
    /// The number of the others, and the sum of their sizes.
    more: u64,
    bytes_of_more: u64,
}

/// Returns the lines of an entry's stack.
fn stack_of<'a, 'b>(object: &'b [&'a str]) -> &'b [&'a str] {
    let begin = object
        .iter()
        .position(|line| line.trim_start().starts_with("backtrace"));
    begin.map_or(&[], |begin| &object[begin + 1..])
}

fn plural(count: u64) -> &'static str {
    match count {
        1 => "",
        _ => "s",
    }
}

/// Splits the report into the lines of each entry.
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

/// Returns the number after the first occurrence of `words` in these lines.
fn number_after(lines: &[&str], words: &str) -> Option<u64> {
    let (_, rest) = lines.iter().find_map(|line| line.split_once(words))?;
    let end = rest.find(|digit: char| !digit.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// Appends section, offset and module to a line of a stack that has only an address of a
/// module.
fn with_section(line: &str, sections: &[CodeSection]) -> String {
    let address = line
        .split_whitespace()
        .next_back()
        .and_then(|word| word.strip_prefix("0x"))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok());
    // Modules that are loaded one after the other often get the same address. The last
    // module counts.
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

    /// Leaks of a module in Rust when it was loaded and when it was removed, as Linux 6.12
    /// reports them; shortened.
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
    fn objects_with_the_same_stack_are_counted() {
        let object = |at: u32, stack: &str| {
            format!(
                "unreferenced object 0xffff88800000{at:04x} (size 64):\n  comm \"insmod\", pid 41, \
                 jiffies 1\n  hex dump (first 32 bytes):\n    {at:02x}\n  backtrace (crc {at}):\n{stack}"
            )
        };
        let (loops, other) = ("    f+0x1/0x2\n    g+0x1/0x2\n", "    f+0x1/0x2\n");
        let text = [
            object(1, loops),
            object(2, other),
            object(3, loops),
            object(4, loops),
        ];
        let Some(Leaks { headline, report }) = read(&text.concat(), 0, &[]) else {
            panic!();
        };
        assert!(headline.contains("4 objects") && headline.ends_with(" 256 bytes"));
        let report = report.join("\n") + "\n";
        let more = "  and 2 more objects from the same place, 128 bytes\n";
        assert_eq!(report, [&*text[0], more, &*text[1]].concat());
        // Without a stack, objects have nothing in common.
        let bare = "unreferenced object 0x1 (size 8):\nunreferenced object 0x2 (size 8):\n";
        let leaks = read(bare, 0, &[]);
        assert_eq!(leaks.map(|leaks| leaks.report.len()), Some(2));
    }

    #[test]
    fn frames_of_a_module_get_their_sections() {
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
        // Linux 6.7 prints a hashed address before the name.
        assert_eq!(
            with_section("    [<00000000c3a51f3d>] 0xffffffffa0000c83", &sections),
            "    [<00000000c3a51f3d>] 0xffffffffa0000c83 .exit.text+0x17 [x]"
        );
    }

    #[test]
    fn objects_from_before_the_lesson_do_not_count() {
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

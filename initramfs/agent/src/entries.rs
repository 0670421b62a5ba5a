//! Entries that drivers and modules add to the kernel's file systems and lists.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use kmodlab_protocol::Entry;

use crate::guest::Guest;

/// Folders whose files are compared, each with the number of levels below it that are compared
/// too. To compare all 2,850 files of `/sys` would take 14 million of the guest's instructions.
const FOLDERS: [(&str, u32); 13] = [
    ("/dev", 2),
    ("/proc", 8),
    ("/proc/sys", 0),
    ("/proc/sys/dev", 1),
    ("/proc/sys/kernel", 0),
    ("/sys/bus", 2),
    ("/sys/class", 1),
    ("/sys/devices", 0),
    ("/sys/devices/virtual", 1),
    ("/sys/fs", 0),
    ("/sys/kernel", 0),
    ("/sys/kernel/debug", 0),
    ("/sys/module", 0),
];

/// Files whose lines are compared.
const LISTS: [&str; 6] = [
    "/proc/devices",
    "/proc/filesystems",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/misc",
];

/// The entries from before a run.
pub struct KnownEntries {
    paths: BTreeSet<String>,
    /// Each list with its file and its lines. Files that are open already cost fewer of the
    /// guest's instructions after the run.
    lists: Vec<(&'static str, File, BTreeSet<String>)>,
}

impl KnownEntries {
    /// Reads the entries that there are.
    pub fn read(guest: &Guest) -> Self {
        let mut paths = BTreeSet::new();
        walk_all(guest, &mut |path| {
            paths.insert(path);
        });
        // A kernel may lack some of the lists.
        let lists = LISTS.into_iter().filter_map(|name| {
            let file = File::open(guest.path(name)).ok()?;
            let lines = lines(&file);
            Some((name, file, lines))
        });
        let lists = lists.collect();
        Self { paths, lists }
    }

    /// Returns the entries that were added.
    pub fn others(&self, guest: &Guest) -> Vec<Entry> {
        let mut others = Vec::new();
        walk_all(guest, &mut |path| {
            if !self.paths.contains(&path) && !is_made_by_hand(guest, &path) {
                others.push(Entry::Path(path));
            }
        });
        for (name, file, known) in &self.lists {
            let lines = lines(file);
            others.extend(lines.difference(known).map(|line| Entry::Line {
                file: (*name).to_owned(),
                line: line.clone(),
            }));
        }
        others
    }
}

/// Reports whether a path is that of a file that a command made in the folder of the devices, such as by `>`.
fn is_made_by_hand(guest: &Guest, path: &str) -> bool {
    let metadata = || guest.path(path).symlink_metadata();
    path.starts_with("/dev/") && metadata().is_ok_and(|metadata| metadata.is_file())
}

/// Returns the lines of a list, without the numbers of interrupts that each CPU took.
fn lines(file: &File) -> BTreeSet<String> {
    let mut bytes = vec![0; 1 << 14];
    let length = file.read_at(&mut bytes, 0).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..length])
        .lines()
        .map(|line| match line.trim_start().split_once(": ") {
            Some((number, rest)) if is_number(number) => {
                let words = rest.split_whitespace().skip_while(|word| is_number(word));
                let words: Vec<&str> = words.collect();
                format!("{number}: {}", words.join(" "))
            }
            Some((_, counts)) if counts.split_whitespace().next().is_some_and(is_number) => {
                String::new()
            }
            _ => line.trim().to_owned(),
        })
        .collect()
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn walk_all(guest: &Guest, found: &mut dyn FnMut(String)) {
    for (folder, levels) in FOLDERS {
        walk(&guest.path(folder), folder, levels, found);
    }
}

/// Calls `found` for each path below a folder, down to a number of levels below its files, but
/// for the parts of `/proc` that belong to processes, that are compared otherwise, or that
/// `/proc/interrupts` has too.
fn walk(folder: &Path, name: &str, levels: u32, found: &mut dyn FnMut(String)) {
    let is_proc = name == "/proc";
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let file = file.to_string_lossy();
        let is_known = ["sys", "irq"].contains(&&*file);
        if is_proc && (is_known || file.starts_with(|letter: char| letter.is_ascii_digit())) {
            continue;
        }
        let path = format!("{name}/{file}");
        if levels > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), &path, levels - 1, found);
        }
        found(path);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;

    fn write(guest: &Guest, path: &str, contents: &str) -> Result<()> {
        let path = guest.path(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        Ok(std::fs::write(path, contents)?)
    }

    fn line(file: &str, line: &str) -> Entry {
        Entry::Line {
            file: file.to_owned(),
            line: line.to_owned(),
        }
    }

    #[test]
    fn added_paths_and_lines_are_others() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let guest = Guest::new(folder.path());
        let interrupts = "           CPU0       CPU1\n  4:          2          0   IO-APIC   \
                          4-edge      ttyS0\nLOC:       1717       1099   Local timer\n";
        write(&guest, "/proc/irq/1/x", "")?;
        write(&guest, "/proc/1/stat", "")?;
        write(&guest, "/proc/sys/kernel/panic", "")?;
        write(&guest, "/sys/class/tty/ttyS0/dev", "")?;
        write(&guest, "/proc/interrupts", interrupts)?;
        write(&guest, "/proc/misc", "183 hw_random\n")?;
        let known = KnownEntries::read(&guest);
        let later = interrupts
            .replace(" 2 ", " 3 ")
            .replace("1099", "1100")
            .replace("ttyS0", "ttyS0, left");
        write(&guest, "/proc/interrupts", &later)?;
        write(&guest, "/proc/misc", "183 hw_random\n125 left\n")?;
        write(&guest, "/proc/irq/1/y", "")?;
        write(&guest, "/proc/60/stat", "")?;
        write(&guest, "/proc/driver/left", "")?;
        // A command makes a file by `>`; a driver makes none in this folder.
        write(&guest, "/dev/made", "")?;
        write(&guest, "/proc/sys/kernel/left", "")?;
        write(&guest, "/sys/class/tty/ttyS0/uevent", "")?;
        write(&guest, "/sys/class/left/left0/dev", "")?;
        let path = |path: &str| Entry::Path(path.to_owned());
        assert_eq!(
            known.others(&guest),
            [
                path("/proc/driver/left"),
                path("/proc/driver"),
                path("/proc/sys/kernel/left"),
                path("/sys/class/left/left0"),
                path("/sys/class/left"),
                line("/proc/interrupts", "4: IO-APIC 4-edge ttyS0, left"),
                line("/proc/misc", "125 left"),
            ]
        );
        Ok(())
    }
}

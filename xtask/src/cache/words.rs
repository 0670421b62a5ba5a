//! Words for the contents of a cache folder.

use super::inventory::ItemStatus;
use super::unfinished;
use crate::kernel::Profile;
use crate::kernel::source::PART;

/// The kinds of results: the folder of each, and the title of its group.
const KINDS: [(&str, &str); 13] = [
    ("sources", "kernel sources"),
    ("kernels", "kernels"),
    (unfinished::KIND, "kernels whose build was interrupted"),
    ("toolchain", "compilers"),
    ("downloads", "downloads"),
    ("guests", "snapshots"),
    ("modules", "modules"),
    ("initramfs", "root folders of guests"),
    ("agent", "agents of guests"),
    ("doc", "API documentation"),
    ("programs", "programs for guests"),
    ("clones", "files of installed programs"),
    ("editor", "crates for editors"),
];

/// The folders with records, and a description of each.
const RECORDS: [(&str, &str); 7] = [
    ("artifacts", "artifacts of the last failed runs"),
    ("logs", "logs of builds and runs"),
    ("apt", "lists of Debian's packages"),
    ("debuggers", "command files of debuggers"),
    ("resolved", "remembered answers"),
    ("staging", "unfinished results"),
    ("locks", "locks"),
];

/// Title of the group of records.
const RECORDS_GROUP: &str = "records";

/// Title of the group of everything else.
const FOREIGN_GROUP: &str = "not made by kmodlab, never removed";

/// Returns true if `folder` is the folder of a kind of results.
pub(super) fn is_kind(folder: &str) -> bool {
    KINDS.iter().any(|(kind, _)| *kind == folder)
}

/// Returns the description of a folder with records; `None` if it has none.
pub(super) fn of_record(folder: &str) -> Option<&'static str> {
    let record = RECORDS.iter().find(|(record, _)| *record == folder);
    record.map(|(_, what)| *what)
}

/// Returns the title of the group for something with this path in the cache folder.
pub(super) fn group(status: ItemStatus, name: &str) -> &'static str {
    let folder = name.split('/').next().unwrap_or_default();
    let kind = KINDS.iter().find(|(kind, _)| *kind == folder);
    match (status, kind) {
        (ItemStatus::Entry, Some((_, title))) => title,
        (ItemStatus::Entry | ItemStatus::Foreign, _) => FOREIGN_GROUP,
        (ItemStatus::Record, _) => RECORDS_GROUP,
    }
}

/// Returns the position of a group in a list.
pub(super) fn rank(group: &str) -> usize {
    let kind = KINDS.iter().position(|(_, title)| *title == group);
    kind.unwrap_or(KINDS.len() + usize::from(group == FOREIGN_GROUP))
}

/// Returns the description of a result by its kind and its name, which ends with a key.
pub(super) fn of_result(kind: &str, name: &str) -> String {
    let name = name.rsplit_once('-').map_or(name, |(name, _)| name);
    match kind {
        "sources" => match name.strip_suffix(PART) {
            Some(version) => format!("parts of the source of Linux {version}, from a pack"),
            None => format!("source of Linux {name}"),
        },
        "kernels" | unfinished::KIND => linux(name),
        "downloads" => match name.starts_with("linux-source-") {
            true => format!("Debian's package {name}"),
            false => format!("tarball {name}"),
        },
        "toolchain" => match name.split_once('-') {
            Some(("rust", version)) => format!("rustc {version}"),
            Some((tool, version)) => format!("{tool} {version}"),
            None => name.to_owned(),
        },
        "guests" => snapshot(name),
        "modules" => module(name),
        "initramfs" => "busybox and the agent".to_owned(),
        "agent" => "process 1 of guests".to_owned(),
        "programs" => format!("{name}, for guests"),
        "clones" => "what an installed kmodlab has with it".to_owned(),
        "doc" => format!("kernel_ext and the kernel crate, {}", linux(name)),
        _ => name.to_owned(),
    }
}

/// Returns the words for a kernel with this label.
fn linux(label: &str) -> String {
    match Profile::of_label(label) {
        (version, Profile::Teaching) => format!("Linux {version}"),
        (version, profile) => format!("Linux {version}, profile {profile}"),
    }
}

/// Returns the words for a module with this name: `NAME-LANGUAGE`, `kernel_ext-LABEL` or
/// `tested_options-LABEL`.
fn module(name: &str) -> String {
    if let Some(label) = name.strip_prefix("kernel_ext-") {
        return format!("kernel_ext for {}", linux(label));
    }
    if let Some(label) = name.strip_prefix("tested_options-") {
        return format!("options of the compiler for {}", linux(label));
    }
    match name.rsplit_once('-') {
        Some((name, "rust")) => format!("{name} in Rust"),
        Some((name, "c")) => format!("{name} in C"),
        _ => name.to_owned(),
    }
}

/// Returns the words for a snapshot with this name: a kernel's label, or one with a test case.
fn snapshot(name: &str) -> String {
    let case = name.strip_suffix("-rust").map(|case| (case, "Rust"));
    let case = case.or_else(|| name.strip_suffix("-c").map(|case| (case, "C")));
    match case.and_then(|(case, language)| Some((case.rsplit_once('-')?, language))) {
        Some(((label, lesson), language)) => {
            format!("guest of {}, {lesson} in {language}", linux(label))
        }
        None => format!("guest of {}", linux(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_result_has_words() {
        for (kind, name, words) in [
            (
                "sources",
                "6.12.117-0190e67cf8c9",
                "source of Linux 6.12.117",
            ),
            (
                "sources",
                "6.12.117-part-0190e67cf8c9",
                "parts of the source of Linux 6.12.117, from a pack",
            ),
            ("kernels", "6.12.117-e30b4d72c193", "Linux 6.12.117"),
            (
                "kernels",
                "6.12.117-debug-7e2d6659e9c5",
                "Linux 6.12.117, profile debug",
            ),
            (
                "unfinished",
                "6.12.117-kasan-7e2d6659e9c5",
                "Linux 6.12.117, profile kasan",
            ),
            (
                "downloads",
                "linux-source-6.12-9b90fe9fddc0",
                "Debian's package linux-source-6.12",
            ),
            (
                "downloads",
                "linux-6.7.9-9b90fe9fddc0",
                "tarball linux-6.7.9",
            ),
            ("toolchain", "rust-1.85-e9f7813e5c5f", "rustc 1.85"),
            ("toolchain", "bindgen-0.71.1-0d066278fb28", "bindgen 0.71.1"),
            (
                "guests",
                "6.12.117-debug-13f3a0e87553",
                "guest of Linux 6.12.117, profile debug",
            ),
            (
                "guests",
                "6.12.117-kthread_run-c-bff9e08e3d18",
                "guest of Linux 6.12.117, kthread_run in C",
            ),
            (
                "modules",
                "kthread_run-rust-5900cd539f95",
                "kthread_run in Rust",
            ),
            (
                "modules",
                "kernel_ext-6.12.117-kasan-5900cd539f95",
                "kernel_ext for Linux 6.12.117, profile kasan",
            ),
            (
                "modules",
                "tested_options-6.12.117-5900cd539f95",
                "options of the compiler for Linux 6.12.117",
            ),
        ] {
            assert_eq!(of_result(kind, name), words);
        }
    }
}

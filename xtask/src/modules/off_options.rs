//! Notes on calls that can only fail in a kernel, or do nothing, because an option is off.
//!
//! An undefined symbol stops a build; a header's function that returns `-ENODEV` does not. kbuild keeps
//! the headers of each object in `.NAME.o.cmd` beside it:
//!
//! ```text
//! source_/work/led.o := /work/led.c
//!
//! deps_/work/led.o := \
//!     $(wildcard include/config/GPIOLIB) \
//!   /tree/include/linux/gpio.h \
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::calls::first_calls;
use super::compiled::object_records;
use super::warnings::HERE;
use crate::kernel::config::Config;
use crate::kernel::{KernelImage, PCI, Stub, remedy, stubs_in};

/// Begins a note.
const NOTE: &str = "note: ";

/// Stands in a note before the option. Compilers have notes too, and other reasons.
const REASON: &str = " in this kernel, for CONFIG_";

/// Reports whether a line of a build's warnings is a note of [`notes`].
pub(super) fn is_note(line: &str) -> bool {
    line.starts_with(NOTE) && line.contains(REASON)
}

/// Returns a note for each function that a C source below `sources`, compiled in `work`, calls and
/// that only returns an error in this kernel, or registers nothing.
///
/// # Errors
///
/// Fails if a file of the build or a header cannot be read.
pub(super) fn notes(work: &Path, sources: &Path, image: &KernelImage) -> Result<Vec<String>> {
    let config = Config::load(&image.objects.join(".config"))?;
    let mut notes = Vec::new();
    let mut stubs_of_headers = BTreeMap::new();
    for text in object_records(work)? {
        let Some(source) = source_of(&text, work) else {
            continue;
        };
        let Ok(relative) = source.strip_prefix(sources) else {
            continue;
        };
        let headers: Vec<&Path> = headers_of(&text, &image.tree).collect();
        for header in &headers {
            if !stubs_of_headers.contains_key(*header) {
                stubs_of_headers.insert(header.to_path_buf(), stubs_in(&read(header)?, &config));
            }
        }
        let stubs_of = |header: &Path| stubs_of_headers.get(header).into_iter().flatten();
        let stubs: BTreeMap<&str, (&Path, &Stub)> = headers
            .iter()
            .flat_map(|header| stubs_of(header).map(|stub| (&*stub.name, (*header, stub))))
            .collect();
        for (line, name) in first_calls(&read(&source)?, |name| stubs.contains_key(name)) {
            let (header, stub) = stubs[name];
            let header = header.strip_prefix(&image.tree).unwrap_or(header);
            let effect = match stub.fails {
                true => "only returns an error",
                false => "registers nothing",
            };
            notes.push(format!(
                "{NOTE}{HERE}{}:{line}: {name}() {effect}{REASON}{} is off ({}:{}); {}",
                relative.display(),
                stub.option,
                header.display(),
                stub.line,
                remedy(&[&stub.option]),
            ));
        }
    }
    Ok(notes)
}

/// Macros that a header defines only if an option is on: include/linux/{pci,i2c,serdev,nvmem-provider}.h. Without
/// the macro, the compiler takes the line for a function's beginning.
const DRIVER_MACROS: [(&str, &str); 4] = [
    ("module_pci_driver", PCI),
    ("module_i2c_driver", "I2C"),
    ("module_serdev_device_driver", "SERIAL_DEV_BUS"),
    ("module_nvmem_layout_driver", "NVMEM"),
];

/// Returns a note on errors of the compiler that follow from an option that is off.
///
/// # Errors
///
/// Fails if the kernel's configuration cannot be read.
pub(super) fn note_on_errors(lines: &[String], image: &KernelImage) -> Result<Option<String>> {
    let is_named = |(name, _): &&(&str, &str)| lines.iter().any(|line| line.contains(name));
    let Some((name, option)) = DRIVER_MACROS.iter().find(is_named) else {
        return Ok(None);
    };
    let is_on = Config::load(&image.objects.join(".config"))?.has(option);
    Ok((!is_on).then(|| {
        let remedy = remedy(&[option]);
        format!(
            "note: {name}() does not exist in this kernel, for CONFIG_{option} is off; {remedy}"
        )
    }))
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the C source of an object. Linux 7.3 names it from the folder in which it works.
fn source_of(command: &str, work: &Path) -> Option<PathBuf> {
    let line = command.lines().find(|line| line.starts_with("source_"))?;
    let (_, source) = line.split_once(" := ")?;
    source.ends_with(".c").then(|| work.join(source))
}

/// Returns the headers of an object that lie in the kernel's tree.
fn headers_of<'a>(command: &'a str, tree: &'a Path) -> impl Iterator<Item = &'a Path> {
    let words = command
        .lines()
        .map(|line| line.trim_end_matches('\\').trim());
    let headers = words.filter(|word| word.ends_with(".h")).map(Path::new);
    headers.filter(move |path| path.starts_with(tree))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_source_are_read() {
        let command = "savedcmd_/w/led.o := clang -c -o /w/led.o /w/led.c\n\n\
                       source_/w/led.o := /w/led.c\n\ndeps_/w/led.o := \\\n    \
                       $(wildcard include/config/GPIOLIB) \\\n  /tree/include/linux/gpio.h \\\n  \
                       include/generated/autoconf.h \\\n  /etc/secret.h \\\n\n/w/led.o: $(deps_/w/led.o)\n";
        let work = Path::new("/w");
        assert_eq!(source_of(command, work), Some("/w/led.c".into()));
        let relative = "source_led.o := led.c\n";
        assert_eq!(source_of(relative, work), Some("/w/led.c".into()));
        let headers: Vec<&Path> = headers_of(command, Path::new("/tree")).collect();
        assert_eq!(headers, [Path::new("/tree/include/linux/gpio.h")]);
    }
}

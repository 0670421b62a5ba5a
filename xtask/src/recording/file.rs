//! A recording as one file: a tar archive, compressed by gzip.
//!
//! ```text
//! recording.json    the description of the run
//! events            the events that reached the guest from outside
//! initrd            the guest's files
//! kernel.log        the kernel's log
//! agent.messages    the agent's channel
//! modules/NAME.ko   the modules that were in the guest
//! sources/PATH      the sources of the modules
//! ```

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::{FORMAT, Manifest, RecordedKernel, RecordedModule, RecordedSource, Recording};
use crate::failure::Failure;
use crate::modules::check_name;
use crate::text::printable;
use crate::whole_file;

const MANIFEST: &str = "recording.json";
const EVENTS: &str = "events";
const INITRD: &str = "initrd";
const LOG: &str = "kernel.log";
const AGENT: &str = "agent.messages";
const MODULES: &str = "modules/";
const SOURCES: &str = "sources/";

/// More bytes than any recording has.
const MAX_BYTES: u64 = 1 << 30;

impl Recording {
    /// Returns the bytes of the file.
    ///
    /// # Errors
    ///
    /// If they cannot be compressed.
    pub fn packed(&self) -> Result<Vec<u8>> {
        let Self {
            manifest,
            events,
            initrd,
            log,
            agent,
            modules,
            sources,
        } = self;
        let encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut archive = tar::Builder::new(encoder);
        let mut add = |name: &str, contents: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(contents.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, contents)
        };
        // First, so that a reader need not read all.
        add(MANIFEST, &serde_json::to_vec_pretty(manifest)?)?;
        add(LOG, log)?;
        add(AGENT, agent)?;
        add(EVENTS, events)?;
        add(INITRD, initrd)?;
        for RecordedModule { name, file } in modules {
            add(&format!("{MODULES}{name}.ko"), file)?;
        }
        for RecordedSource { name, text } in sources {
            add(&format!("{SOURCES}{}", name.display()), text)?;
        }
        let encoder = archive.into_inner()?;
        encoder.finish().context("cannot compress a recording")
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// A usage error if the file cannot be read, or is not a recording.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = whole_file::read_at_most(path, MAX_BYTES).map_err(|error| {
            Failure::usage(format!(
                "cannot read the recording {}: {error}",
                path.display()
            ))
        })?;
        Self::unpacked(&bytes).map_err(|error| {
            Failure::usage(format!(
                "{} is not a recording of `test --record` or `grade`, or is incomplete: {error:#}",
                path.display()
            ))
            .into()
        })
    }

    fn unpacked(bytes: &[u8]) -> Result<Self> {
        let mut manifest = None;
        let [mut events, mut initrd, mut log, mut agent] = [const { None }; 4];
        let mut modules = Vec::new();
        let mut sources = Vec::new();
        let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(MAX_BYTES));
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            ensure!(
                entry.header().entry_type().is_file(),
                "{} is not a file",
                printable(&name)
            );
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents)?;
            match name.as_str() {
                MANIFEST => manifest = Some(manifest_of(&contents)?),
                EVENTS => events = Some(contents),
                INITRD => initrd = Some(contents),
                LOG => log = Some(contents),
                AGENT => agent = Some(contents),
                _ => {
                    let file = name.strip_prefix(MODULES);
                    if let Some(name) = file.and_then(|file| file.strip_suffix(".ko")) {
                        modules.push(module(name, contents)?);
                    } else if let Some(name) = name.strip_prefix(SOURCES) {
                        sources.push(source(name, contents)?);
                    }
                }
            }
        }
        let lacks = |name: &'static str| move || format!("it has no {name}");
        Ok(Self {
            manifest: manifest.with_context(lacks(MANIFEST))?,
            events: events.with_context(lacks(EVENTS))?,
            initrd: initrd.with_context(lacks(INITRD))?,
            log: log.with_context(lacks(LOG))?,
            agent: agent.with_context(lacks(AGENT))?,
            modules,
            sources: distinct(sources)?,
        })
    }
}

/// Returns a module if its name is one: the file may be anyone's, and `replay --gdb` writes it to a folder.
fn module(name: &str, file: Vec<u8>) -> Result<RecordedModule> {
    let shown = printable(name);
    ensure!(
        check_name(name).is_ok(),
        "{shown} is not the name of a module"
    );
    Ok(RecordedModule {
        name: name.to_owned(),
        file,
    })
}

/// Length in bytes of the longest name of a file (`NAME_MAX` of limits.h).
const LONGEST_NAME: usize = 255;

/// Length in bytes of the longest path of a source below the project's folder.
const LONGEST_PATH: usize = 1024;

/// Returns a source if its name is a path that stays below the folder that it is written to.
///
/// # Errors
///
/// If the name is not such a path, or longer than a source's.
pub(super) fn source(name: &str, text: Vec<u8>) -> Result<RecordedSource> {
    let shown = printable(&name.chars().take(LONGEST_NAME).collect::<String>());
    let path = PathBuf::from(name);
    ensure!(
        whole_file::is_below(&path)
            && name.len() <= LONGEST_PATH
            && name.split('/').all(|part| part.len() <= LONGEST_NAME)
            && !name.chars().any(char::is_control),
        "its source `{shown}` has a name that no source has"
    );
    Ok(RecordedSource { name: path, text })
}

/// Returns the sources if none has the name of another, or of another's folder.
fn distinct(sources: Vec<RecordedSource>) -> Result<Vec<RecordedSource>> {
    let mut taken = BTreeSet::new();
    for RecordedSource { name, .. } in &sources {
        let is_new = taken.insert(name.as_path());
        ensure!(is_new, "it has two sources {}", name.display());
    }
    for RecordedSource { name, .. } in &sources {
        let folder = name.ancestors().skip(1).find(|above| taken.contains(above));
        if let Some(folder) = folder {
            bail!(
                "it has the sources {} and {}",
                folder.display(),
                name.display()
            );
        }
    }
    Ok(sources)
}

/// Returns the manifest if its format is this version's.
fn manifest_of(json: &[u8]) -> Result<Manifest> {
    let any: serde_json::Value = serde_json::from_slice(json).context(MANIFEST)?;
    if any["format"] != FORMAT {
        bail!(
            "its format is {}, and this kmodlab reads {FORMAT}",
            any["format"]
        );
    }
    let manifest: Manifest = serde_json::from_value(any).context(MANIFEST)?;
    let RecordedKernel { name, label, key } = &manifest.kernel;
    let lines = [
        ("id", &manifest.id),
        ("lesson", &manifest.lesson),
        ("language", &manifest.language),
        ("verdict", &manifest.verdict),
        ("qemu", &manifest.qemu),
        ("command", &manifest.command),
        ("kernel.name", name),
        ("kernel.label", label),
        ("kernel.key", key),
    ];
    // They are printed.
    for (what, line) in lines {
        ensure!(
            !line.chars().any(char::is_control),
            "its {what} has a control character"
        );
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::super::RecordedMachine;
    use super::*;

    fn recording() -> Recording {
        Recording {
            manifest: Manifest {
                format: FORMAT,
                id: "probe-rust".to_owned(),
                lesson: "probe".to_owned(),
                language: "rust".to_owned(),
                commands: vec!["true".to_owned()],
                verdict: "pass".to_owned(),
                verdict_text: "passed".to_owned(),
                tag: kmodlab_protocol::Tag::BOOT,
                kernel: RecordedKernel {
                    name: "6.12".to_owned(),
                    label: "6.12.117".to_owned(),
                    key: "0".repeat(64),
                },
                qemu: "7.2.22".to_owned(),
                machine: RecordedMachine {
                    shift: 5,
                    memory: 256,
                    kernel_parameters: vec!["quiet".to_owned()],
                    q35: Some(vec!["edu,addr=2.0".to_owned()]),
                },
                command: "qemu".to_owned(),
                wall_seconds: 1.5,
            },
            events: vec![1, 2, 3],
            initrd: vec![0; 100_000],
            log: b"log\xff".to_vec(),
            agent: Vec::new(),
            modules: vec![RecordedModule {
                name: "probe".to_owned(),
                file: b"\x7fELF".to_vec(),
            }],
            sources: vec![RecordedSource {
                name: "probe/probe.rs".into(),
                text: b"// probe".to_vec(),
            }],
        }
    }

    #[test]
    fn a_packed_recording_is_read_back() -> Result<()> {
        let packed = recording().packed()?;
        assert!(packed.len() < 2000);
        assert_eq!(Recording::unpacked(&packed)?, recording());
        Ok(())
    }

    #[test]
    fn an_incomplete_recording_is_refused() -> Result<()> {
        let packed = recording().packed()?;
        for bytes in [&b""[..], b"hello", &packed[..packed.len() / 2]] {
            assert!(Recording::unpacked(bytes).is_err());
        }
        let mut other = recording();
        other.manifest.format = 1;
        let error = Recording::unpacked(&other.packed()?).expect_err("another format");
        assert_eq!(
            error.to_string(),
            "its format is 1, and this kmodlab reads 2"
        );
        Ok(())
    }

    #[test]
    fn a_name_outside_of_the_folder_is_refused() {
        let long = "x".repeat(5000);
        let deep = "x/".repeat(1000) + "x.c";
        for name in [
            "",
            "/etc/passwd",
            "../x.c",
            "a/../../x.c",
            "a\x1b[2J.c",
            &long,
            &deep,
        ] {
            let error = source(name, Vec::new())
                .expect_err("a bad name")
                .to_string();
            assert!(error.len() < 400 && !error.contains('\x1b'), "{error}");
        }
        for name in ["", "../x", "/tmp/x", "a b", &long] {
            assert!(module(name, Vec::new()).is_err(), "{name}");
        }
        assert!(source("include/x.h", Vec::new()).is_ok());
        assert!(module("my-driver_2", Vec::new()).is_ok());
    }

    #[test]
    fn a_source_is_not_another_ones_folder() -> Result<()> {
        let sources = |names: &[&str]| {
            let all = names.iter().map(|name| source(name, Vec::new()));
            distinct(all.collect::<Result<_>>()?)
        };
        assert!(sources(&["a", "a/b"]).is_err());
        assert!(sources(&["a/b.c", "a/b.c"]).is_err());
        assert_eq!(sources(&["a/b.c", "a/c.c", "b.c"])?.len(), 3);
        Ok(())
    }

    #[test]
    fn a_manifest_that_would_move_the_cursor_is_refused() -> Result<()> {
        let mut other = recording();
        other.manifest.kernel.label = "6.12\x1b[2J".to_owned();
        let error = Recording::unpacked(&other.packed()?).expect_err("a control character");
        assert_eq!(
            error.to_string(),
            "its kernel.label has a control character"
        );
        Ok(())
    }

    #[test]
    fn a_missing_file_is_a_usage_error() {
        let error = Recording::load(Path::new("/nowhere/x")).expect_err("there is none");
        assert_eq!(
            crate::failure::fault_of(&error),
            crate::failure::Fault::Usage
        );
    }
}

//! Guests on a q35, with PCI, ACPI and devices of QEMU's: a driver for `edu`
//! (`xtask/tests/projects/edu`).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::lab::{TestProject, cache_without_snapshots, run};

/// The arguments that test the driver by the text that repeats exactly.
const ROUND_TRIP: [&str; 2] = ["test", "./edu"];

/// A module in C that does nothing.
const EMPTY: &str = "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n\
    MODULE_DESCRIPTION(\"A test\");\n";

/// Returns the driver with its text on the round trip alone.
fn round_trip() -> Result<TestProject> {
    let project = TestProject::of("edu")?;
    std::fs::remove_file(project.path.join("tests/factorial.md"))?;
    Ok(project)
}

/// Returns the files in a folder of a cache whose names begin with `beginning`, sorted.
fn entries(cache: &Path, folder: &str, beginning: &str) -> Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(cache.join(folder))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(beginning) {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

#[test]
fn a_device_is_checked_before_anything_is_built() -> Result<()> {
    let project = TestProject::new(&[("own.c", EMPTY)])?;
    for (device, reason) in [
        ("edo", "QEMU has no device `edo`; did you mean `edu`?"),
        ("edu,dma=1", "QEMU's device `edu` has no property `dma`"),
        ("edu,romfile=passwd", "the property `romfile` of the device"),
        ("edu,driver=loader", "has no property `driver`"),
        ("edu,x=/etc/passwd", "is not a device such as"),
        ("edu -drive", "`edu -drive` is not a device such as"),
        ("vfio-pci", "would give the guest a part of the host"),
        (
            "edu,addr=1f.0",
            "QEMU refuses the devices: -device edu,addr=1f.0",
        ),
        ("edu,addr=1.0", "slot 1 function 0 not available for edu"),
    ] {
        let guest = format!("[guest]\nmachine = \"q35\"\ndevices = [\"{device}\"]\n");
        project.write("kmodlab.toml", &guest)?;
        for command in ["test", "qemu"] {
            let output = project.xtask(&[command, "./own"])?;
            output.expect(1, &["./own/kmodlab.toml: ", reason])?;
            ensure!(!output.stderr.contains("compiling"), "{}", output.stderr);
        }
        project.write("kmodlab.toml", "")?;
        let args = ["test", "./own", "--machine", "q35", "--device", device];
        project.xtask(&args)?.expect(2, &["--device: ", reason])?;
    }
    project.write("kmodlab.toml", "[guest]\ndevices = [\"edu\"]\n")?;
    let output = project.xtask(&["test", "./own"])?;
    output.expect(1, &["the device edu needs machine = \"q35\""])?;
    project.write("kmodlab.toml", "[guest]\nmachine = \"pc\"\n")?;
    let output = project.xtask(&["test", "./own"])?;
    output.expect(1, &["expected `microvm` or `q35`"])
}

#[test]
#[ignore = "builds the kernel of another configuration"]
fn a_pci_driver_has_interrupts_and_dma() -> Result<()> {
    let project = TestProject::of("edu")?;
    let output = project.xtask(&["test", "./edu"])?;
    let parts = ["factorial (c)   ok", "round_trip (c)  ok", "2 passed"];
    output.expect(0, &parts)?;
    ensure!(!output.stderr.contains("no snapshot"), "{}", output.stderr);
    let output = project.xtask(&["test", "./edu", "--cold", "--time", "real"])?;
    output.expect(0, &["2 passed"])?;
    // Lessons need no device, and the machine is the command line's.
    let output = project.xtask(&["test", "kthread_run", "--machine", "q35"])?;
    output.expect(0, &["2 passed"])?;
    let devices = "ls /sys/bus/pci/devices | tr '\\n' ' '";
    let args = [
        "qemu",
        "./edu",
        "--device",
        "edu,addr=9.0",
        "--run",
        devices,
    ];
    let output = project.xtask(&args)?;
    output.expect(0, &["0000:00:02.0 0000:00:09.0 "])
}

#[test]
#[ignore = "builds the kernel of another configuration"]
fn runs_on_a_q35_are_equal_to_the_byte() -> Result<()> {
    const PAGE: usize = 4096;
    let project = round_trip()?;
    project.xtask(&["build", "./edu"])?.expect(0, &[])?;
    let mut first = None;
    for number in 0..2 {
        let cache = project.folder.path().join(format!("cache-{number}"));
        cache_without_snapshots(&cache)?;
        let mut memories = Vec::new();
        let mut logs = Vec::new();
        for more in [&[][..], &["--seed", "3"]] {
            let args = [&ROUND_TRIP, more].concat();
            let mut xtask = project.command(&args);
            run(xtask.env("KMODLAB_CACHE", &cache))?.expect(0, &["1 passed"])?;
            let log = entries(&cache, "logs", "edu-c-")?;
            logs.push(std::fs::read(log.first().context("a log")?)?);
        }
        for guest in entries(&cache, "guests", "")? {
            if guest.is_dir() {
                let mut memory = std::fs::read(guest.join("memory"))?;
                // Remains of QEMU's own stack.
                memory[PAGE..2 * PAGE].fill(0);
                let headers = std::fs::read(guest.join("pci-headers"))?;
                memories.push((guest.file_name().map(ToOwned::to_owned), memory, headers));
            }
        }
        // One for all, one for the schedules' start, and one that has the module.
        ensure!(memories.len() == 3, "{} snapshots", memories.len());
        match &first {
            None => first = Some((memories, logs)),
            Some((of_first, logs_of_first)) => {
                ensure!(*of_first == memories, "the snapshots differ");
                ensure!(*logs_of_first == logs, "the logs differ");
            }
        }
    }
    Ok(())
}

#[test]
#[ignore = "builds the kernel of another configuration"]
fn schedules_and_recordings_work_on_a_q35() -> Result<()> {
    let project = round_trip()?;
    let args = [
        &ROUND_TRIP[..],
        &["--schedules", "4", "--timeline", "lines"],
    ]
    .concat();
    project.xtask(&args)?.expect(0, &["4 of 4 passed"])?;
    let args = [&ROUND_TRIP[..], &["--record", "records"]].concat();
    project.xtask(&args)?.expect(0, &["replay one with: "])?;
    let record = project.folder.path().join("records/edu-c.kmodrec");
    let replay = ["replay", &*record.display().to_string()];
    project.xtask(&replay)?.expect(0, &["the same to the byte"])
}

//! The event loop of guests, with shell scripts in place of QEMU.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kmodlab_protocol::{Message, Tag, Uptime, frame};
use xtask::kernel::{KernelImage, Profile};
use xtask::key::Inputs;
use xtask::toolchain::Toolchain;
use xtask::vm::{
    self, Boot, Channels, GuestEnd, GuestRun, Hardware, Machine, RunInputs, VirtualClock,
};

/// The beginning of each script: the paths of its channels.
const CHANNELS: &str = r#"#!/bin/sh
for word; do
	case $word in
	file,id=log,path=*) log=${word##*,path=} ;;
	file,id=agent,path=*) agent=${word##*,path=} ;;
	esac
done
"#;

/// Runs a guest whose QEMU is this script; returns the run, and the bytes that came on the agent's
/// channel while it ran.
fn run(script: &str) -> Result<(GuestRun, Vec<u8>)> {
    let folder = tempfile::tempdir()?;
    let qemu = folder.path().join("qemu");
    std::fs::write(&qemu, format!("{CHANNELS}{script}\n"))?;
    std::fs::set_permissions(&qemu, std::fs::Permissions::from_mode(0o755))?;
    let (toolchain, kernel) = (toolchain(&qemu), kernel());
    let channels = Channels::new()?;
    let boot = Boot {
        initrd: PathBuf::from("initrd"),
        kernel_parameters: Vec::new(),
        hardware: Hardware::DEFAULT,
    };
    let machine = Machine::scripted(VirtualClock { shift: 5 }, channels.endpoints(), boot);
    let mut received = Vec::new();
    let run = vm::run(
        &toolchain,
        &kernel,
        &machine,
        channels,
        RunInputs::default(),
        60,
        &mut |bytes| {
            received.extend_from_slice(bytes);
            None
        },
    )?;
    Ok((run, received))
}

fn toolchain(qemu: &Path) -> Toolchain {
    Toolchain {
        rustc: PathBuf::new(),
        rust_lib_src: PathBuf::new(),
        bindgen: PathBuf::new(),
        llvm_bin: PathBuf::new(),
        libclang: PathBuf::new(),
        qemu: qemu.to_owned(),
        busybox: PathBuf::new(),
        identity: String::new(),
        qemu_has_sandbox: false,
        qemu_version: "0".to_owned(),
    }
}

fn kernel() -> KernelImage {
    KernelImage {
        kernel: "6.12".to_owned(),
        version: "6.12.1".to_owned(),
        tree: PathBuf::new(),
        objects: PathBuf::new(),
        profile: Profile::Teaching,
        key: Inputs::new("kernel").key(),
        cached: true,
    }
}

#[test]
fn the_channels_of_a_guest_that_ends_are_whole() -> Result<()> {
    let message = Message::StepBegan {
        number: 1,
        at: Uptime(1),
    };
    let mut bytes = Vec::new();
    frame::write(Tag::BOOT, &message, &mut bytes);
    let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let (run, received) = run(&format!(
        "printf '[    0.1] one\\n' >>\"$log\"\nprintf '{octal}' >>\"$agent\"\n\
         printf '[    0.2] two\\n' >>\"$log\"; exit 0"
    ))?;
    assert_eq!(run.end, GuestEnd::Ended);
    assert_eq!(run.log, b"[    0.1] one\n[    0.2] two\n");
    assert_eq!(run.agent, bytes);
    assert_eq!(received, bytes);
    assert_eq!(frame::read(Tag::BOOT, &run.agent), [message]);
    assert!(run.boot.is_some() && run.since_panic.is_none());
    assert!(run.command.contains("virtserialport"), "{}", run.command);
    Ok(())
}

#[test]
fn a_qemu_that_fails_is_reported_with_its_last_words() -> Result<()> {
    let (run, _) = run("echo 'no memory' >&2; exit 3")?;
    let GuestEnd::QemuFailed { status, stderr } = run.end else {
        bail!("{:?}", run.end);
    };
    assert_eq!((&*status, &*stderr), ("exit status: 3", "no memory"));
    Ok(())
}

#[test]
fn a_guest_that_stands_still_is_stopped() -> Result<()> {
    let (run, _) = run("sleep 1000")?;
    assert_eq!(run.end, GuestEnd::Stuck);
    assert!(run.wall < Duration::from_secs(60), "{:?}", run.wall);
    Ok(())
}

#[test]
fn the_time_since_a_panic_is_measured() -> Result<()> {
    let (run, _) = run("printf '[    1.0] Kernel panic - not syncing: x\\n' >>\"$log\"; exit 0")?;
    assert_eq!(run.end, GuestEnd::Ended);
    run.since_panic.context("the panic was not noticed")?;
    Ok(())
}

#[test]
fn a_program_that_is_missing_is_an_error_that_names_it() {
    let channels = Channels::new().expect("there is a folder for them");
    let boot = Boot {
        initrd: PathBuf::from("initrd"),
        kernel_parameters: Vec::new(),
        hardware: Hardware::DEFAULT,
    };
    let machine = Machine::scripted(VirtualClock { shift: 5 }, channels.endpoints(), boot);
    let toolchain = toolchain(Path::new("/nowhere/qemu"));
    let inputs = RunInputs::default();
    let result = vm::run(
        &toolchain,
        &kernel(),
        &machine,
        channels,
        inputs,
        60,
        &mut |_| None,
    );
    let error = result.expect_err("there is no such program");
    assert!(error.to_string().contains("/nowhere/qemu"), "{error:#}");
}

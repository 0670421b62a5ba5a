//! What the distribution must give: lines, questions, installs.

use crate::machine::*;
use anyhow::{Context as _, Result};
use xtask::failure::{Fault, fault_of};
use xtask::toolchain::needs::Found;
use xtask::toolchain::packages::Action;
use xtask::toolchain::provision_on;

const APT: &str = "apt-get install --yes --no-install-recommends make flex bison bc patch \
                   libc6-dev libelf-dev clang-19 lld-19 llvm-19 libclang1-19 qemu-system-x86 \
                   busybox-static";

#[test]
fn each_package_manager_has_its_line() -> Result<()> {
    for (program, line) in [
        ("apt-get", APT),
        (
            "dnf",
            "dnf install --assumeyes make flex bison bc patch glibc-devel \
             elfutils-libelf-devel clang19 lld19 llvm19 clang19-libs qemu-system-x86-core busybox",
        ),
        (
            "pacman",
            "pacman --sync --needed --noconfirm make flex bison bc patch glibc libelf \
             clang19 lld19 llvm19 qemu-system-x86 busybox",
        ),
    ] {
        let machine = Machine::bare()?;
        machine.says(&format!("bin/{program}"), "")?;
        assert_eq!(machine.decide()?, Action::Run(words(line)));
    }
    Ok(())
}

#[test]
fn root_and_ci_are_not_asked_and_a_person_is() -> Result<()> {
    let mut machine = Machine::bare()?;
    machine.says("bin/apt-get", "")?;
    let with_sudo = words(&format!("sudo {APT}"));

    machine.host.root_user = false;
    machine.host.ci = true;
    let Action::Refuse(message) = machine.decide()? else {
        panic!("there is no sudo");
    };
    assert!(
        message.ends_with(&format!("as root:\n  {APT}")),
        "{message}"
    );

    machine.says("bin/sudo", "")?;
    assert_eq!(machine.decide()?, Action::Run(with_sudo.clone()));

    machine.host.ci = false;
    machine.host.terminal = true;
    assert_eq!(machine.decide()?, Action::Ask(with_sudo));

    machine.host.terminal = false;
    let Action::Refuse(message) = machine.decide()? else {
        panic!("nobody could have agreed");
    };
    assert!(message.ends_with(&format!("\n  sudo {APT}")), "{message}");
    Ok(())
}

#[test]
fn an_unknown_distribution_gets_the_list() -> Result<()> {
    let machine = Machine::bare()?;
    let Action::Refuse(message) = machine.decide()? else {
        panic!("there is nothing to run");
    };
    assert!(
        message.contains("  flex (kconfig's scanner)\n"),
        "{message}"
    );
    assert!(message.contains("none of apt-get, dnf and pacman"));
    Ok(())
}

#[test]
fn without_leave_nothing_is_installed() -> Result<()> {
    let mut machine = Machine::bare()?;
    let calls = machine.path("calls");
    machine.script("bin/apt-get", &format!("echo $@ >> {}", calls.display()))?;
    machine.session.may_install = false;
    let error = provision_on(&machine.session, &machine.host)
        .err()
        .context("it went on")?;
    assert_eq!(fault_of(&error), Fault::Machine);
    assert!(format!("{error:#}").ends_with(APT), "{error:#}");
    assert_eq!(machine.calls(), [""; 0]);
    Ok(())
}

/// An apt-get that writes down its calls and, when it installs, makes bc.
fn installs_bc(machine: &Machine, before: &str) -> Result<()> {
    let calls = machine.path("calls");
    let bc = machine.path("bin/bc");
    std::fs::remove_file(&bc)?;
    machine.script(
        "bin/apt-get",
        &format!(
            "echo $@ >> {}\n{before}\ncase $1 in install) echo '#!/bin/sh' > {}; esac",
            calls.display(),
            bc.display()
        ),
    )
}

#[test]
fn root_gets_what_is_missing_installed() -> Result<()> {
    let machine = Machine::without_rust()?;
    machine.rustc("bin/..", "1.85.0")?;
    machine.file("root/var/lib/apt/lists/x_Packages.lz4", b"")?;
    installs_bc(&machine, "")?;
    provision_on(&machine.session, &machine.host)?;
    assert_eq!(
        machine.calls(),
        ["install --yes --no-install-recommends bc"]
    );
    // And nothing is asked of apt when all is there.
    provision_on(&machine.session, &machine.host)?;
    assert_eq!(machine.calls().len(), 1);
    Ok(())
}

#[test]
fn a_container_without_lists_fetches_them_first() -> Result<()> {
    let machine = Machine::without_rust()?;
    machine.rustc("bin/..", "1.85.0")?;
    installs_bc(&machine, "")?;
    provision_on(&machine.session, &machine.host)?;
    assert_eq!(
        machine.calls(),
        ["update", "install --yes --no-install-recommends bc"]
    );
    Ok(())
}

#[test]
fn old_lists_are_fetched_anew() -> Result<()> {
    let machine = Machine::without_rust()?;
    machine.rustc("bin/..", "1.85.0")?;
    machine.file("root/var/lib/apt/lists/x_Packages.lz4", b"")?;
    let calls = machine.path("calls");
    installs_bc(
        &machine,
        &format!(
            "case $1 in install) grep -q update {} || exit 100;; esac",
            calls.display()
        ),
    )?;
    provision_on(&machine.session, &machine.host)?;
    let install = "install --yes --no-install-recommends bc";
    assert_eq!(machine.calls(), [install, "update", install]);
    Ok(())
}

#[test]
fn a_package_that_brings_nothing_is_told_of() -> Result<()> {
    let machine = Machine::without_rust()?;
    machine.says("bin/apt-get", "")?;
    machine.says("bin/qemu-system-x86_64", "QEMU emulator version 5.2.0 (x)")?;
    let error = provision_on(&machine.session, &machine.host)
        .err()
        .context("it went on")?;
    let message = format!("{error:#}");
    assert_eq!(fault_of(&error), Fault::Machine);
    assert!(message.contains("still lacks"), "{message}");
    assert!(message.contains("found 5.2.0 at "), "{message}");
    assert!(
        message.contains("7.2 is the oldest that is known to work"),
        "{message}"
    );
    Ok(())
}

#[test]
fn the_list_of_needs_is_whole() -> Result<()> {
    let system = Machine::without_rust()?.look()?;
    assert!(system.missing().is_empty(), "{:?}", system.missing());
    let (_, busybox) = system
        .found
        .iter()
        .find(|(package, _)| package.what == "busybox")
        .context("no busybox")?;
    assert!(matches!(busybox, Found::Fit(..)));
    Ok(())
}

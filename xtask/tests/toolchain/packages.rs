//! Packages of the distribution: command lines, questions, installations.

use crate::fake_host::*;
use anyhow::{Context as _, Result};
use xtask::failure::{Fault, fault_of};
use xtask::toolchain::packages::InstallDecision;
use xtask::toolchain::provision_on;
use xtask::toolchain::system::Detected;

const APT: &str = "apt-get install --yes --no-install-recommends make flex bison bc patch \
                   curl gpgv libc6-dev libelf-dev clang-19 lld-19 llvm-19 libclang1-19 qemu-system-x86 \
                   busybox-static";

#[test]
fn each_package_manager_has_its_line() -> Result<()> {
    for (program, line) in [
        ("apt-get", APT),
        (
            "dnf",
            "dnf install --assumeyes make flex bison bc patch curl gnupg2 glibc-devel glibc-static \
             elfutils-libelf-devel clang19 lld19 llvm19 clang19-libs qemu-system-x86-core busybox",
        ),
        (
            "pacman",
            "pacman --sync --needed --noconfirm make flex bison bc patch curl gnupg glibc libelf \
             clang19 lld19 llvm19 qemu-system-x86 busybox",
        ),
    ] {
        let fake = FakeHost::bare()?;
        fake.prints(&format!("bin/{program}"), "")?;
        assert_eq!(fake.decide()?, InstallDecision::Run(words(line)));
    }
    Ok(())
}

#[test]
fn root_and_ci_are_not_asked_and_a_person_is() -> Result<()> {
    let mut fake = FakeHost::bare()?;
    fake.prints("bin/apt-get", "")?;
    let with_sudo = words(&format!("sudo {APT}"));

    fake.host.root_user = false;
    fake.host.ci = true;
    let InstallDecision::Refuse(message) = fake.decide()? else {
        panic!("there is no sudo");
    };
    assert!(
        message.ends_with(&format!("as root:\n  {APT}")),
        "{message}"
    );

    fake.prints("bin/sudo", "")?;
    assert_eq!(fake.decide()?, InstallDecision::Run(with_sudo.clone()));

    fake.host.ci = false;
    fake.host.terminal = true;
    assert_eq!(fake.decide()?, InstallDecision::Ask(with_sudo));

    fake.host.terminal = false;
    let InstallDecision::Refuse(message) = fake.decide()? else {
        panic!("nobody could have agreed");
    };
    assert!(message.ends_with(&format!("\n  sudo {APT}")), "{message}");
    Ok(())
}

#[test]
fn an_unknown_distribution_gets_the_list() -> Result<()> {
    let fake = FakeHost::bare()?;
    let InstallDecision::Refuse(message) = fake.decide()? else {
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
    let mut fake = FakeHost::bare()?;
    let calls = fake.path("calls");
    fake.script("bin/apt-get", &format!("echo $@ >> {}", calls.display()))?;
    fake.session.may_install = false;
    let error = provision_on(&fake.session, &fake.host)
        .err()
        .context("it went on")?;
    assert_eq!(fault_of(&error), Fault::Host);
    assert!(format!("{error:#}").ends_with(APT), "{error:#}");
    assert_eq!(fake.calls(), [""; 0]);
    Ok(())
}

/// Writes an apt-get that records its calls, and writes bc when it installs.
fn installs_bc(fake: &FakeHost, before: &str) -> Result<()> {
    let calls = fake.path("calls");
    let bc = fake.path("bin/bc");
    std::fs::remove_file(&bc)?;
    fake.script(
        "bin/apt-get",
        &format!(
            "echo $@ >> {}\n{before}\ncase $1 in install) echo '#!/bin/sh' > {}; esac",
            calls.display(),
            bc.display()
        ),
    )
}

#[test]
fn root_gets_missing_packages_installed() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    fake.rustc("bin/..", "1.85.0")?;
    fake.file("root/var/lib/apt/lists/x_Packages.lz4", b"")?;
    installs_bc(&fake, "")?;
    provision_on(&fake.session, &fake.host)?;
    assert_eq!(fake.calls(), ["install --yes --no-install-recommends bc"]);
    // apt is not used when all tools are installed.
    provision_on(&fake.session, &fake.host)?;
    assert_eq!(fake.calls().len(), 1);
    Ok(())
}

#[test]
fn a_container_without_lists_fetches_them_first() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    fake.rustc("bin/..", "1.85.0")?;
    installs_bc(&fake, "")?;
    provision_on(&fake.session, &fake.host)?;
    assert_eq!(
        fake.calls(),
        ["update", "install --yes --no-install-recommends bc"]
    );
    Ok(())
}

#[test]
fn old_lists_are_fetched_anew() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    fake.rustc("bin/..", "1.85.0")?;
    fake.file("root/var/lib/apt/lists/x_Packages.lz4", b"")?;
    let calls = fake.path("calls");
    installs_bc(
        &fake,
        &format!(
            "case $1 in install) grep -q update {} || exit 100;; esac",
            calls.display()
        ),
    )?;
    provision_on(&fake.session, &fake.host)?;
    let install = "install --yes --no-install-recommends bc";
    assert_eq!(fake.calls(), [install, "update", install]);
    Ok(())
}

#[test]
fn a_package_that_does_not_bring_its_tool_is_reported() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    fake.prints("bin/apt-get", "")?;
    fake.prints("bin/qemu-system-x86_64", "QEMU emulator version 5.2.0 (x)")?;
    let error = provision_on(&fake.session, &fake.host)
        .err()
        .context("it went on")?;
    let message = format!("{error:#}");
    assert_eq!(fault_of(&error), Fault::Host);
    assert!(message.contains("still lacks"), "{message}");
    assert!(message.contains("found 5.2.0 at "), "{message}");
    assert!(
        message.contains("7.2 is the oldest tested version"),
        "{message}"
    );
    Ok(())
}

#[test]
fn the_list_of_packages_is_complete() -> Result<()> {
    let system = FakeHost::without_rust()?.system()?;
    assert!(system.missing().is_empty(), "{:?}", system.missing());
    let (_, busybox) = system
        .found
        .iter()
        .find(|(package, _)| package.tool == "busybox")
        .context("no busybox")?;
    assert!(matches!(busybox, Detected::Usable(..)));
    Ok(())
}

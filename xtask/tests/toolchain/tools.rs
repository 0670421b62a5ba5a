//! Which tools are taken, and what is provided where none fits.

use std::path::{Path, PathBuf};

use crate::machine::*;
use anyhow::{Context as _, Result};
use xtask::failure::{Fault, fault_of};
use xtask::toolchain::probe::Probes;
use xtask::toolchain::{State, provision_on};

#[test]
fn what_does_not_fit_is_named_with_its_place() -> Result<()> {
    let machine = Machine::without_rust()?;
    machine.says("bin/apt-get", "")?;
    std::fs::remove_dir_all(machine.path("root/usr/lib/llvm-19"))?;
    machine.says("bin/clang", "Debian clang version 14.0.6")?;
    machine.file("root/bin/busybox", b"#!/bin/sh\n")?;
    machine.says("bin/bindgen", "bindgen 0.72.1")?;

    let clang = machine.need("clang 19")?;
    assert_eq!(clang.state, State::Unfit);
    assert!(clang.found.starts_with("14.0.6 at "), "{}", clang.found);
    assert_eq!(
        clang.mend.as_deref(),
        Some("apt-get install --yes --no-install-recommends clang-19")
    );
    let busybox = machine.need("busybox")?;
    assert!(busybox.found.contains("not statically linked"));
    let bindgen = machine.need("bindgen 0.71.1")?;
    assert!(bindgen.found.contains("0.72.1"), "{}", bindgen.found);
    Ok(())
}

#[test]
fn clang_of_the_right_major_on_the_path_will_do() -> Result<()> {
    let machine = Machine::without_rust()?;
    // As on a distribution whose unversioned LLVM is this one.
    let from = machine.path("root/usr/lib/llvm-19");
    for tool in std::fs::read_dir(from.join("bin"))? {
        let tool = tool?;
        std::fs::rename(tool.path(), machine.path("bin").join(tool.file_name()))?;
    }
    std::fs::remove_dir_all(&from)?;
    machine.file("lib/libclang.so.19.1.7", b"")?;
    let system = machine.look()?;
    let missing = system.missing();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(system.llvm.lib, Some(real(machine.path("bin/../lib"))));
    Ok(())
}

fn real(path: PathBuf) -> PathBuf {
    std::fs::canonicalize(&path).unwrap_or(path)
}

#[test]
fn the_machines_own_rustc_of_the_series_is_taken() -> Result<()> {
    let machine = Machine::without_rust()?;
    machine.rustc("bin/..", "1.85.0")?;
    let toolchain = provision_on(&machine.session, &machine.host)?;
    assert_eq!(toolchain.rustc, machine.path("bin/rustc"));
    assert!(toolchain.identity.starts_with("rustc 1.85.0 ("));
    assert!(toolchain.rust_lib_src.join("core/src/lib.rs").is_file());
    assert_eq!(toolchain.qemu_version, "9.2.0");
    Ok(())
}

#[test]
fn an_installed_rustup_toolchain_is_taken_and_its_stand_in_is_not() -> Result<()> {
    let machine = Machine::without_rust()?;
    // rustup's stand-in answers for whatever toolchain is the default.
    machine.says("bin/rustup", "rustc 1.85.0 (abc)")?;
    std::os::unix::fs::symlink("rustup", machine.path("bin/rustc"))?;
    machine.rustc(
        "rustup/toolchains/1.85.1-x86_64-unknown-linux-gnu",
        "1.85.1",
    )?;
    let toolchain = provision_on(&machine.session, &machine.host)?;
    assert_eq!(
        toolchain.rustc,
        machine.path("rustup/toolchains/1.85.1-x86_64-unknown-linux-gnu/bin/rustc")
    );
    Ok(())
}

#[test]
fn with_another_rustc_rustup_provides_one_in_the_cache() -> Result<()> {
    let machine = Machine::without_rust()?;
    machine.rustc("bin/..", "1.95.0")?;
    machine.rustc("made", "1.85.1")?;
    let calls = machine.path("calls");
    machine.script(
        "bin/rustup",
        &format!(
            "echo $@ >> {}\nmkdir -p $RUSTUP_HOME/toolchains\n\
             cp -r {} $RUSTUP_HOME/toolchains/1.85.1-x86_64-unknown-linux-gnu",
            calls.display(),
            machine.path("made").display()
        ),
    )?;
    let need = machine.need("rustc 1.85")?;
    assert_eq!(need.state, State::Provisioned);
    assert_eq!(
        need.found,
        "will be fetched by rustup (1.85.1) into the cache folder"
    );

    let toolchain = provision_on(&machine.session, &machine.host)?;
    assert!(toolchain.rustc.starts_with(machine.path("cache/toolchain")));
    assert!(toolchain.identity.contains("rustc 1.85.1"));
    assert_eq!(
        machine.calls(),
        ["toolchain install 1.85.1 --profile minimal --component rust-src --no-self-update"]
    );
    // It stays, without rustup.
    std::fs::remove_file(machine.path("bin/rustup"))?;
    let again = provision_on(&machine.session, &machine.host)?;
    assert_eq!(again.rustc, toolchain.rustc);
    assert_eq!(machine.need("rustc 1.85")?.state, State::Fit);
    Ok(())
}

#[test]
fn without_any_source_of_rustc_the_way_out_is_named() -> Result<()> {
    let machine = Machine::without_rust()?;
    let error = provision_on(&machine.session, &machine.host)
        .err()
        .context("it went on")?;
    assert_eq!(fault_of(&error), Fault::Machine);
    assert!(format!("{error:#}").contains("install rustup"), "{error:#}");
    assert_eq!(machine.need("rustc 1.85")?.state, State::Unfit);
    Ok(())
}

#[test]
fn bindgen_is_compiled_once_and_leaves_no_build_folder() -> Result<()> {
    let mut machine = Machine::without_rust()?;
    machine.rustc("bin/..", "1.85.0")?;
    machine.says("bin/bindgen", "bindgen 0.72.1")?;
    // Arguments: install bindgen-cli --version V --locked --root R --target-dir T.
    machine.script(
        "cargo",
        &format!(
            "echo compiled >> {}\nmkdir -p $7/bin $9\nprintf '#!/bin/sh\\necho bindgen 0.71.1\\n' \
             > $7/bin/bindgen\nchmod +x $7/bin/bindgen",
            machine.path("calls").display()
        ),
    )?;
    machine.host.cargo = Some(machine.path("cargo"));
    let toolchain = provision_on(&machine.session, &machine.host)?;
    let entry: &Path = toolchain.bindgen.ancestors().nth(2).context("an entry")?;
    assert!(entry.starts_with(machine.path("cache/toolchain")));
    assert!(!entry.join("target").exists());
    provision_on(&machine.session, &machine.host)?;
    assert_eq!(machine.calls(), ["compiled"]);
    Ok(())
}

#[test]
fn a_tool_is_asked_again_only_when_it_changed() -> Result<()> {
    let machine = Machine::bare()?;
    let tool = machine.path("bin/tool");
    let script = |text: &str| {
        let calls = machine.path("calls");
        machine.script(
            "bin/tool",
            &format!("echo asked >> {}\necho '{text}'", calls.display()),
        )
    };
    let ask = || -> Result<Option<String>> {
        let mut probes = Probes::load(&machine.session.cache)?;
        let answer = probes.ask(&tool, &["--version"]);
        probes.save()?;
        Ok(answer)
    };
    script("one")?;
    assert_eq!(
        (ask()?.as_deref(), ask()?.as_deref()),
        (Some("one"), Some("one"))
    );
    assert_eq!(machine.calls().len(), 1);
    script("three")?;
    assert_eq!(ask()?.as_deref(), Some("three"));
    Ok(())
}

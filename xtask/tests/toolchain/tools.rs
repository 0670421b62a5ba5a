//! Tools that are found, and those that are installed into the cache.

use std::path::{Path, PathBuf};

use crate::fake_host::*;
use anyhow::{Context as _, Result};
use xtask::failure::{Fault, fault_of};
use xtask::toolchain::answers::ToolAnswers;
use xtask::toolchain::{RequirementState, provision_on};

#[test]
fn an_unusable_tool_is_named_with_its_path() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    fake.prints("bin/apt-get", "")?;
    std::fs::remove_dir_all(fake.path("root/usr/lib/llvm-19"))?;
    fake.prints("bin/clang", "Debian clang version 14.0.6")?;
    fake.file("root/bin/busybox", b"#!/bin/sh\n")?;
    fake.prints("bin/bindgen", "bindgen 0.72.1")?;

    let clang = fake.requirement("clang 19")?;
    assert_eq!(clang.state, RequirementState::Unmet);
    assert!(clang.found.starts_with("14.0.6 at "), "{}", clang.found);
    assert_eq!(
        clang.fix.as_deref(),
        Some("apt-get install --yes --no-install-recommends clang-19")
    );
    let busybox = fake.requirement("busybox")?;
    assert!(busybox.found.contains("not statically linked"));
    let bindgen = fake.requirement("bindgen 0.71.1")?;
    assert!(bindgen.found.contains("0.72.1"), "{}", bindgen.found);
    Ok(())
}

#[test]
fn clang_of_the_right_major_on_the_path_will_do() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    // As on a distribution whose unversioned LLVM has this major version.
    let from = fake.path("root/usr/lib/llvm-19");
    for tool in std::fs::read_dir(from.join("bin"))? {
        let tool = tool?;
        std::fs::rename(tool.path(), fake.path("bin").join(tool.file_name()))?;
    }
    std::fs::remove_dir_all(&from)?;
    fake.file("lib/libclang.so.19.1.7", b"")?;
    let system = fake.system()?;
    let missing = system.missing();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(system.llvm.lib, Some(real(fake.path("bin/../lib"))));
    Ok(())
}

fn real(path: PathBuf) -> PathBuf {
    std::fs::canonicalize(&path).unwrap_or(path)
}

#[test]
fn the_machines_own_rustc_of_the_series_is_taken() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    fake.rustc("bin/..", "1.85.0")?;
    let toolchain = provision_on(&fake.session, &fake.host)?;
    assert_eq!(toolchain.rustc, fake.path("bin/rustc"));
    assert!(toolchain.identity.starts_with("rustc 1.85.0 ("));
    assert!(toolchain.rust_lib_src.join("core/src/lib.rs").is_file());
    assert_eq!(toolchain.qemu_version, "9.2.0");
    assert!(toolchain.qemu_has_sandbox);
    Ok(())
}

#[test]
fn a_qemu_without_seccomp_has_no_sandbox() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    let script = "case $* in *-sandbox*) exit 1 ;; esac; echo QEMU emulator version 9.2.0";
    fake.script("bin/qemu-system-x86_64", script)?;
    let system = fake.system()?;
    assert!(system.missing().is_empty() && !system.qemu_has_sandbox);
    Ok(())
}

#[test]
fn an_installed_rustup_toolchain_is_taken_and_its_stand_in_is_not() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    // rustup's proxy answers for the default toolchain.
    fake.prints("bin/rustup", "rustc 1.85.0 (abc)")?;
    std::os::unix::fs::symlink("rustup", fake.path("bin/rustc"))?;
    fake.rustc(
        "rustup/toolchains/1.85.1-x86_64-unknown-linux-gnu",
        "1.85.1",
    )?;
    let toolchain = provision_on(&fake.session, &fake.host)?;
    assert_eq!(
        toolchain.rustc,
        fake.path("rustup/toolchains/1.85.1-x86_64-unknown-linux-gnu/bin/rustc")
    );
    Ok(())
}

#[test]
fn with_another_rustc_rustup_provides_one_in_the_cache() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    fake.rustc("bin/..", "1.95.0")?;
    fake.rustc("made", "1.85.1")?;
    let calls = fake.path("calls");
    fake.script(
        "bin/rustup",
        &format!(
            "echo $@ >> {}\nmkdir -p $RUSTUP_HOME/toolchains\n\
             cp -r {} $RUSTUP_HOME/toolchains/1.85.1-x86_64-unknown-linux-gnu",
            calls.display(),
            fake.path("made").display()
        ),
    )?;
    let requirement = fake.requirement("rustc 1.85")?;
    assert_eq!(requirement.state, RequirementState::Later);
    assert_eq!(
        requirement.found,
        "will be fetched by rustup (1.85.1) into the cache folder"
    );

    let toolchain = provision_on(&fake.session, &fake.host)?;
    assert!(toolchain.rustc.starts_with(fake.path("cache/toolchain")));
    assert!(toolchain.identity.contains("rustc 1.85.1"));
    assert_eq!(
        fake.calls(),
        ["toolchain install 1.85.1 --profile minimal --component rust-src --no-self-update"]
    );
    // The cache keeps it, without rustup.
    std::fs::remove_file(fake.path("bin/rustup"))?;
    let again = provision_on(&fake.session, &fake.host)?;
    assert_eq!(again.rustc, toolchain.rustc);
    assert_eq!(fake.requirement("rustc 1.85")?.state, RequirementState::Met);
    Ok(())
}

#[test]
fn without_any_source_of_rustc_the_way_out_is_named() -> Result<()> {
    let fake = FakeHost::without_rust()?;
    let error = provision_on(&fake.session, &fake.host)
        .err()
        .context("it went on")?;
    assert_eq!(fault_of(&error), Fault::Host);
    assert!(format!("{error:#}").contains("install rustup"), "{error:#}");
    assert_eq!(
        fake.requirement("rustc 1.85")?.state,
        RequirementState::Unmet
    );
    Ok(())
}

#[test]
fn bindgen_is_compiled_once_and_leaves_no_build_folder() -> Result<()> {
    let mut fake = FakeHost::without_rust()?;
    fake.rustc("bin/..", "1.85.0")?;
    fake.prints("bin/bindgen", "bindgen 0.72.1")?;
    // Arguments: install bindgen-cli --version V --locked --root R --target-dir T and settings.
    fake.script(
        "cargo",
        &format!(
            "echo compiled >> {}\nmkdir -p $7/bin $9\nprintf '#!/bin/sh\\necho bindgen 0.71.1\\n' \
             > $7/bin/bindgen\nchmod +x $7/bin/bindgen",
            fake.path("calls").display()
        ),
    )?;
    fake.host.cargo = Some(fake.path("cargo"));
    let toolchain = provision_on(&fake.session, &fake.host)?;
    let entry: &Path = toolchain.bindgen.ancestors().nth(2).context("an entry")?;
    assert!(entry.starts_with(fake.path("cache/toolchain")));
    assert!(!entry.join("target").exists());
    provision_on(&fake.session, &fake.host)?;
    assert_eq!(fake.calls(), ["compiled"]);
    Ok(())
}

#[test]
fn a_tool_is_asked_again_only_when_it_changed() -> Result<()> {
    let fake = FakeHost::bare()?;
    let tool = fake.path("bin/tool");
    let script = |text: &str| {
        let calls = fake.path("calls");
        fake.script(
            "bin/tool",
            &format!("echo asked >> {}\necho '{text}'", calls.display()),
        )
    };
    let ask = || -> Result<Option<String>> {
        let mut answers = ToolAnswers::load(&fake.session.cache)?;
        let answer = answers.ask(&tool, &["--version"]);
        answers.save()?;
        Ok(answer)
    };
    script("one")?;
    assert_eq!(
        (ask()?.as_deref(), ask()?.as_deref()),
        (Some("one"), Some("one"))
    );
    assert_eq!(fake.calls().len(), 1);
    script("three")?;
    assert_eq!(ask()?.as_deref(), Some("three"));
    Ok(())
}

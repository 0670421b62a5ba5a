//! The toolchain on machines made of shell scripts: what is found, what is
//! installed and what is refused.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xtask::cache::Cache;
use xtask::failure::{Fault, fault_of};
use xtask::session::Session;
use xtask::toolchain::host::Host;
use xtask::toolchain::needs::{Found, System};
use xtask::toolchain::packages::{Action, decide};
use xtask::toolchain::probe::Probes;
use xtask::toolchain::{Need, State, provision_on, survey_on};
use xtask::ui::Ui;
use xtask::workspace::Workspace;

/// A machine in a folder of its own.
struct Machine {
    folder: tempfile::TempDir,
    host: Host,
    session: Session,
}

impl Machine {
    /// A machine that has nothing.
    fn bare() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for part in ["bin", "root", "clone/kernel-config"] {
            std::fs::create_dir_all(folder.path().join(part))?;
        }
        let host = Host {
            // The scripts themselves need a shell's usual tools.
            path: vec![folder.path().join("bin")],
            root: folder.path().join("root"),
            rustup_home: Some(folder.path().join("rustup")),
            cargo: None,
            root_user: true,
            ci: false,
            terminal: false,
        };
        let session = Session {
            workspace: Workspace::at(&folder.path().join("clone"))?,
            cache: Cache::at(&folder.path().join("cache"))?,
            ui: Ui::new(false),
            may_install: true,
            jobs: 1,
        };
        Ok(Self {
            folder,
            host,
            session,
        })
    }

    /// A machine that lacks nothing but rustc.
    fn without_rust() -> Result<Self> {
        let machine = Self::bare()?;
        for name in ["make", "flex", "bison", "bc", "patch"] {
            machine.says(&format!("bin/{name}"), name)?;
        }
        machine.says("bin/qemu-system-x86_64", "QEMU emulator version 9.2.0")?;
        machine.says("bin/bindgen", "bindgen 0.71.1")?;
        machine.llvm()?;
        for header in ["stdlib.h", "gelf.h"] {
            machine.file(&format!("root/usr/include/{header}"), b"")?;
        }
        machine.file("root/bin/busybox", &static_elf())?;
        Ok(machine)
    }

    fn llvm(&self) -> Result<()> {
        let bin = "root/usr/lib/llvm-19/bin";
        self.says(&format!("{bin}/clang"), "Debian clang version 19.1.7 (3)")?;
        self.says(&format!("{bin}/ld.lld"), "Debian LLD 19.1.7 (compatible)")?;
        for tool in ["ar", "nm", "objcopy", "objdump", "readelf", "strip"] {
            self.says(&format!("{bin}/llvm-{tool}"), "")?;
        }
        self.file("root/usr/lib/llvm-19/lib/libclang-19.so.19", b"")
    }

    /// A program that prints `text`.
    fn says(&self, name: &str, text: &str) -> Result<()> {
        self.script(name, &format!("echo '{text}'"))
    }

    fn script(&self, name: &str, body: &str) -> Result<()> {
        self.file(name, format!("#!/bin/sh\n{body}\n").as_bytes())
    }

    /// A rustc of `version` in `folder`, with the sources of its library.
    fn rustc(&self, folder: &str, version: &str) -> Result<()> {
        let sysroot = self.path(folder);
        self.script(
            &format!("{folder}/bin/rustc"),
            &format!(
                "case $1 in --print) echo {};; *) echo 'rustc {version} (abc 2025-02-17)';; esac",
                sysroot.display()
            ),
        )?;
        for part in ["core", "alloc"] {
            self.file(
                &format!("{folder}/lib/rustlib/src/rust/library/{part}/src/lib.rs"),
                b"",
            )?;
        }
        Ok(())
    }

    fn file(&self, name: &str, contents: &[u8]) -> Result<()> {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::write(&path, contents)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The lines that a script wrote into the file `calls`.
    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn look(&self) -> Result<System> {
        let mut probes = Probes::load(&self.session.cache)?;
        Ok(System::look(&self.host, &mut probes))
    }

    fn decide(&self) -> Result<Action> {
        let system = self.look()?;
        Ok(decide(
            &self.host,
            self.session.may_install,
            &system.missing(),
        ))
    }

    fn need(&self, what: &str) -> Result<Need> {
        survey_on(&self.session, &self.host)
            .into_iter()
            .find(|need| need.what == what)
            .with_context(|| format!("no need {what}"))
    }
}

/// The least that counts as a static program: an ELF header and no more.
fn static_elf() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

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

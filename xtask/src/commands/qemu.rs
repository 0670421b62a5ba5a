//! `cargo xtask qemu`: a guest with a shell on this terminal.

use anyhow::Result;

use super::common::{Common, ProfileOption, refuse_lacking};
use crate::initramfs::GuestFile;
use crate::key::Inputs;
use crate::lesson::{self, Lesson};
use crate::modules::Language;
use crate::pipeline::{self, Prepared};
use crate::session::Session;
use crate::vm::{Accel, Clock, Console, Events, Gdb, Machine, Start, accel, terminal};

/// CPUs of a guest: two, so that threads really run side by side.
const SMP: u32 = 2;

/// MiB of a guest.
const MEMORY: u32 = 256;

/// The kernel's own start is kept off the screen; `dmesg` has it.
const QUIET: &str = "quiet";

/// What runs the guest's instructions, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum AccelOption {
    /// KVM if a guest really boots under it, else TCG
    Auto,
    /// The host's CPU
    Kvm,
    /// QEMU's translator
    Tcg,
}

/// The language of the modules in the guest, as an option: both cannot be
/// there, for they have the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LangOption {
    /// The modules in Rust
    Rust,
    /// Their twins in C
    C,
}

/// Options of `qemu`.
#[derive(Debug, Clone, clap::Args)]
pub struct QemuOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    profile: ProfileOption,

    /// The lesson or race whose module is wanted; every lesson's if left out
    lesson: Option<String>,

    /// The language of the modules that the guest gets
    #[arg(long, value_enum, default_value = "rust")]
    lang: LangOption,

    /// What runs the guest's instructions
    #[arg(long, value_enum, default_value = "auto")]
    accel: AccelOption,

    /// CPUs of the guest
    #[arg(long, value_name = "N", default_value_t = SMP, value_parser = clap::value_parser!(u32).range(1..=8))]
    smp: u32,

    /// Memory of the guest
    #[arg(long, value_name = "MiB", default_value_t = MEMORY, value_parser = clap::value_parser!(u32).range(64..=65536))]
    memory: u32,

    /// Wait for a debugger before the first instruction
    #[arg(long)]
    gdb: bool,

    /// Print QEMU's command line and end
    #[arg(long)]
    dry_run: bool,
}

/// Boots a guest on the terminal.
pub fn run(options: &QemuOptions) -> Result<()> {
    let session = options.common.session()?;
    let names: Vec<String> = options.lesson.iter().cloned().collect();
    let mut lessons = lesson::select(&session.workspace, &names)?;
    let language = match options.lang {
        LangOption::Rust => Language::Rust,
        LangOption::C => Language::C,
    };
    if options.lesson.is_some() {
        refuse_lacking(&lessons, language)?;
    }
    lessons.retain(|lesson| lesson.is_in(language));
    let prepared = pipeline::prepare(
        &session,
        &options.common.source_request(),
        options.profile.profile(),
        &lessons,
        &[language],
    )?;
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = &prepared;
    let asked = match options.accel {
        AccelOption::Auto => None,
        AccelOption::Kvm => Some(Accel::Kvm),
        AccelOption::Tcg => Some(Accel::Tcg),
    };
    let accel = accel::choose(&session, toolchain, kernel, initramfs, asked)?;
    let machine = Machine {
        smp: options.smp,
        memory: options.memory,
        gdb: options.gdb.then_some(Gdb::Port),
        kernel_words: [vec![QUIET.to_owned()], terminal::kernel_words()].concat(),
        ..machine(&session, &prepared, &lessons, accel)?
    };
    if options.dry_run {
        println!("{}", machine.command(toolchain, kernel).quoted());
        return Ok(());
    }
    if options.gdb {
        eprintln!(
            "the guest waits for a debugger; in another terminal: gdb {} -ex 'target remote :1234'",
            kernel.vmlinux().display()
        );
    }
    terminal::run_on_terminal(toolchain, kernel, &machine)
}

/// A guest with a shell, as it is without options.
pub fn machine(
    session: &Session,
    prepared: &Prepared,
    lessons: &[Lesson],
    accel: Accel,
) -> Result<Machine> {
    Ok(Machine {
        clock: Clock::Real(accel),
        console: Console::Terminal,
        start: Start::Boot,
        initrd: initrd(session, prepared, lessons)?,
        smp: SMP,
        memory: MEMORY,
        kernel_words: vec![QUIET.to_owned()],
        events: Events::Live,
        gdb: None,
    })
}

/// The guest's root folder: the base, the modules, and the banner. Kept in the
/// cache, so that the command line of `--dry-run` can be used.
fn initrd(
    session: &Session,
    prepared: &Prepared,
    lessons: &[Lesson],
) -> Result<std::path::PathBuf> {
    let mut files = Vec::new();
    for module in &prepared.modules {
        files.push(pipeline::in_guest(module)?);
    }
    files.push(GuestFile {
        path: "/etc/kmodlab/banner".to_owned(),
        mode: 0o644,
        contents: banner(prepared, lessons).into_bytes(),
    });
    let mut inputs = Inputs::new("initrd 1");
    inputs.file("base", &prepared.initramfs.path)?;
    for GuestFile {
        path,
        mode,
        contents,
    } in &files
    {
        inputs.text("mode", mode.to_string()).bytes(path, contents);
    }
    let entry = session
        .cache
        .entry("initramfs", "qemu", &inputs.key(), |staging| {
            prepared.initramfs.with(&files, staging)
        })?;
    Ok(entry.path)
}

/// What the guest says before its first prompt.
fn banner(prepared: &Prepared, lessons: &[Lesson]) -> String {
    let version = prepared.kernel.label();
    let language = prepared
        .modules
        .first()
        .map_or(Language::Rust, |module| module.language)
        .title();
    let width = lessons
        .iter()
        .map(|lesson| lesson.name.len())
        .max()
        .unwrap_or(0);
    let modules: String = lessons
        .iter()
        .map(|lesson| {
            format!(
                "    insmod {}.ko{:pad$}  {}\n",
                lesson.name,
                "",
                lesson.title,
                pad = width - lesson.name.len()
            )
        })
        .collect();
    format!(
        "\nkmodlab: Linux {version}, kernel modules in {language}. Kernel messages appear here as they come.\n\n\
         {modules}\n\
         \x20   rmmod NAME, lsmod, modinfo FILE, dmesg, ps\n\n\
         To leave: type poweroff, or press Ctrl-A and then X.\n\n"
    )
}

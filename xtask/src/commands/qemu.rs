//! `cargo xtask qemu`: a guest with a shell on this terminal.

mod root;

use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};

use super::at_failure::{self, TestedGuest};
use super::common::{Common, ConfigurationOptions, OneLang, refuse_lacking};
use super::projects::{ProjectOptions, Selection, or_current_folder};
use super::reload::{self, ReloadSocket};
use super::script::{self, GuestScript};
use crate::failure::Failure;
use crate::lesson;
use crate::modules::Language;
use crate::pipeline::{self, Built};
use crate::project::{CPUS, GuestChoice, MEMORY_MIB};
use crate::run::GuestSettings;
use crate::symbols::{GuestSymbols, editor_script, gdb_source_folders};
use crate::text::shell_word;
use crate::vm::{Accel, Boot, Machine, accel, guest_folder, terminal};

/// Keeps the kernel's boot messages off the screen; `dmesg` shows them.
const QUIET: &str = "quiet";

/// The accelerator, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum AccelOption {
    /// KVM if a guest really boots under it, else TCG
    Auto,
    /// The host's CPU
    Kvm,
    /// QEMU's translator
    Tcg,
}

/// Options of `qemu`.
#[derive(Debug, Clone, clap::Args)]
pub struct QemuOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    configuration: ConfigurationOptions,

    /// The lessons and races whose modules the guest gets, and folders with modules of your own; the
    /// modules of all lessons, or of the current folder outside of a clone, if left out
    #[arg(value_name = "LESSON|PATH")]
    lessons: Vec<String>,

    #[command(flatten)]
    project: ProjectOptions,

    /// Run this command in place of a shell, and end with its status
    ///
    /// Without it, a standard input that is not a terminal is read to its end and run.
    #[arg(long, value_name = "COMMAND", conflicts_with = "gdb")]
    run: Option<String>,

    /// Run the test cases first, and type the commands of the one that fails up to the failure
    ///
    /// If all pass, all commands of the first but the last are typed. Commands of --run, or of a standard input,
    /// follow.
    #[arg(long, conflicts_with = "gdb")]
    at_failure: bool,

    /// The language of the guest's modules, which have the same names in both [default: rust, or c if one has no Rust source]
    #[arg(long, value_enum)]
    lang: Option<OneLang>,

    /// The accelerator that executes the guest's instructions
    #[arg(long, value_enum, default_value = "auto")]
    accel: AccelOption,

    /// CPUs of the guest [default: 2, or as the folder asks]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(CPUS))]
    smp: Option<u32>,

    /// Memory of the guest [default: 256, or as the folder asks]
    #[arg(long, value_name = "MiB", value_parser = clap::value_parser!(u32).range(MEMORY_MIB))]
    memory: Option<u32>,

    /// Wait for a debugger at this port of the host before the first instruction [default: 1234]
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "1234", value_parser = clap::value_parser!(u16).range(1..))]
    gdb: Option<u16>,

    /// Print QEMU's command line and end
    #[arg(long)]
    dry_run: bool,

    /// Write the modules into this file and end, for `reload` in a guest
    #[arg(long, value_name = "FILE", hide = true)]
    modules_into: Option<PathBuf>,
}

impl QemuOptions {
    /// Returns the options of `shell PATH`, which writes the modules into a file instead for `reload`.
    pub fn at_failure(common: &Common, folder: String, modules_into: Option<PathBuf>) -> Self {
        Self {
            common: common.clone(),
            configuration: ConfigurationOptions::default(),
            lessons: vec![folder],
            project: ProjectOptions::default(),
            run: None,
            at_failure: true,
            lang: None,
            accel: AccelOption::Auto,
            smp: None,
            memory: None,
            gdb: None,
            dry_run: false,
            modules_into,
        }
    }
}

/// Boots a guest on the terminal. Returns the status of the guest's commands if it has some, else 0.
///
/// # Errors
///
/// If the kernel or the module of the named lesson cannot be built, or QEMU fails. Of all lessons, a
/// module that cannot be built is only reported. With commands, it is also an error if the guest ends
/// before they do.
pub fn run(options: &QemuOptions) -> Result<ExitCode> {
    let is_on_terminal = !options.dry_run && options.modules_into.is_none();
    if let Some(port) = options.gdb.filter(|_| is_on_terminal) {
        check_gdb(port)?;
    }
    let session = options.common.session()?;
    let arguments = or_current_folder(&options.lessons);
    let Selection {
        names,
        projects,
        kernel,
        guest,
        ..
    } = options.project.select(&arguments)?;
    let all_lessons = arguments.is_empty();
    let mut texts = match names.is_empty() && !all_lessons {
        true => Vec::new(),
        false => lesson::select(&session.workspace, &names)?,
    };
    for project in &projects {
        texts.extend(lesson::of_project(project, None)?);
    }
    let mut lessons = Vec::new();
    for text in texts {
        match text {
            Ok(lesson) => lessons.push(lesson),
            Err(bad) if !all_lessons => return Err(bad.error.into()),
            Err(bad) => {
                let (error, name) = (bad.error, bad.name);
                session
                    .ui
                    .note(format!("{error}\nthe guest does not have {name}"));
            }
        }
    }
    let language = match options.lang {
        Some(lang) => lang.into(),
        None => {
            let is_of_all = |language| lessons.iter().all(|lesson| lesson.is_in(language));
            match !all_lessons && !is_of_all(Language::Rust) && is_of_all(Language::C) {
                true => Language::C,
                false => Language::Rust,
            }
        }
    };
    if !all_lessons {
        refuse_lacking(&lessons, language)?;
    }
    lessons.retain(|lesson| lesson.is_in(language));
    let configuration = options.configuration.configuration(&kernel)?;
    let guest = GuestChoice {
        cpus: options.smp.or(guest.cpus),
        memory_mib: options.memory.or(guest.memory_mib),
        ..guest.for_kernel(&configuration)
    };
    // An unknown device is refused at once, and not after minutes spent on a kernel.
    let hardware = guest.hardware(&session)?;
    let source = options.common.source_request_or(&kernel);
    let (built, typed) = match options.at_failure && options.modules_into.is_none() {
        true => {
            let settings = &GuestSettings {
                hardware: hardware.clone(),
                kernel_parameters: guest.kernel_parameters.clone(),
            };
            let tested = TestedGuest {
                source: &source,
                configuration: &configuration,
                settings,
            };
            let (built, typed) = at_failure::run(&session, tested, &lessons, language)?;
            (built, Some(typed))
        }
        false => {
            let languages = [language];
            let built = pipeline::prepare(&session, &source, &configuration, &lessons, &languages)?;
            (built, None)
        }
    };
    if !all_lessons || options.modules_into.is_some() {
        built.all_modules()?;
    } else if let Err(error) = built.all_modules() {
        let names = built.unbuilt.iter().map(|unbuilt| unbuilt.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        session
            .ui
            .note(format!("{error:#}\n\nthe guest does not have {names}"));
        lessons.retain(|lesson| built.unbuilt(lesson.owner(), language).is_none());
    }
    let Built {
        toolchain,
        kernel,
        initramfs,
        ..
    } = &built;
    if let Some(file) = &options.modules_into {
        reload::write_modules(kernel.key.as_str(), &built.modules, file)?;
        if options.gdb.is_some()
            && let Some(folder) = file.parent()
        {
            GuestSymbols::new(folder).write_modules(&built.modules)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let requested = match options.accel {
        AccelOption::Auto => None,
        AccelOption::Kvm => Some(Accel::Kvm),
        AccelOption::Tcg => Some(Accel::Tcg),
    };
    let accel = accel::choose(&session, toolchain, kernel, initramfs, requested)?;
    let script = match options.dry_run && options.run.is_none() {
        true => None,
        false => GuestScript::requested(options.run.as_deref())?,
    };
    let commands = root::Commands {
        input: script.as_ref(),
        typed: typed.as_ref(),
    };
    let boot = Boot {
        initrd: root::initrd(&session, &built, &lessons, &commands)?,
        kernel_parameters: [
            vec![QUIET.to_owned()],
            terminal::kernel_parameters(),
            guest.kernel_parameters.clone(),
        ]
        .concat(),
        hardware,
    };
    let folder = guest_folder()?;
    let report = folder.path().join("report");
    let reload = match script.is_some() || options.dry_run {
        true => None,
        false => {
            let key = kernel.key.as_str().to_owned();
            Some(ReloadSocket::new(folder.path(), key)?)
        }
    };
    let machine = match (&script, &reload) {
        (Some(_), _) => Machine::batch(accel, boot, report.clone()),
        (None, reload) => {
            let socket = reload.as_ref().map(|reload| reload.path().to_owned());
            Machine::interactive(accel, boot, options.gdb, socket)
        }
    };
    if options.dry_run {
        crate::outln!("{}", machine.command(toolchain, kernel).quoted())?;
        return Ok(ExitCode::SUCCESS);
    }
    if script.is_some() {
        let report = terminal::run_batch(toolchain, kernel, &machine, &report)?;
        return script::exit_code(report.as_deref());
    }
    if let Some(port) = options.gdb {
        let symbols = GuestSymbols::new(folder.path());
        symbols.write_modules(&built.modules)?;
        let projects = projects.iter().map(|project| &**project);
        let sources = gdb_source_folders(projects, &session.workspace, &kernel.tree);
        let editor = editor_script(&session.cache.own(), port)?;
        let script = symbols.write_scripts(kernel, &sources, port, &editor)?;
        crate::errln!(
            "the guest waits for a debugger; in another terminal: gdb -x {}",
            shell_word(&script)
        );
    }
    let guest = || terminal::run_on_terminal(toolchain, kernel, &machine);
    match &reload {
        Some(reload) => reload.answer_while(guest)?,
        None => guest()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks that a person can debug a guest: there is a terminal, and the port is free.
fn check_gdb(port: u16) -> Result<()> {
    ensure!(
        std::io::stdin().is_terminal(),
        Failure::usage("--gdb: the guest needs a terminal; the standard input is none")
    );
    // QEMU takes the port a moment later; if another program does so in between, QEMU reports it.
    let listened = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    listened.map(drop).map_err(|error| {
        let message = format!(
            "--gdb: port {port} of this host cannot be used ({error}); give another one, as in \
             --gdb=1235"
        );
        Failure::usage(message).into()
    })
}

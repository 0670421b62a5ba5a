//! The files that a project brings to its guests besides its modules: the index for modprobe, the
//! files of its manifest, and programs, which are compiled here.
//!
//! A program is C, linked statically with nolibc, the small C library in the kernel's tree
//! (`tools/include/nolibc`), so that the host needs no static C library.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use kmodlab_protocol::GuestFile;

use super::builder::{ModuleBuilder, copy};
use super::load_order::depends;
use super::unbuilt::UnbuiltModule;
use super::{Language, Module, kernel_name, sandbox};
use crate::failure::{Failure, Fault, fault_of};
use crate::kernel::KernelImage;
use crate::key::Inputs;
use crate::process::Tool;
use crate::project::{Project, ProjectGuestFile};

/// Kind of the results, with the recipe's number; change it when the recipe changes.
const KIND: &str = "program 1";

/// End of the path of modprobe's index in a guest.
pub const MODPROBE_INDEX: &str = "/modules.dep";

/// Maximum number of lines of a compiler's output in an error.
const MAX_LINES: usize = 100;

/// Returns the file by which modprobe and modinfo find modules by their names. Each module
/// comes after those that it needs.
///
/// # Errors
///
/// Fails if a module or the kernel's release cannot be read.
pub fn modprobe_index(image: &KernelImage, modules: &[Module]) -> Result<GuestFile> {
    let path_of = |name: &str| format!("/root/{name}.ko");
    let mut needs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut text = String::new();
    for module in modules {
        let direct = depends(&module.path)?;
        // modpost names files, which may have dashes.
        let is_needed = |other: &&Module| {
            let name = other.kernel_name();
            direct.iter().any(|need| kernel_name(need) == name)
        };
        // Modules come after those that they need, and so all needs of these are known.
        let mut all: Vec<String> = Vec::new();
        for other in modules.iter().filter(is_needed) {
            let further = needs.get(&*other.name).into_iter().flatten().cloned();
            for path in [path_of(&other.name)].into_iter().chain(further) {
                if !all.contains(&path) {
                    all.push(path);
                }
            }
        }
        write!(text, "{}:", path_of(&module.name))?;
        for path in &all {
            write!(text, " {path}")?;
        }
        text.push('\n');
        needs.insert(&module.name, all);
    }
    let release = image.objects.join("include/config/kernel.release");
    let release = std::fs::read_to_string(&release)
        .with_context(|| format!("cannot read {}", release.display()))?;
    Ok(GuestFile {
        path: format!("/lib/modules/{}{MODPROBE_INDEX}", release.trim()),
        mode: 0o644,
        contents: text.into_bytes(),
    })
}

impl ModuleBuilder<'_> {
    /// Returns the files for the guests of a project with these modules, or the reason why one of
    /// them could not be made.
    ///
    /// # Errors
    ///
    /// Fails if the cache cannot be used, or if the compiler fails for a reason of the host's.
    pub(super) fn guest_files(
        &self,
        project: &Project,
        language: Language,
        modules: &[Module],
    ) -> Result<Result<Vec<GuestFile>, UnbuiltModule>> {
        let mut files = vec![modprobe_index(self.image, modules)?];
        for file in &project.guest_files {
            match self.guest_file(project, file) {
                Ok(file) => files.push(file),
                Err(error) if fault_of(&error) == Fault::Host => return Err(error),
                Err(error) => {
                    let unbuilt = UnbuiltModule::new(&project.name, language, &error);
                    return Ok(Err(unbuilt));
                }
            }
        }
        Ok(Ok(files))
    }

    fn guest_file(&self, project: &Project, file: &ProjectGuestFile) -> Result<GuestFile> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = match file.is_program() {
            true => self.program(project, &file.source)?,
            false => file.source.clone(),
        };
        let metadata = std::fs::metadata(&path)
            .with_context(|| format!("cannot look at {}", path.display()))?;
        let contents =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let executable = file.is_program() || metadata.permissions().mode() & 0o100 != 0;
        Ok(GuestFile {
            path: file.path.clone(),
            mode: if executable { 0o755 } else { 0o644 },
            contents,
        })
    }

    /// Compiles a program of one C source, and returns its path in the cache.
    fn program(&self, project: &Project, source: &Path) -> Result<std::path::PathBuf> {
        let name = source.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{}-{name}", project.name);
        let mut inputs = Inputs::new(KIND);
        // The source may include other files of the project, such as the header of an ioctl.
        let files = project.files()?;
        inputs
            .text("kernel", self.image.key.as_str())
            .file("source", source)?;
        for file in &files.files {
            inputs.file(&file.name.to_string_lossy(), &file.path)?;
        }
        let entry = self
            .session
            .cache
            .entry("programs", &name, &inputs.key(), |staging| {
                let work_folder = self.session.cache.work_folder(&format!("program-{name}"))?;
                let work = work_folder.path();
                files.copy_to(work)?;
                // A source may lie outside the project, if it is given by --with.
                let (target, shown) = match source.strip_prefix(&project.folder) {
                    Ok(relative) => (work.join(relative), project.shown.join(relative)),
                    Err(_) => {
                        let name = source.file_name().unwrap_or_default();
                        (work.join(name), source.to_owned())
                    }
                };
                copy(source, &target)?;
                self.compile_program(project, work, &target, &shown)?;
                copy(&work.join(PROGRAM), staging)
            })?;
        Ok(entry.path)
    }

    /// Compiles `source`, which messages call `shown_source`, in `work`.
    fn compile_program(
        &self,
        project: &Project,
        work: &Path,
        source: &Path,
        shown_source: &Path,
    ) -> Result<()> {
        let tree = &self.image.tree;
        let objects = &self.image.objects;
        let nolibc = tree.join("tools/include/nolibc");
        let include = |folder: &Path| format!("-I{}", folder.display());
        // `make headers` takes these includes out of the kernel's headers for programs.
        let inside = work.join(".inside");
        // A program includes these by habit; nolibc.h has all that nolibc has of them.
        let usual = work.join(".usual");
        let empty = [
            (&inside, &["linux/compiler.h", "linux/compiler_types.h"][..]),
            (&usual, &USUAL_HEADERS[..]),
        ];
        for (folder, names) in empty {
            for name in names {
                let path = folder.join(name);
                std::fs::create_dir_all(path.parent().unwrap_or(folder))
                    .and_then(|()| std::fs::write(&path, ""))
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        let clang = Tool::new(self.toolchain.llvm_bin.join("clang"))
            .clean_env()
            .args([
                "-static",
                "-nostdlib",
                "-nostdlibinc",
                "-fuse-ld=lld",
                "-Os",
                "-s",
            ])
            // Without -fno-builtin, clang calls functions that nolibc.h does not define for a file.
            .arg("-fno-builtin")
            .args(["-fno-stack-protector", "-fno-asynchronous-unwind-tables"])
            .args(["-Wall", "-Wno-unused-function", "-fno-ident", "-o"])
            .arg(work.join(PROGRAM))
            .arg(format!(
                "--ld-path={}",
                self.toolchain.llvm_bin.join("ld.lld").display()
            ))
            .arg("-include")
            .arg(nolibc.join("nolibc.h"))
            .arg(include(&nolibc))
            .args(["-D__user=", "-D__force=", "-D__attribute_const__="])
            .arg("-D__EXPORTED_HEADERS__")
            .arg(include(&inside))
            .arg(include(&tree.join("arch/x86/include/uapi")))
            .arg(include(&objects.join("arch/x86/include/generated/uapi")))
            .arg(include(&tree.join("include/uapi")))
            .arg(include(&objects.join("include/generated/uapi")))
            .arg(include(&usual))
            .arg(source);
        let clang = match sandbox::of(self, work, Vec::new())? {
            Some(sandbox) => clang.sandboxed(&sandbox)?,
            None => clang,
        };
        let log = work.join("build.log");
        let mut lines = Vec::new();
        let copy = source.display().to_string();
        let shown_source = shown_source.display().to_string();
        let shown = format!(
            "{}/",
            project.shown.display().to_string().trim_end_matches('/')
        );
        let here = format!("{}/", work.display());
        let compiled = clang.run_logged("compiling a program", &log, |line| {
            if lines.len() < MAX_LINES {
                lines.push(line.replace(&copy, &shown_source).replace(&here, &shown));
            }
        });
        compiled.map_err(|error| {
            let has = |text: &str| lines.iter().any(|line| line.contains(text));
            if !has("error: ") {
                return error;
            }
            let note = match has("file not found") || has("Permission denied") {
                true => format!(
                    "a program can include files of {}, and the kernel's headers for programs",
                    project.shown.display()
                ),
                false => "the guest's C library is nolibc, which has system calls, stdio, stdlib and string, but \
                          no threads"
                    .to_owned(),
            };
            Failure::lesson(format!(
                "{shown_source} does not compile as a program for the guest:\n{}\nnote: {note}",
                lines.join("\n")
            ))
            .into()
        })
    }
}

/// Headers of POSIX programs that nolibc has no file for in all kernels.
const USUAL_HEADERS: [&str; 22] = [
    "dirent.h",
    "errno.h",
    "fcntl.h",
    "inttypes.h",
    "limits.h",
    "poll.h",
    "sched.h",
    "signal.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
    "sys/ioctl.h",
    "sys/mman.h",
    "sys/mount.h",
    "sys/reboot.h",
    "sys/select.h",
    "sys/stat.h",
    "sys/syscall.h",
    "sys/time.h",
    "sys/types.h",
    "sys/wait.h",
    "unistd.h",
];

/// Name of a compiled program in the folder in which it is compiled.
const PROGRAM: &str = ".program";

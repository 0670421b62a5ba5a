//! gdb's command files for guests, with the symbols of the kernel and of its modules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::LoadedModule;
use crate::kernel::KernelImage;
use crate::project::Project;
use crate::workspace::Workspace;

/// Returns the folders in which gdb looks for sources, in this order: those of the projects, whose modules
/// name their sources relative to them, `modules/` of the clone, and the kernel's tree.
pub fn gdb_source_folders<'a>(
    projects: impl IntoIterator<Item = &'a Project>,
    workspace: &Workspace,
    tree: &Path,
) -> Vec<PathBuf> {
    let projects = projects.into_iter().map(|project| project.folder.clone());
    let others = [workspace.modules(), tree.to_owned()];
    projects.chain(others).collect()
}

/// Returns the commands that attach gdb to a guest whose debugger stub listens at `socket`. The
/// modules' files are `folder`/NAME.ko; `sources` are the folders of the sources.
pub fn gdb_script(
    folder: &Path,
    socket: &Path,
    kernel: &KernelImage,
    sources: &[PathBuf],
    loaded: &[LoadedModule],
) -> String {
    let mut script = begin(kernel, sources);
    script.push_str("set confirm off\n");
    for LoadedModule { name, sections } in loaded {
        let file = gdb_word(&folder.join(format!("{name}.ko")));
        // `write!` to a String cannot fail.
        let _ = writeln!(
            script,
            "add-symbol-file {file}{}",
            section_arguments(sections)
        );
    }
    script.push_str("set confirm on\n");
    // The only path that gdb reads to the end of the line, whatever is in it.
    script + &format!("target remote {}\n", socket.display())
}

/// Returns the commands that attach gdb to an interactive guest, which waits at `port` of the host
/// before its first instruction, and define `lx-symbols` by the Python script `symbols`.
pub fn interactive_gdb_script(
    kernel: &KernelImage,
    sources: &[PathBuf],
    port: u16,
    symbols: &Path,
) -> String {
    let mut script = begin(kernel, sources);
    let _ = writeln!(script, "target remote 127.0.0.1:{port}");
    script + &modules_of_guest(symbols)
}

/// Returns the same for an editor, which has loaded the kernel and attached gdb by itself.
pub fn editor_gdb_script(sources: &[PathBuf], symbols: &Path) -> String {
    source_folders(sources) + &modules_of_guest(symbols)
}

/// Returns the commands that give gdb, once it is attached, the symbols of the modules.
fn modules_of_guest(symbols: &Path) -> String {
    // A breakpoint in a module waits until the guest loads it. A gdb without Python has the symbols of
    // the kernel.
    format!("set breakpoint pending on\nsource {}\n", symbols.display())
}

/// Returns the beginning of all command files.
fn begin(kernel: &KernelImage, sources: &[PathBuf]) -> String {
    let mut script = String::from("# Made by `cargo xtask`, which removes it at its end.\n");
    let _ = writeln!(script, "file {}", gdb_word(&kernel.vmlinux()));
    script.push_str(&source_folders(sources));
    // gdb repeats a request after two seconds, which a busy host may need, and then takes the
    // late answer for that to its next request.
    script.push_str("set remotetimeout 60\n");
    script
}

/// Returns the commands by which gdb looks for a source in the first folder first: each puts its folder
/// before those of the commands above.
fn source_folders(sources: &[PathBuf]) -> String {
    let folders = sources.iter().rev();
    folders
        .map(|folder| format!("directory {}\n", gdb_word(folder)))
        .collect()
}

/// Returns the words of `add-symbol-file` for the sections of a module, each after a space. The file may be
/// anyone's, and what follows a line's end would be a command of gdb's, so a section whose name is not made of
/// letters, digits, `_`, `-` and `.` is left out: no compiler makes one.
pub(super) fn section_arguments(sections: &BTreeMap<String, u64>) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let words = sections.iter();
    words
        .filter(|(section, _)| !section.is_empty() && section.bytes().all(is_plain))
        .map(|(section, address)| format!(" -s {section} {address:#x}"))
        .collect()
}

/// Returns a path as one word of gdb's commands, which are split at white space outside of quotes
/// (`buildargv` in libiberty/argv.c).
pub(super) fn gdb_word(path: &Path) -> String {
    let path = path.display().to_string();
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editors_commands_do_not_attach() {
        let script = editor_gdb_script(&["/a b".into()], Path::new("/s/x.py"));
        assert_eq!(
            script,
            "directory \"/a b\"\nset breakpoint pending on\nsource /s/x.py\n"
        );
    }

    #[test]
    fn gdb_finds_the_sources_of_a_project_in_its_folder_first() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("x.c"), "MODULE_LICENSE(\"GPL\");\n")?;
        let project = Project::open(folder.path())?;
        let workspace = Workspace::find()?;
        let folders = gdb_source_folders([&*project], &workspace, Path::new("/tree"));
        let own = folder.path().canonicalize()?;
        assert_eq!(folders, [own, workspace.modules(), "/tree".into()]);
        Ok(())
    }

    #[test]
    fn the_first_folder_is_the_first_for_gdb() {
        let script = source_folders(&["/first".into(), "/second".into()]);
        assert_eq!(script, "directory \"/second\"\ndirectory \"/first\"\n");
    }

    #[test]
    fn a_section_whose_name_would_be_a_command_is_left_out() {
        let names = [".text", ".init.text 0\nshell touch x\n#", "a b", ""];
        let sections = names.map(|name| (name.to_owned(), 1)).into();
        assert_eq!(section_arguments(&sections), " -s .text 0x1");
    }

    #[test]
    fn a_path_with_quotes_is_one_word_for_gdb() {
        assert_eq!(gdb_word(Path::new("/a b/x.ko")), "\"/a b/x.ko\"");
        assert_eq!(gdb_word(Path::new(r#"/a"b\c"#)), r#""/a\"b\\c""#);
    }
}

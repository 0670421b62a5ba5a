//! gdb's command file for a guest, with the symbols of the kernel and of its modules.

use std::fmt::Write as _;
use std::path::Path;

use super::LoadedModule;
use crate::kernel::KernelImage;

/// Returns the commands that attach gdb to a guest whose debugger stub listens at `socket`. The
/// modules' files are `folder`/NAME.ko; `sources` are the folders of the sources.
pub fn gdb_script(
    folder: &Path,
    socket: &Path,
    kernel: &KernelImage,
    sources: &[&Path],
    loaded: &[LoadedModule],
) -> String {
    let mut script = String::from("# Made by `cargo xtask`, which removes it at its end.\n");
    // `write!` to a String cannot fail.
    let _ = writeln!(script, "file {}", gdb_word(&kernel.vmlinux()));
    for folder in sources {
        let _ = writeln!(script, "directory {}", gdb_word(folder));
    }
    script.push_str("set confirm off\n");
    for LoadedModule { name, sections } in loaded {
        let file = folder.join(format!("{name}.ko"));
        let _ = write!(script, "add-symbol-file {}", gdb_word(&file));
        for (section, address) in sections {
            let _ = write!(script, " -s {section} {address:#x}");
        }
        script.push('\n');
    }
    script.push_str("set confirm on\n");
    // gdb repeats a request after two seconds, which a busy host may need, and then takes the
    // late answer for that to its next request.
    script.push_str("set remotetimeout 60\n");
    // The only path that gdb reads to the end of the line, whatever is in it.
    let _ = writeln!(script, "target remote {}", socket.display());
    script
}

/// Returns a path as one word of gdb's commands, which are split at white space outside of quotes
/// (`buildargv` in libiberty/argv.c).
fn gdb_word(path: &Path) -> String {
    let path = path.display().to_string();
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_quotes_is_one_word_for_gdb() {
        assert_eq!(gdb_word(Path::new("/a b/x.ko")), "\"/a b/x.ko\"");
        assert_eq!(gdb_word(Path::new(r#"/a"b\c"#)), r#""/a\"b\\c""#);
    }
}

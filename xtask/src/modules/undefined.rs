//! Undefined symbols, with the lines of the calls and the folders that export them.
//!
//! modpost reports a symbol and a module, but no line: `ERROR: modpost: "x" [own.ko] undefined!`.

use anyhow::Result;

use super::calls::first_calls;
use crate::kernel::exported;
use crate::project::{Project, ProjectFiles};

/// Extensions of the files that may call a function.
const CALLERS: [&str; 3] = ["c", "h", "rs"];

/// Returns an error for the first call of each of these symbols in the files of a project, in the form of a
/// compiler's. `shown` is the project's folder in messages.
///
/// # Errors
///
/// Fails if a file cannot be read.
pub(super) fn errors_at_calls(
    files: &ProjectFiles,
    symbols: &[String],
    shown: &str,
) -> Result<Vec<String>> {
    let mut found: Vec<(String, String)> = Vec::new();
    let callers = CALLERS.iter().flat_map(|own| files.with_extension(own));
    for name in callers {
        let text = files.text(shown.as_ref(), name)?;
        for (line, symbol) in first_calls(&text, |name| symbols.iter().any(|own| own == name)) {
            if found.iter().all(|(known, _)| known != symbol) {
                let error = format!(
                    "{shown}/{}:{line}: error: {symbol}() is exported neither by this kernel nor \
                     by a module of this folder",
                    name.display()
                );
                found.push((symbol.to_owned(), error));
            }
        }
    }
    Ok(found.into_iter().map(|(_, error)| error).collect())
}

/// Returns a note for each of these symbols that a source of another project exports.
///
/// # Errors
///
/// Fails if a file cannot be read.
pub(super) fn notes_on_others(others: &[&Project], symbols: &[String]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for project in others {
        let files = project.files()?;
        for name in files.with_extension("c") {
            let text = files.text(&project.shown, name)?;
            for symbol in exported(&text).filter(|name| symbols.iter().any(|own| own == name)) {
                notes.push(format!(
                    "note: {symbol} is exported by {}; modules that use each other's symbols must \
                     be in one folder",
                    project.shown.join(name).display()
                ));
            }
        }
    }
    notes.sort();
    notes.dedup();
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    fn project(folder: &Path, files: &[(&str, &str)]) -> Result<Arc<Project>> {
        std::fs::create_dir(folder)?;
        for (name, text) in files {
            std::fs::write(
                folder.join(name),
                format!("{text}MODULE_LICENSE(\"GPL\");\n"),
            )?;
        }
        Project::open(folder)
    }

    #[test]
    fn an_undefined_symbol_has_the_line_of_its_call_and_its_exporter() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let user = "u64 adder_add(u32 n);\n\nint f(void) { return adder_add(5); }\n";
        let adder = "u64 adder_add(u32 n)\n{\n\treturn n;\n}\nEXPORT_SYMBOL_GPL(adder_add);\n";
        let user = project(&folder.path().join("user"), &[("user.c", user)])?;
        let adder = project(&folder.path().join("adder"), &[("adder.c", adder)])?;
        let symbols = ["adder_add".to_owned(), "nowhere".to_owned()];
        assert_eq!(
            errors_at_calls(&user.files()?, &symbols, "./user")?,
            [
                "./user/user.c:3: error: adder_add() is exported neither by this kernel nor by a \
                 module of this folder"
            ]
        );
        let notes = notes_on_others(&[&adder], &symbols)?;
        let exporter = folder.path().join("adder/adder.c");
        let note = format!(
            "note: adder_add is exported by {}; modules that use each other's symbols must be in \
             one folder",
            exporter.display()
        );
        assert_eq!(notes, [note]);
        Ok(())
    }
}

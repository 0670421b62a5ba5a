//! `new`: writes a module that builds, passes and is formatted.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::failure::Failure;
use crate::ide;
use crate::modules::Language;
use crate::program;
use crate::text::shell_word;
use crate::workspace::Workspace;

/// Options of `new`.
#[derive(Debug, Clone, clap::Args)]
pub struct NewOptions {
    /// The module's name, or a path that ends with the name; the folder must not exist
    #[arg(value_name = "NAME")]
    path: PathBuf,

    /// The language of the module
    #[arg(long, value_enum, default_value = "rust")]
    lang: NewLanguage,
}

/// The language of a new module, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum NewLanguage {
    /// One source in Rust
    Rust,
    /// One source in C
    C,
    /// The same module in both, tested by one text
    Both,
}

impl NewLanguage {
    fn languages(self) -> &'static [Language] {
        match self {
            Self::Rust => &[Language::Rust],
            Self::C => &[Language::C],
            Self::Both => &[Language::Rust, Language::C],
        }
    }
}

/// Longest name, in bytes: the kernel's limit of 55 leaves room for the names of test cases.
const LONGEST: usize = 40;

/// A file of the new folder: its path there and its text, in which `{name}` and `{type}` stand for
/// the module's name and the name of its type in Rust.
type Template = (&'static str, &'static str);

const RUST: &str = include_str!("new/module.rs.in");
const C: &str = include_str!("new/module.c.in");
const TEXT: &str = include_str!("new/text.md.in");
const MANIFEST: &str = include_str!("new/kmodlab.toml.in");
const WORKFLOW: &str = include_str!("new/workflow.yml.in");
const IGNORED: &str = include_str!("new/gitignore.in");

/// Files of every new folder.
const COMMON: [Template; 2] = [
    (".gitignore", IGNORED),
    (".github/workflows/kmodlab.yml", WORKFLOW),
];

/// Writes the folder, and prints the next command.
///
/// # Errors
///
/// Fails with a usage error if the name is not one for a module or the folder exists, and if a file
/// cannot be written; then nothing is left.
pub fn run(options: &NewOptions) -> Result<()> {
    let name = options.path.file_name().unwrap_or_default();
    let name = name.to_str().unwrap_or_default();
    if name.is_empty() {
        bail!(Failure::usage(format!(
            "{} has no name for a module at its end: give a name, such as `{} new mydriver`, or a path that ends \
             with one; the folder must not exist",
            options.path.display(),
            program::name()
        )));
    }
    check_name(name).map_err(Failure::usage)?;
    if let Ok(workspace) = Workspace::find() {
        let lesson = workspace.folder_of(name);
        ensure!(
            !lesson.exists(),
            Failure::usage(format!(
                "{name} is a lesson of kmodlab's; choose another name"
            ))
        );
    }
    let parent = options
        .path
        .parent()
        .filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new("."));
    ensure!(
        !options.path.exists(),
        Failure::usage(format!("{} exists already", options.path.display()))
    );
    ensure!(
        parent.is_dir(),
        Failure::usage(format!("{} is not a folder", parent.display()))
    );
    let staging = tempfile::Builder::new()
        .prefix(".kmodlab-new-")
        .tempdir_in(parent)
        .with_context(|| format!("cannot write in {}", parent.display()))?;
    for (file, template) in files(name, options.lang) {
        let path = staging.path().join(file);
        let write = || -> std::io::Result<()> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&path, filled(template, name))
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
    }
    // The other files for editors have paths of a kernel: `ide` writes them.
    let languages = options.lang.languages();
    ide::write(
        staging.path(),
        &[ide::tasks(&[]), ide::extensions(languages)],
    )?;
    use std::os::unix::fs::PermissionsExt as _;
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(staging.path(), everybody)
        .and_then(|()| std::fs::rename(staging.path(), &options.path))
        .with_context(|| format!("cannot make {}", options.path.display()))?;
    let path = match options.path.components().count() {
        1 => Path::new(".").join(&options.path),
        _ => options.path.clone(),
    };
    crate::outln!("created {}", options.path.display())?;
    let (program, path) = (program::name(), shell_word(&path));
    crate::outln!("for an editor: {program} ide {path}")?;
    crate::outln!("next: {program} test {path}")?;
    Ok(())
}

/// Returns the files of a new folder with their templates.
fn files(name: &str, language: NewLanguage) -> Vec<(String, &'static str)> {
    let own = match language {
        NewLanguage::Rust => vec![
            (format!("src/{name}.rs"), RUST),
            (format!("tests/{name}.md"), TEXT),
            ("kmodlab.toml".to_owned(), MANIFEST),
        ],
        NewLanguage::C => vec![
            (format!("src/{name}.c"), C),
            (format!("tests/{name}.md"), TEXT),
            ("kmodlab.toml".to_owned(), MANIFEST),
        ],
        NewLanguage::Both => vec![
            (format!("{name}.rs"), RUST),
            (format!("c/{name}.c"), C),
            ("README.md".to_owned(), TEXT),
        ],
    };
    let common = COMMON.map(|(file, template)| (file.to_owned(), template));
    own.into_iter()
        .map(|(file, template)| match (template, language) {
            // The manifest names the source.
            (MANIFEST, NewLanguage::C) => (file, include_str!("new/kmodlab-c.toml.in")),
            (_, _) => (file, template),
        })
        .chain(common)
        .collect()
}

fn filled(template: &str, name: &str) -> String {
    template
        .replace("{name}", name)
        .replace("{type}", &type_name(name))
}

/// Returns the name of the module's type in Rust: `MyDriver` for `my_driver`.
fn type_name(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_ascii_uppercase() + rest
        })
        .collect()
}

/// Names that a new module cannot have: the crates that modules in Rust are compiled against, words of Rust, and
/// parts of the kernel in /sys/module.
const TAKEN: [&str; 17] = [
    "alloc",
    "bindings",
    "build_error",
    "compiler_builtins",
    "core",
    "crate",
    "ffi",
    "kernel",
    "kernel_ext",
    "macros",
    "module",
    "pin_init",
    "printk",
    "self",
    "super",
    "uapi",
    "workqueue",
];

/// Checks that a name is one for a module in both languages.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    if TAKEN.contains(&name) {
        return Err(format!(
            "`{name}` is the name of a part of the kernel or of its crates; choose another one"
        ));
    }
    match begins && name.len() <= LONGEST && name.bytes().all(plain) && !name.ends_with('_') {
        true => Ok(()),
        false => Err(format!(
            "`{name}` is not a name for a new module: use up to {LONGEST} of a-z, 0-9 and _, a \
             letter first"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_the_modules_name() {
        assert_eq!(type_name("my_driver2"), "MyDriver2");
        assert_eq!(type_name("x"), "X");
        assert_eq!(type_name("a__b"), "AB");
    }

    #[test]
    fn a_name_is_one_in_both_languages() {
        for name in ["x", "my_driver", "a2"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in [
            "",
            "2a",
            "my-driver",
            "Driver",
            "a b",
            "x_",
            "kernel",
            "$(id)",
            &"x".repeat(41),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_folder_is_written_whole_and_never_over_another() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("mine");
        let options = NewOptions {
            path: path.clone(),
            lang: NewLanguage::Rust,
        };
        run(&options)?;
        assert!(path.join("src/mine.rs").is_file());
        let extensions = std::fs::read_to_string(path.join(".vscode/extensions.json"))?;
        assert!(extensions.contains("rust-analyzer") && !extensions.contains("clangd"));
        let error = run(&options).expect_err("the folder exists");
        assert!(error.to_string().ends_with("mine exists already"));
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }
}

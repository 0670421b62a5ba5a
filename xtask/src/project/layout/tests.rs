use super::*;
use crate::project::detection::has_modules;
use crate::project::files::ProjectFile;

/// A folder with these files, each with its text.
struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            let path = folder.path().join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, text)?;
        }
        Ok(Self { folder })
    }

    fn builds(&self, name: &str) -> Result<Vec<Build>> {
        let root = self.folder.path().canonicalize()?;
        let shown = Path::new("here");
        let files = ProjectFiles::of(&root, shown)?;
        let manifest = Manifest::load(&root, shown)?;
        builds(name, shown, &files, &manifest)
    }

    fn error(&self, name: &str) -> String {
        match self.builds(name) {
            Ok(builds) => format!("no error: {builds:?}"),
            Err(error) => error.to_string(),
        }
    }
}

fn text(build: &Build) -> &str {
    match &build.kbuild {
        KbuildSource::Own => "",
        KbuildSource::Written(text) => text,
    }
}

#[test]
fn a_kbuild_is_taken_as_it_is() -> Result<()> {
    for kbuild in [
        "obj-m := x.o\n",
        "  obj-$(CONFIG_X) += x.o\n",
        "include x.mk\n",
    ] {
        for name in ["Kbuild", "Makefile"] {
            let folder = Folder::new(&[(name, kbuild), ("x.c", "")])?;
            let own = Build {
                language: Language::C,
                kbuild: KbuildSource::Own,
                modules: None,
                uses_kernel_ext: false,
            };
            assert_eq!(folder.builds("x")?, [own]);
        }
    }
    Ok(())
}

#[test]
fn a_makefile_without_modules_is_not_a_kbuild() -> Result<()> {
    let folder = Folder::new(&[
        ("Makefile", "all:\n\ttrue\n"),
        ("x.c", "MODULE_LICENSE(\"GPL\");"),
    ])?;
    let builds = folder.builds("y")?;
    assert!(text(&builds[0]).contains("obj-m += x.o\nx-y :=  src/x.o\n"));
    Ok(())
}

#[test]
fn a_manifest_lists_sources_in_both_languages() -> Result<()> {
    let folder = Folder::new(&[
        (
            "kmodlab.toml",
            "[module.drv]\nsources = [\"a/drv.rs\", \"a/hw.c\"]\ninclude = [\"inc\"]\ncflags = [\"-DX=1\"]\n",
        ),
        ("a/drv.rs", "use kernel_ext::kthread::KThread;\n"),
        ("a/hw.c", ""),
        ("inc/hw.h", ""),
    ])?;
    let builds = folder.builds("y")?;
    assert_eq!(builds[0].language, Language::Rust);
    assert!(builds[0].uses_kernel_ext);
    let expected = "# Written by kmodlab.
rustflags-y += -Zshare-generics=no

obj-m += drv.o
drv-y := kernel_ext/modinfo.o kernel_ext/kernel_ext.o kernel_ext/helpers.a src/a/drv.o src/a/hw.o
RUSTFLAGS_src/a/drv.o := --extern kernel_ext=$(obj)/kernel_ext/libkernel_ext.rmeta
CFLAGS_src/a/drv.o += -I$(src)/src/inc -DX=1
CFLAGS_src/a/hw.o += -I$(src)/src/inc -DX=1
";
    assert_eq!(text(&builds[0]), expected);
    Ok(())
}

#[test]
fn a_lesson_has_a_build_in_each_language() -> Result<()> {
    let folder = Folder::new(&[
        ("x.rs", "use kernel_ext::a;"),
        ("c/x.c", ""),
        ("README.md", ""),
    ])?;
    let builds = folder.builds("x")?;
    let languages: Vec<Language> = builds.iter().map(|build| build.language).collect();
    assert_eq!(languages, [Language::Rust, Language::C]);
    assert!(text(&builds[1]).contains("x-y :=  src/c/x.o\n"));
    Ok(())
}

#[test]
fn sources_alone_are_a_module_each() -> Result<()> {
    let folder = Folder::new(&[
        ("a.rs", "// kernel_ext::unused\nmodule! {}"),
        ("b.c", "MODULE_LICENSE(\"GPL\");"),
        ("test.c", "int main(void) { return 0; }"),
    ])?;
    let builds = folder.builds("y")?;
    assert!(!builds[0].uses_kernel_ext);
    assert!(text(&builds[0]).contains("obj-m += a.o"));
    assert!(text(&builds[0]).contains("obj-m += b.o"));
    assert!(!text(&builds[0]).contains("test"));
    Ok(())
}

#[test]
fn a_crate_has_no_dash() -> Result<()> {
    let folder = Folder::new(&[
        ("my-module.rs", "module! {}"),
        ("my-other.c", "MODULE_LICENSE"),
    ])?;
    let builds = folder.builds("y")?;
    let text = text(&builds[0]);
    assert!(text.contains("obj-m += my-module.o\nmy-module-y :=  src/my_module.o\n"));
    assert!(text.contains("$(obj)/src/my_module.o: $(src)/src/my-module.rs FORCE\n\t+$(call"));
    assert!(text.contains("obj-m += my-other.o\nmy-other-y :=  src/my-other.o\n"));
    Ok(())
}

#[test]
fn errors_name_the_file_and_the_remedy() -> Result<()> {
    let two = Folder::new(&[
        ("kmodlab.toml", "[module.x]\nsources = [\"x.c\"]\n"),
        ("Kbuild", "obj-m := x.o\n"),
        ("x.c", ""),
    ])?;
    assert!(
        two.error("x")
            .starts_with("here/kmodlab.toml and here/Kbuild both describe modules")
    );

    let none = Folder::new(&[("README.md", ""), ("sub/Kbuild", "obj-m := x.o\n")])?;
    let error = none.error("x");
    assert!(error.starts_with("here has no module: "), "{error}");
    assert!(
        error.ends_with("these folders in it may: here/sub"),
        "{error}"
    );

    let many: Vec<String> = (0..30).map(|i| format!("m{i:02}/x.c")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|it| (&**it, "MODULE_LICENSE")).collect();
    let error = Folder::new(&many)?.error("x");
    assert!(
        error.contains(" here/m00, here/m01,") && error.ends_with(" here/m07, and 22 more"),
        "{error}"
    );

    let manifest = |text: &str| Folder::new(&[("kmodlab.toml", text), ("x.c", ""), ("x.rs", "")]);
    let missing = manifest("[module.x]\nsources = [\"y.c\"]\n")?;
    assert!(
        missing
            .error("x")
            .starts_with("here/y.c, a source of the module x, does not exist")
    );
    let clash = manifest("[module.x]\nsources = [\"x.c\", \"x.rs\"]\n")?;
    assert!(
        clash
            .error("x")
            .contains("x.c and x.rs would both become x.o")
    );
    let shared = manifest("[module.a]\nsources = [\"x.c\"]\n[module.b]\nsources = [\"x.c\"]\n")?;
    assert!(shared.error("x").contains("x.c is a source of two modules"));
    let name = manifest("[module.\"$(shell id)\"]\nsources = [\"x.c\"]\n")?;
    assert!(name.error("x").contains("is not a name for a module"));
    let flag = manifest("[module.x]\nsources = [\"x.c\"]\ncflags = [\"-D$(shell id)\"]\n")?;
    assert!(flag.error("x").contains("is not a flag"));
    let empty = manifest("[module.x]\nsources = []\n")?;
    assert!(empty.error("x").contains("the module x has no sources"));
    Ok(())
}

#[test]
fn a_file_that_was_left_out_is_explained() {
    let files = ProjectFiles {
        files: vec![ProjectFile {
            name: PathBuf::from("y.c"),
            path: PathBuf::from("/y.c"),
        }],
        left_out: vec!["x.c was left out: it is a symbolic link out of the folder".to_owned()],
    };
    let entry = ModuleEntry::of_source("x.c".to_owned());
    let modules = BTreeMap::from([("x".to_owned(), entry)]);
    let error = written(&modules, &files, Path::new("here")).expect_err("a missing source");
    assert!(
        error
            .to_string()
            .ends_with("\nnote: x.c was left out: it is a symbolic link out of the folder")
    );
}

#[test]
fn a_folder_with_a_source_alone_has_modules() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| -> Result<()> {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        Ok(std::fs::write(path, text)?)
    };
    write("main.c", "int main(void) { return 0; }\n")?;
    write("lib.rs", "macro_rules! module_name { () => {} }\n")?;
    write("Makefile", "all:\n\tcc main.c\n")?;
    write("notes.txt", "MODULE_LICENSE module!\n")?;
    write("src/driver.c", "MODULE_LICENSE(\"GPL\");\n")?;
    assert!(!has_modules(folder.path()));
    for (name, text) in [
        ("driver.c", "/* \u{fc} */ MODULE_LICENSE(\"GPL\");\n"),
        ("driver.rs", "module! { name: \"driver\" }\n"),
        ("c/driver.c", "MODULE_LICENSE(\"GPL\");\n"),
        ("Kbuild", "obj-m := driver.o\n"),
        ("kmodlab.toml", ""),
    ] {
        write(name, text)?;
        assert!(has_modules(folder.path()), "{name}");
        std::fs::remove_file(folder.path().join(name))?;
    }
    Ok(())
}

#[test]
fn a_source_without_a_license_is_named() -> Result<()> {
    let folder = Folder::new(&[
        ("tool.c", "int main(void) { return 0; }\n"),
        (
            "own.c",
            "static int own(void) { return 0; }\nmodule_init(own);\n",
        ),
    ])?;
    let error = folder.error("own");
    assert!(
        error.starts_with("here/own.c: this source has an init"),
        "{error}"
    );
    assert!(error.contains("MODULE_LICENSE(\"GPL\");"), "{error}");
    Ok(())
}

#[test]
fn an_unknown_module_in_load_is_an_error_of_the_manifest() -> Result<()> {
    let source = "MODULE_LICENSE(\"GPL\");\n";
    let open = |load: &str| -> Result<_> {
        let manifest = format!("[test]\nload = [{load}]\n");
        let files = [
            ("wq-a.c", source),
            ("wq_b.c", source),
            ("kmodlab.toml", &manifest),
        ];
        let folder = Folder::new(&files)?;
        Ok(crate::project::Project::open(folder.folder.path()))
    };
    open("\"wq_b\", \"wq_a\"")??;
    let error = open("\"wq_bb\"")?.expect_err("an unknown module");
    assert_eq!(
        crate::failure::fault_of(&error),
        crate::failure::Fault::Lesson
    );
    let error = error.to_string();
    let end = "/kmodlab.toml: `load` names wq_bb, which is not one of the modules wq-a, wq_b";
    assert!(error.ends_with(end), "{error}");
    Ok(())
}

#[test]
fn a_kbuild_that_leads_to_itself_is_found() {
    for (text, folder) in [
        ("obj-m := x.o ./\n", Some("./")),
        ("obj-m += ../\n", Some("../")),
        ("  obj-$(CONFIG_X) += a/ .././b/ # up\n", Some(".././b/")),
        ("obj-m := x.o sub/ ./other/ # ./\n", None),
        ("ccflags-y := -I../\n", None),
    ] {
        assert_eq!(endless_folder(text, 0), folder, "{text}");
    }
    assert_eq!(endless_folder("obj-m := ../\n", 1), Some("../"));
    assert_eq!(endless_folder("obj-m := ../other/\n", 1), None);
    assert_eq!(
        endless_folder("obj-m := ../../other/\n", 1),
        Some("../../other/")
    );
}

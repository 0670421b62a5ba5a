//! `rust-project.json`, from which rust-analyzer learns the crates of a module
//! (<https://rust-analyzer.github.io/book/non_cargo_based_projects.html>).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::EditorFile;
use crate::modules::{EXAMPLE, EditorCrates};

/// A module in Rust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleCrate {
    /// The crate's name.
    pub name: String,
    /// Its root.
    pub root: PathBuf,
    /// Whether it is compiled with `kernel_ext`.
    pub uses_kernel_ext: bool,
}

/// Returns `rust-project.json` for these modules, or none if there are none. `version` is the
/// kernel's, `6.12.117` for instance.
///
/// # Errors
///
/// Fails if the list of the kernel's crates cannot be read or is not one.
pub fn rust_project(
    crates: &EditorCrates,
    version: &str,
    modules: &[ModuleCrate],
) -> Result<Option<EditorFile>> {
    if modules.is_empty() {
        return Ok(None);
    }
    let list = || crates.kernel.display().to_string();
    let text = std::fs::read_to_string(&crates.kernel).with_context(list)?;
    let mut project: Value = serde_json::from_str(&text).with_context(list)?;
    // The compiler's own may find its libraries only by a variable, and 6.7 names none.
    project["sysroot"] = json!(crates.sysroot);
    let all = project["crates"].as_array_mut().with_context(list)?;
    let example = all.pop().unwrap_or_default();
    ensure!(
        example["display_name"] == EXAMPLE,
        "{}: the last crate is not {EXAMPLE}",
        list()
    );
    // Crates that nobody edits here.
    for known in &mut *all {
        known["is_workspace_member"] = json!(false);
    }
    let krate = |name: &str, root: &Path| {
        let mut krate = example.clone();
        krate["display_name"] = json!(name);
        krate["root_module"] = json!(root);
        krate
    };
    let mut kernel_ext = krate("kernel_ext", &crates.kernel_ext);
    let series: Vec<&str> = version.split('.').take(2).collect();
    push(
        &mut kernel_ext["cfg"],
        json!(format!("kernel=\"{}\"", series.join("."))),
    );
    kernel_ext["is_workspace_member"] = json!(false);
    let number = all.len();
    all.push(kernel_ext);
    for module in modules {
        let mut krate = krate(&module.name, &module.root);
        if module.uses_kernel_ext {
            push(
                &mut krate["deps"],
                json!({"crate": number, "name": "kernel_ext"}),
            );
        }
        krate["is_workspace_member"] = json!(true);
        push(&mut krate["cfg"], json!("MODULE"));
        krate["env"]["RUST_MODFILE"] = json!(module.name);
        all.push(krate);
    }
    Ok(Some(EditorFile {
        name: "rust-project.json",
        text: serde_json::to_string_pretty(&project)? + "\n",
        generated: true,
    }))
}

/// Appends to an array, which is made if there is none.
fn push(array: &mut Value, value: Value) {
    match array.as_array_mut() {
        Some(array) => array.push(value),
        None => *array = json!([value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_take_the_place_of_the_example() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let kernel = folder.path().join("rust-project.json");
        let crates = EditorCrates {
            kernel: kernel.clone(),
            kernel_ext: PathBuf::from("/cache/kernel_ext/lib.rs"),
            sysroot: PathBuf::from("/r"),
        };
        std::fs::write(
            &kernel,
            r#"{"sysroot": "/s", "crates": [
                {"display_name": "kernel", "deps": [], "cfg": [], "is_workspace_member": true},
                {"display_name": "example", "deps": [{"crate": 0, "name": "kernel"}], "cfg": ["CONFIG_X"]}]}"#,
        )?;
        let module = ModuleCrate {
            name: "mine".to_owned(),
            root: PathBuf::from("/home/me/mine.rs"),
            uses_kernel_ext: true,
        };
        let file = rust_project(&crates, "6.12.117", &[module])?;
        let text = file.map(|file| file.text).unwrap_or_default();
        let project: Value = serde_json::from_str(&text)?;
        assert_eq!(project["sysroot"], "/r");
        let all = project["crates"].as_array().context("crates")?;
        let names: Vec<&str> = all
            .iter()
            .filter_map(|krate| krate["display_name"].as_str())
            .collect();
        assert_eq!(names, ["kernel", "kernel_ext", "mine"]);
        assert_eq!(all[1]["cfg"], json!(["CONFIG_X", "kernel=\"6.12\""]));
        assert_eq!(
            all[2]["deps"],
            json!([{"crate": 0, "name": "kernel"}, {"crate": 1, "name": "kernel_ext"}])
        );
        assert_eq!(rust_project(&crates, "6.12", &[])?, None);
        Ok(())
    }
}

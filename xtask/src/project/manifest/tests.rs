use super::*;

fn load(text: &str) -> Result<Manifest> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join(MANIFEST), text)?;
    Manifest::load(folder.path(), Path::new("."))
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let error = load("[test]\ntext = [\"x\"]\n").expect_err("an unknown key");
    let error = error.to_string();
    assert!(
        error.starts_with("./kmodlab.toml:2: unknown field"),
        "{error}"
    );
    assert!(error.contains("unknown field `text`, expected one of `texts`, `load`"));
}

#[test]
fn a_path_may_begin_with_the_current_folder() {
    for (path, plain) in [
        ("./src/x.c", "src/x.c"),
        ("include/", "include"),
        ("./", "."),
        (".", "."),
        ("../x.c", "../x.c"),
        ("/etc/x.c", "/etc/x.c"),
    ] {
        assert_eq!(without_current_folder(path), plain, "{path}");
    }
}

#[test]
fn a_link_to_nothing_is_not_a_missing_manifest() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::os::unix::fs::symlink("nothing", folder.path().join(MANIFEST))?;
    let error = Manifest::load(folder.path(), Path::new(".")).expect_err("a link to nothing");
    assert!(
        error
            .to_string()
            .starts_with("./kmodlab.toml cannot be read"),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_machine_has_devices() -> Result<()> {
    let guest = |table: &str| load(&format!("[guest]\n{table}\n"))?.guest(Path::new("."));
    let choice = guest("machine = \"q35\"\ndevices = [\"edu,dma_mask=0xffff\"]")?;
    assert_eq!(choice.machine, Some(MachineName::Q35));
    assert_eq!(choice.devices[0].text.to_string(), "edu,dma_mask=0xffff");
    for (table, reason) in [
        ("machine = \"pc\"", "expected `microvm` or `q35`"),
        ("devices = [\"edu -drive\"]", "`edu -drive` is not a device"),
        ("devices = [\"vfio-pci\"]", "a part of the host"),
    ] {
        let error = guest(table).expect_err(table);
        assert_eq!(crate::failure::fault_of(&error), Fault::Lesson);
        assert!(error.to_string().contains(reason), "{error}");
    }
    Ok(())
}

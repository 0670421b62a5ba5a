//! `cargo xtask doctor`: checks the requirements of a build and suggests fixes.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;

use crate::failure::Fault;
use crate::initramfs::Initramfs;
use crate::kernel::KernelImage;
use crate::process;
use crate::session::Session;
use crate::streams;
use crate::toolchain::{self, Requirement, RequirementState};
use crate::vm::accel::{self, Kvm};

/// Options of `doctor`.
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorOptions {}

/// Prints the table of requirements to standard output. Returns 0 if a build would succeed without a
/// question, else 69. KVM and the sandbox are not requirements.
///
/// # Errors
///
/// Fails if there is no clone or cache, and if QEMU cannot be started for the check of KVM.
pub fn run(_options: &DoctorOptions) -> Result<ExitCode> {
    let session = Session::new(false, false, None)?;
    let requirements = toolchain::requirements(&session);
    let mut stdout = streams::stdout();
    write!(stdout, "{}", table(&requirements))?;
    writeln!(
        stdout,
        "{:MARK$}{:TOOL$}{}",
        "",
        "kvm",
        kvm(&session, &requirements)?
    )?;
    writeln!(stdout, "{:MARK$}{:TOOL$}{}", "", "sandbox", sandbox())?;
    writeln!(stdout, "\n{}", summary(&requirements))?;
    if let Some(line) = toolchain::install_all(&requirements) {
        writeln!(stdout, "to install all missing packages:\n  {line}")?;
    }
    if requirements
        .iter()
        .any(|requirement| requirement.state == RequirementState::Unmet)
    {
        Ok(ExitCode::from(Fault::Host.status()))
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns whether a guest boots under KVM, or the reason for which that is not known.
fn kvm(session: &Session, requirements: &[Requirement]) -> Result<String> {
    let word = |kvm: Kvm| {
        let works = if kvm.works { "works" } else { "does not work" };
        format!("{works}: {}", kvm.why)
    };
    if requirements
        .iter()
        .any(|requirement| requirement.state != RequirementState::Met)
    {
        return Ok("not tried: tools are missing".to_owned());
    }
    let toolchain = toolchain::provision(session)?;
    if let Some(kvm) = accel::known(session, &toolchain)? {
        return Ok(word(kvm));
    }
    let Some(kernel) = KernelImage::any(&session.cache)? else {
        return Ok("not tried: this takes a boot, and no kernel is built yet".to_owned());
    };
    let initramfs = Initramfs::pack(session, &toolchain.busybox, &[])?;
    Ok(word(accel::try_kvm(
        session, &toolchain, &kernel, &initramfs,
    )?))
}

/// Returns whether compilers can be kept from the host's files.
fn sandbox() -> &'static str {
    match process::has_landlock() {
        true => "works: the kernel has Landlock",
        false => "does not work: the kernel has no Landlock; only the text of modules is checked",
    }
}

/// Widths of the first two columns.
const MARK: usize = 6;
const TOOL: usize = 16;

/// Returns a line for each requirement, with the mark, the tool, its version and its path, and
/// below it a line with the fix.
fn table(requirements: &[Requirement]) -> String {
    let version = requirements
        .iter()
        .filter(|requirement| requirement.path.is_some())
        .map(|requirement| requirement.found.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for Requirement {
        tool,
        found,
        path,
        state,
        fix,
        package: _,
    } in requirements
    {
        let mark = match state {
            RequirementState::Met => "ok",
            RequirementState::Later => "later",
            RequirementState::Unmet => "LACKS",
        };
        let rest = match path {
            Some(path) => format!("{found:version$}  {}", path.display()),
            None => found.clone(),
        };
        text.push_str(&format!("{mark:MARK$}{tool:TOOL$}{rest}\n"));
        if let Some(fix) = fix {
            text.push_str(&format!("{:MARK$}  {fix}\n", ""));
        }
    }
    text
}

/// Returns the last line, which sums up the table.
fn summary(requirements: &[Requirement]) -> String {
    let count = |state| {
        let in_state = |requirement: &&Requirement| requirement.state == state;
        requirements.iter().filter(in_state).count()
    };
    match (
        count(RequirementState::Unmet),
        count(RequirementState::Later),
    ) {
        (0, 0) => "all requirements are met".to_owned(),
        (0, later) => format!("all requirements are met; a build first installs {later} of them"),
        (1, _) => "1 requirement is not met; the line below it has the fix".to_owned(),
        (unmet, _) => {
            format!("{unmet} requirements are not met; the lines below them have the fixes")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn requirement(state: RequirementState, path: Option<&str>, fix: Option<&str>) -> Requirement {
        Requirement {
            tool: "qemu".to_owned(),
            found: "7.2.22".to_owned(),
            path: path.map(PathBuf::from),
            state,
            fix: fix.map(str::to_owned),
            package: None,
        }
    }

    #[test]
    fn each_requirement_has_a_line_and_its_fix_another() {
        let requirements = [
            requirement(RequirementState::Met, Some("/usr/bin/qemu"), None),
            requirement(RequirementState::Later, None, None),
            requirement(RequirementState::Unmet, None, Some("apt-get install qemu")),
        ];
        assert_eq!(
            table(&requirements),
            "ok    qemu            7.2.22  /usr/bin/qemu\n\
             later qemu            7.2.22\n\
             LACKS qemu            7.2.22\n        apt-get install qemu\n"
        );
        assert!(summary(&requirements).starts_with("1 requirement is not met"));
        assert!(summary(&requirements[..2]).contains("first installs 1 of them"));
        assert_eq!(summary(&requirements[..1]), "all requirements are met");
    }
}

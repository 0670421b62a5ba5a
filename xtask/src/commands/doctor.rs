//! `cargo xtask doctor`: what this machine has, lacks, and how to mend it.

use std::process::ExitCode;

use anyhow::Result;

use crate::failure::Fault;
use crate::initramfs::Initramfs;
use crate::kernel::KernelImage;
use crate::session::Session;
use crate::toolchain::{self, Requirement, RequirementState};
use crate::vm::accel::{self, Kvm};

/// Options of `doctor`.
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorOptions {}

/// Prints the table of needs to standard output. The status is 0 if a build
/// would go through without a question, 69 if not. KVM is never a need.
pub fn run(_options: &DoctorOptions) -> Result<ExitCode> {
    let session = Session::new(false, false, None)?;
    let needs = toolchain::requirements(&session);
    print!("{}", table(&needs));
    println!("{:MARK$}{:WHAT$}{}", "", "kvm", kvm(&session, &needs)?);
    println!("\n{}", verdict(&needs));
    if let Some(line) = toolchain::install_all(&needs) {
        println!("to install all packages that are missing:\n  {line}");
    }
    if needs
        .iter()
        .any(|need| need.state == RequirementState::Unmet)
    {
        Ok(ExitCode::from(Fault::Host.status()))
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// Whether a guest really boots under KVM, as far as it was tried.
fn kvm(session: &Session, needs: &[Requirement]) -> Result<String> {
    let word = |kvm: Kvm| {
        let works = if kvm.works { "works" } else { "does not work" };
        format!("{works}: {}", kvm.why)
    };
    if needs.iter().any(|need| need.state != RequirementState::Met) {
        return Ok("not tried: tools are missing".to_owned());
    }
    let toolchain = toolchain::provision(session)?;
    if let Some(kvm) = accel::known(session, &toolchain)? {
        return Ok(word(kvm));
    }
    let Some(kernel) = KernelImage::any(&session.cache)? else {
        return Ok("not tried: only a boot tells, and no kernel is built yet".to_owned());
    };
    let initramfs = Initramfs::pack(session, &toolchain, &[])?;
    Ok(word(accel::try_kvm(
        session, &toolchain, &kernel, &initramfs,
    )?))
}

/// The widths of the first two columns.
const MARK: usize = 6;
const WHAT: usize = 16;

/// One line a need: the mark, what it is, the version found, and where. What
/// mends it is in a line below.
fn table(needs: &[Requirement]) -> String {
    let version = needs
        .iter()
        .filter(|need| need.place.is_some())
        .map(|need| need.found.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for Requirement {
        what,
        found,
        place,
        state,
        mend,
        package: _,
    } in needs
    {
        let mark = match state {
            RequirementState::Met => "ok",
            RequirementState::Later => "later",
            RequirementState::Unmet => "LACKS",
        };
        let rest = match place {
            Some(place) => format!("{found:version$}  {}", place.display()),
            None => found.clone(),
        };
        text.push_str(&format!("{mark:MARK$}{what:WHAT$}{rest}\n"));
        if let Some(mend) = mend {
            text.push_str(&format!("{:MARK$}  {mend}\n", ""));
        }
    }
    text
}

fn verdict(needs: &[Requirement]) -> String {
    let count = |state| needs.iter().filter(|need| need.state == state).count();
    match (
        count(RequirementState::Unmet),
        count(RequirementState::Later),
    ) {
        (0, 0) => "a build will go through".to_owned(),
        (0, later) => format!("a build will go through; it gets {later} of these itself first"),
        (1, _) => "a build lacks 1 of these; the line below it mends that".to_owned(),
        (some, _) => format!("a build lacks {some} of these; the lines below them mend that"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn need(state: RequirementState, place: Option<&str>, mend: Option<&str>) -> Requirement {
        Requirement {
            what: "qemu".to_owned(),
            found: "7.2.22".to_owned(),
            place: place.map(PathBuf::from),
            state,
            mend: mend.map(str::to_owned),
            package: None,
        }
    }

    #[test]
    fn a_need_is_a_line_and_its_mending_another() {
        let needs = [
            need(RequirementState::Met, Some("/usr/bin/qemu"), None),
            need(RequirementState::Later, None, None),
            need(RequirementState::Unmet, None, Some("apt-get install qemu")),
        ];
        assert_eq!(
            table(&needs),
            "ok    qemu            7.2.22  /usr/bin/qemu\n\
             later qemu            7.2.22\n\
             LACKS qemu            7.2.22\n        apt-get install qemu\n"
        );
        assert!(verdict(&needs).starts_with("a build lacks 1 of these"));
        assert!(verdict(&needs[..2]).contains("gets 1 of these itself"));
        assert_eq!(verdict(&needs[..1]), "a build will go through");
    }
}

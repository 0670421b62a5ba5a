//! `cargo xtask doctor`: what this machine has, lacks, and how to mend it.

use std::process::ExitCode;

use crate::failure::Fault;
use crate::session::Session;
use crate::toolchain::{self, Need, State};

/// Prints the table of needs to standard output. The status is 0 if a build
/// would go through without a question, 69 if not. `kvm` says whether a guest
/// boots under KVM; a build and a boot go without it.
pub fn run(session: &Session, kvm: &dyn Fn() -> String) -> ExitCode {
    let needs = toolchain::survey(session);
    print!("{}", table(&needs));
    println!("{:MARK$}{:WHAT$}{}", "", "kvm", kvm());
    println!("\n{}", verdict(&needs));
    if let Some(line) = toolchain::install_all(&needs) {
        println!("to install all packages that are missing:\n  {line}");
    }
    if needs.iter().any(|need| need.state == State::Unfit) {
        ExitCode::from(Fault::Machine.status())
    } else {
        ExitCode::SUCCESS
    }
}

/// The widths of the first two columns.
const MARK: usize = 6;
const WHAT: usize = 16;

/// One line a need: the mark, what it is, the version found, and where. What
/// mends it is in a line below.
fn table(needs: &[Need]) -> String {
    let version = needs
        .iter()
        .filter(|need| need.place.is_some())
        .map(|need| need.found.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for Need {
        what,
        found,
        place,
        state,
        mend,
        package: _,
    } in needs
    {
        let mark = match state {
            State::Fit => "ok",
            State::Provisioned => "later",
            State::Unfit => "LACKS",
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

fn verdict(needs: &[Need]) -> String {
    let count = |state| needs.iter().filter(|need| need.state == state).count();
    match (count(State::Unfit), count(State::Provisioned)) {
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

    fn need(state: State, place: Option<&str>, mend: Option<&str>) -> Need {
        Need {
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
            need(State::Fit, Some("/usr/bin/qemu"), None),
            need(State::Provisioned, None, None),
            need(State::Unfit, None, Some("apt-get install qemu")),
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

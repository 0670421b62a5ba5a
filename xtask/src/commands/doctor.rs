//! `cargo xtask doctor`: what this machine has, lacks, and how to mend it.

use std::process::ExitCode;

use crate::failure::Fault;
use crate::session::Session;
use crate::toolchain::{self, Need, State};

/// Prints the table of needs to standard output. The status is 0 if a build
/// would go through without a question, 69 if not. `kvm` says whether a guest
/// boots under KVM; KVM is never a need.
pub fn run(session: &Session, kvm: &dyn Fn() -> String) -> ExitCode {
    let needs = toolchain::survey(session);
    print!("{}", table(&needs));
    println!("{:MARK$}{:WHAT$}{}", "", "kvm", kvm());
    println!();
    print!("{}", verdict(&needs));
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
        .map(|need| short(&need.found).len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for Need {
        what,
        found,
        place,
        state,
        mend,
    } in needs
    {
        let mark = match state {
            State::Fit => "ok",
            State::Provisioned => "later",
            State::Unfit => "LACKS",
        };
        let rest = match place {
            Some(place) => format!("{:version$}  {}", short(found), place.display()),
            None => found.clone(),
        };
        text.push_str(&format!("{mark:MARK$}{what:WHAT$}{rest}\n"));
        if let Some(mend) = mend {
            text.push_str(&format!("{:indent$}{mend}\n", "", indent = MARK + WHAT));
        }
    }
    text
}

/// A version without the story of its build: `1.85.0` of `rustc 1.85.0 (…)`.
fn short(found: &str) -> &str {
    let found = found.strip_prefix("rustc ").unwrap_or(found);
    found.split_whitespace().next().unwrap_or_default()
}

fn verdict(needs: &[Need]) -> String {
    let lacking = |state| needs.iter().filter(|need| need.state == state).count();
    match (lacking(State::Unfit), lacking(State::Provisioned)) {
        (0, 0) => "a build will go through\n".to_owned(),
        (0, later) => format!("a build will go through, and get {later} by itself first\n"),
        (1, _) => "a build needs one more thing; the line below it says how to get it\n".to_owned(),
        (some, _) => {
            format!("a build needs {some} more things; the lines below them say how to get them\n")
        }
    }
}

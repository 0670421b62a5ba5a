//! The guest's `insmod`, for which the agent is started under that name.
//!
//! The one of busybox passes a module to the kernel a second time in another way when the kernel refuses it,
//! so an `init` that fails runs twice. This program passes the module once. Its
//! messages and exit statuses are those of busybox.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use rustix::io::Errno;

/// Loads the module that the arguments name, with its parameters.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(file) = arguments
        .next()
        .filter(|file| !file.as_bytes().starts_with(b"-"))
    else {
        eprintln!("Usage: insmod FILE [SYMBOL=VALUE]...");
        return ExitCode::FAILURE;
    };
    let failed = |why: &str, status: u8| {
        eprintln!(
            "insmod: can't insert '{}': {why}",
            Path::new(&file).display()
        );
        ExitCode::from(status)
    };
    let module = match File::open(&file) {
        Ok(module) => module,
        Err(error) => {
            let error = Errno::from_io_error(&error).unwrap_or(Errno::NOENT);
            return failed(&words(error), 0_u8.wrapping_sub(number(error)));
        }
    };
    let Ok(parameters) = parameters(arguments) else {
        return failed(&words(Errno::INVAL), number(Errno::INVAL));
    };
    match rustix::system::finit_module(&module, &parameters, 0) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&refusal(error), number(error)),
    }
}

/// Returns the parameters in one text, as the kernel reads them.
fn parameters(arguments: impl Iterator<Item = OsString>) -> Result<CString, std::ffi::NulError> {
    let words: Vec<OsString> = arguments.collect();
    CString::new(words.join(" ".as_ref()).as_bytes())
}

/// Returns the reason for which the kernel refused a module.
fn refusal(error: Errno) -> String {
    match error {
        Errno::NOEXEC => "invalid module format".to_owned(),
        Errno::NOENT => "unknown symbol in module, or unknown parameter".to_owned(),
        Errno::SRCH => "module has wrong symbol version".to_owned(),
        Errno::NOSYS => "kernel does not support requested operation".to_owned(),
        _ => words(error),
    }
}

/// Returns the C library's words for an error.
fn words(error: Errno) -> String {
    let words = std::io::Error::from(error).to_string();
    match words.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => words,
    }
}

/// Returns the number of an error as an exit status.
fn number(error: Errno) -> u8 {
    u8::try_from(error.raw_os_error() & 0xff).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_one_text() -> anyhow::Result<()> {
        let words = ["x=1", "name=a b"].map(OsString::from).into_iter();
        assert_eq!(parameters(words)?.to_bytes(), b"x=1 name=a b");
        assert_eq!(parameters(std::iter::empty())?.to_bytes(), b"");
        Ok(())
    }

    #[test]
    fn messages_are_those_of_busybox() {
        for (error, expected) in [
            (Errno::EXIST, "File exists"),
            (Errno::INVAL, "Invalid argument"),
            (Errno::RANGE, "Numerical result out of range"),
            (Errno::NOEXEC, "invalid module format"),
            (
                Errno::NOENT,
                "unknown symbol in module, or unknown parameter",
            ),
        ] {
            assert_eq!(refusal(error), expected);
        }
        assert_eq!(number(Errno::INVAL), 22);
        assert_eq!(words(Errno::NOENT), "No such file or directory");
    }
}

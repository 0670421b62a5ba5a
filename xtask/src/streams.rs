//! Standard output and standard error, whose reader may go away: `cargo xtask test | head -1`.
//!
//! Then nothing more is printed, and the exit status stays that of the work. `println!` would
//! panic instead.

use std::io::{self, ErrorKind, Write};

/// A stream that takes everything once its reader has gone.
#[derive(Debug)]
pub struct Stream<W>(W);

/// Returns standard output.
pub fn stdout() -> Stream<io::Stdout> {
    Stream(io::stdout())
}

/// Returns standard error.
pub fn stderr() -> Stream<io::Stderr> {
    Stream(io::stderr())
}

impl<W: Write> Write for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_broken(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_broken(self.0.flush(), ())
    }
}

fn unless_broken<T>(result: io::Result<T>, otherwise: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(otherwise),
        result => result,
    }
}

/// Prints a line to standard output, as `println!` does. The value is an [`io::Result`], which
/// is an error if the line could not be written for another reason than a reader that went away.
#[macro_export]
macro_rules! outln {
    ($($arguments:tt)*) => {{
        use std::io::Write as _;
        writeln!($crate::streams::stdout(), $($arguments)*)
    }};
}

/// Prints a line to standard error, as `eprintln!` does. A standard error that cannot be written
/// to stops nothing.
#[macro_export]
macro_rules! errln {
    ($($arguments:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!($crate::streams::stderr(), $($arguments)*);
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn only_a_broken_pipe_is_ignored() {
        let mut broken = Stream(Failing(ErrorKind::BrokenPipe));
        assert!(writeln!(broken, "line").is_ok() && broken.flush().is_ok());
        let mut full = Stream(Failing(ErrorKind::StorageFull));
        assert!(writeln!(full, "line").is_err() && full.flush().is_err());
    }
}

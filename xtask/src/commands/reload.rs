//! The host's side of `reload`, a command in the guest of `qemu`: builds the guest's modules again.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use kmodlab_protocol::reload::{Answer, Rebuilt, number_of};
use kmodlab_protocol::{GuestFile, decode};

use crate::modules::Module;
use crate::pipeline;

/// The modules that a guest gets, with the kernel that they are for.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct BuiltModules {
    kernel: String,
    files: Vec<GuestFile>,
}

/// Writes the modules into a file, for the process that answers a guest.
///
/// # Errors
///
/// Fails if a module cannot be read or the file cannot be written.
pub fn write_modules(kernel: &str, modules: &[Module], to: &Path) -> Result<()> {
    let files: Result<Vec<GuestFile>> = modules.iter().map(pipeline::in_guest).collect();
    let built = BuiltModules {
        kernel: kernel.to_owned(),
        files: files?,
    };
    let bytes = kmodlab_protocol::encode(&built)?;
    std::fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))
}

/// The socket to which QEMU connects the guest's requests.
#[derive(Debug)]
pub struct ReloadSocket {
    listener: UnixListener,
    path: PathBuf,
    /// The file into which the process that builds writes the modules.
    modules: PathBuf,
    /// The key of the kernel that the guest has.
    kernel: String,
}

impl ReloadSocket {
    /// Makes the socket in a folder, for a guest with this kernel.
    ///
    /// # Errors
    ///
    /// Fails if the socket cannot be made.
    pub fn new(folder: &Path, kernel: String) -> Result<Self> {
        let path = folder.join("reload");
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        Ok(Self {
            listener,
            path,
            modules: folder.join("modules"),
            kernel,
        })
    }

    /// Returns the socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `guest`, a QEMU that connects to the socket, and answers its requests meanwhile.
    ///
    /// # Errors
    ///
    /// Fails as `guest` does.
    pub fn answer_while<T>(&self, guest: impl FnOnce() -> Result<T>) -> Result<T> {
        std::thread::scope(|scope| {
            scope.spawn(|| self.answer());
            let ended = guest();
            // The thread still waits if QEMU never connected.
            drop(UnixStream::connect(&self.path));
            ended
        })
    }

    /// Answers until the guest's end closes the connection.
    fn answer(&self) {
        let Ok((mut guest, _)) = self.listener.accept() else {
            return;
        };
        let Ok(requests) = guest.try_clone() else {
            return;
        };
        for line in BufReader::new(requests).lines() {
            let Ok(line) = line else { return };
            let Some(number) = number_of(&line) else {
                continue;
            };
            let modules = self
                .rebuilt()
                .unwrap_or_else(|error| Rebuilt::Failed(format!("{error:#}")));
            if (Answer { number, modules }).write(&mut guest).is_err() {
                return;
            }
        }
    }

    /// Builds the modules in a process with the options of this one: its messages are for the guest,
    /// whose terminal this one's is.
    fn rebuilt(&self) -> Result<Rebuilt> {
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        let output = Command::new(own)
            .args(std::env::args_os().skip(1))
            .arg("--modules-into")
            .arg(&self.modules)
            .stdin(Stdio::null())
            .output()
            .context("cannot build the modules")?;
        if !output.status.success() {
            let printed = [output.stdout, output.stderr].concat();
            return Ok(Rebuilt::Failed(
                String::from_utf8_lossy(&printed).into_owned(),
            ));
        }
        let bytes = std::fs::read(&self.modules)
            .with_context(|| format!("cannot read {}", self.modules.display()))?;
        let built: BuiltModules = decode(&bytes)?;
        Ok(match built.kernel == self.kernel {
            true => Rebuilt::Modules(built.files),
            false => Rebuilt::Failed(
                "the kernel has changed since this guest booted; leave it and start another"
                    .to_owned(),
            ),
        })
    }
}

//! The kernel of a course.

use std::path::Path;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::failure::Failure;
use crate::kernel::source::SourceRequest;
use crate::kernel::spec::Kernels;
use crate::workspace::Workspace;

/// The kernel of a course. Grading stops if another one is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PinnedKernel {
    /// The name in kernels.toml: `"6.12"`.
    pub name: Option<String>,
    /// The version: `"6.12.117"`.
    pub version: Option<String>,
    /// The key of the kernel image: 64 hexadecimal digits.
    pub image: Option<String>,
}

impl PinnedKernel {
    /// Checks that kernels.toml has the kernel, and that a request does not ask for another one. Messages name
    /// the course's file as `file`.
    ///
    /// # Errors
    ///
    /// Fails with a usage error that names the file or the option.
    pub fn check_request(
        &self,
        file: &Path,
        request: &SourceRequest,
        workspace: &Workspace,
    ) -> Result<()> {
        let kernels = Kernels::load(workspace)?;
        let file = file.display();
        if let Some(name) = &self.name {
            let known = kernels.get(name);
            known.map_err(|error| Failure::usage(format!("{file}: [kernel]: {error}")))?;
        }
        let Some(asked) = &request.kernel else {
            return Ok(());
        };
        let series = format!("{}.", kernels.get(asked)?.series);
        let pinned = match (&self.name, &self.version) {
            (Some(name), _) if name != asked => name,
            (None, Some(version)) if !version.starts_with(&series) => version,
            _ => return Ok(()),
        };
        let message = format!(
            "--kernel {asked}: {file} pins the kernel {pinned}; leave out --kernel, or change [kernel] there"
        );
        Err(Failure::usage(message).into())
    }

    /// Checks that the kernel that was built for a request is the pinned one.
    ///
    /// # Errors
    ///
    /// Fails if it is another: no mark is made on it. A tree that the request names is a usage error, any
    /// other kernel the host's fault.
    pub fn check(&self, request: &SourceRequest, version: &str, image: &str) -> Result<()> {
        for (name, pinned, found) in [
            ("version", &self.version, version),
            ("image", &self.image, image),
        ] {
            if let Some(pinned) = pinned {
                let given = request.source.as_ref().filter(|_| pinned != found);
                if let Some(given) = given {
                    let given = given.display();
                    let message = format!(
                        "--kernel-source {given}: the course pins the kernel's {name} {pinned}, but that \
                         of this tree is {found}; leave out the option, or change [kernel]"
                    );
                    return Err(Failure::usage(message).into());
                }
                ensure!(
                    pinned == found,
                    Failure::host(format!(
                        "the course pins the kernel's {name} {pinned}, but this host has {found}; \
                         grade with the course's cache or image, or change [kernel]"
                    ))
                );
            }
        }
        Ok(())
    }
}

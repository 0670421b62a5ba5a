//! Modules of `modules/tests` as the lessons of a clone of their own: where a
//! lesson is looked for.

use anyhow::Result;
use tempfile::TempDir;

use crate::figures::{Bench, copy_tree};
use xtask::session::Session;
use xtask::ui::Ui;
use xtask::workspace::Workspace;

/// The clone, which is there as long as this is.
pub struct TestModules {
    /// A session in the clone, with the cache of the bench's own.
    pub session: Session,
    _clone: TempDir,
}

impl Bench<'_> {
    /// A clone with these test modules, and with what modules are built from.
    pub fn test_modules(&self, names: &[&str]) -> Result<TestModules> {
        let clone = tempfile::tempdir()?;
        let root = self.session.workspace.root();
        let modules = self.session.workspace.modules();
        copy_tree(
            &root.join("kernel-config"),
            &clone.path().join("kernel-config"),
        )?;
        let target = clone.path().join("modules");
        copy_tree(&modules.join("kernel_ext"), &target.join("kernel_ext"))?;
        std::fs::copy(modules.join("Kbuild"), target.join("Kbuild"))?;
        for name in names {
            let (from, to) = (modules.join("tests"), target.join("lessons"));
            copy_tree(&from.join(name), &to.join(name))?;
        }
        let session = Session {
            workspace: Workspace::at(clone.path())?,
            cache: self.session.cache.clone(),
            ui: Ui::new(false),
            may_install: false,
            jobs: self.session.jobs,
        };
        Ok(TestModules {
            session,
            _clone: clone,
        })
    }
}

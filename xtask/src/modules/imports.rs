//! The symbols that a module needs.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSymbol as _};

/// Returns the names of the symbols that the module in the file `path` needs from the kernel and from
/// other modules.
///
/// # Errors
///
/// Fails if the file cannot be read, or is not a module.
pub fn imports_of(path: &Path) -> Result<BTreeSet<String>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = object::File::parse(&*bytes)
        .with_context(|| format!("{} is not a module", path.display()))?;
    let undefined = file.symbols().filter(object::ObjectSymbol::is_undefined);
    let names = undefined.filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    Ok(names.collect())
}

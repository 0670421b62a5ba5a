//! The order in which modules can be loaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _};

use super::kernel_name;

/// The order in which modules can be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoadOrder {
    /// The names of the modules' files, without `.ko`.
    Order(Vec<String>),
    /// These modules need each other's symbols.
    Circle(Vec<String>),
    /// The wanted order names a module that does not exist.
    Unknown(String),
}

/// Returns an order of the modules' files: each module after those whose symbols it needs, and
/// where symbols leave the order open, as `wanted`, then by name.
///
/// # Errors
///
/// Fails if a file is not a module.
pub(super) fn load_order(modules: &[PathBuf], wanted: &[String]) -> Result<LoadOrder> {
    let mut needs = BTreeMap::new();
    for path in modules {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        needs.insert(name.into_owned(), depends(path)?);
    }
    Ok(order(&needs, wanted))
}

/// Returns the modules whose symbols a module needs, as modpost has listed them.
///
/// # Errors
///
/// Fails if the file is not a module.
pub(super) fn depends(path: &Path) -> Result<Vec<String>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let not = || format!("{} is not a module", path.display());
    let file = object::File::parse(&*bytes).with_context(not)?;
    let section = file.section_by_name(".modinfo").with_context(not)?;
    let info = section.data().with_context(not)?;
    let depends = info
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"depends="));
    let depends = String::from_utf8_lossy(depends.unwrap_or_default()).into_owned();
    let names = depends.split(',').filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

fn order(needs: &BTreeMap<String, Vec<String>>, wanted: &[String]) -> LoadOrder {
    let is = |a: &str, b: &str| kernel_name(a) == kernel_name(b);
    for name in wanted {
        if !needs.keys().any(|known| is(known, name)) {
            return LoadOrder::Unknown(name.clone());
        }
    }
    let rank = |name: &str| wanted.iter().position(|wanted| is(wanted, name));
    let mut rest: Vec<&String> = needs.keys().collect();
    rest.sort_by_key(|name| (rank(name).unwrap_or(usize::MAX), (*name).clone()));
    let mut order: Vec<String> = Vec::new();
    while !rest.is_empty() {
        let is_ready = |name: &&String| {
            let mut needed = needs[*name].iter();
            // A module of the kernel's is not among these.
            needed.all(|needed| !rest.iter().any(|other| is(other, needed)))
        };
        let Some(next) = rest.iter().position(is_ready) else {
            return LoadOrder::Circle(rest.into_iter().cloned().collect());
        };
        order.push(rest.remove(next).clone());
    }
    LoadOrder::Order(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(needs: &[(&str, &[&str])], wanted: &[&str]) -> LoadOrder {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let needs = needs
            .iter()
            .map(|(name, needs)| ((*name).to_owned(), owned(needs)))
            .collect();
        order(&needs, &owned(wanted))
    }

    fn in_order(names: &[&str]) -> LoadOrder {
        LoadOrder::Order(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn needed_modules_come_first() {
        let needs: &[(&str, &[&str])] = &[("a", &["c-d", "ext4"]), ("b", &[]), ("c_d", &["b"])];
        assert_eq!(of(needs, &[]), in_order(&["b", "c_d", "a"]));
        assert_eq!(of(needs, &["a"]), in_order(&["b", "c_d", "a"]));
    }

    #[test]
    fn the_wanted_order_holds_where_symbols_leave_it_open() {
        let needs: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &[])];
        assert_eq!(of(needs, &["c", "b"]), in_order(&["c", "b", "a"]));
        assert_eq!(of(needs, &["d"]), LoadOrder::Unknown("d".to_owned()));
    }

    #[test]
    fn a_circle_is_reported() {
        let needs: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["a"]), ("c", &[])];
        let circle = ["a", "b"].map(str::to_owned).to_vec();
        assert_eq!(of(needs, &[]), LoadOrder::Circle(circle));
    }
}

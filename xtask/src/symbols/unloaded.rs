//! Addresses in a module that was unloaded, or in an init function that has returned, which the kernel cannot
//! name any more.

use std::collections::{BTreeMap, BTreeSet};

use super::object_file::Frame;
use super::{MODULES, Symbols, line};

/// The code that an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeOf {
    /// The kernel, or a module that it names.
    Named,
    /// The module that was unloaded last.
    Unloaded,
    /// A module's init function.
    Init,
}

impl CodeOf {
    /// Returns what follows the line of such an address in a report.
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::Named => "",
            Self::Unloaded => " (of the unloaded module)",
            Self::Init => " (of init code, which is freed)",
        }
    }
}

/// The module that was unloaded last.
pub(super) struct UnloadedModule {
    module: String,
    /// The address of its code.
    base: u64,
    /// Whether the report is about an `int3`, with which Linux 7.3 fills memory for code that
    /// is free (`execmem_fill_trapping_insns` in arch/x86/mm/init.c). The CPU reports the address
    /// behind that instruction.
    pub met_int3: bool,
}

/// Reports whether a report is about an `int3`.
fn met_int3(report: &[String]) -> bool {
    report.iter().any(|line| line.contains("int3: "))
}

impl Symbols<'_> {
    /// Returns the module that was unloaded before this report, if the report has addresses of its code.
    pub(super) fn unloaded(&mut self, report: &[String]) -> Option<UnloadedModule> {
        let unloaded = report.iter().find_map(|line| line::unloaded(line));
        // kmemleak reports after the lesson, when its module is unloaded.
        let only = || self.modules.keys().next().cloned();
        let unloaded = unloaded.map(str::to_owned).or_else(only);
        unloaded.and_then(|module| {
            let base = self.unloaded_base(&module, report)?;
            let met_int3 = met_int3(report);
            Some(UnloadedModule {
                module,
                base,
                met_int3,
            })
        })
    }

    /// Returns the frames of an address in a module that was unloaded: that of an instruction itself if it `is_exact`,
    /// otherwise a return address.
    pub(super) fn unloaded_frames(
        &mut self,
        address: u64,
        is_exact: bool,
        unloaded: Option<&UnloadedModule>,
    ) -> Vec<Frame> {
        unloaded
            .and_then(|UnloadedModule { module, base, .. }| {
                let offset = address.checked_sub(*base)?;
                let object = self.object(Some(module))?;
                let address = object.address_of_code(offset);
                let begins = is_exact && object.beginnings(offset).any(|at| at == offset);
                // A task that returns into freed code meets it behind its call.
                let is_return = !begins && object.after_calls(offset).any(|at| at == offset);
                match is_return {
                    true => Some(object.frames(address - 1)),
                    false => (is_exact && object.has_code(offset)).then(|| object.frames(address)),
                }
            })
            .unwrap_or_default()
    }

    /// Returns the frames of a return address in the init function of a module, whose code the kernel frees when
    /// the function has returned; none if another module may have had code there too.
    pub(super) fn init_frames(&mut self, address: u64) -> Vec<Frame> {
        let names: Vec<String> = self.modules.keys().cloned().collect();
        let mut found = names.iter().filter_map(|name| {
            let frames = self.object(Some(name))?.init_frames(address);
            (!frames.is_empty()).then_some(frames)
        });
        match (found.next(), found.next()) {
            (Some(frames), None) => frames,
            _ => Vec::new(),
        }
    }

    /// Returns the address at which a module that was unloaded had its code: the first page with which most of the
    /// report's return addresses are behind a call, and the others at the beginning of a function: a work item or a
    /// timer calls a function that is freed. The guest has loaded its own modules before.
    fn unloaded_base(&mut self, module: &str, report: &[String]) -> Option<u64> {
        let object = self.object(Some(module))?;
        let met_int3 = met_int3(report);
        let of_modules = |line: &String| {
            let address = line::bare_address(line)?;
            let address = address - u64::from(met_int3 && line::is_exact(line));
            let may_begin = line::is_exact(line) || line::is_work(line);
            (address >= MODULES && line::symbol_reference(line).is_none())
                .then_some((address, may_begin))
        };
        let addresses: BTreeSet<(u64, bool)> = report.iter().filter_map(of_modules).collect();
        let mut explained: BTreeMap<u64, u32> = BTreeMap::new();
        for (address, may_begin) in addresses {
            // A function may have several names.
            let mut offsets: BTreeSet<u64> = object.after_calls(address).collect();
            if may_begin {
                offsets.extend(object.beginnings(address));
            }
            let bases = offsets
                .into_iter()
                .filter_map(|offset| address.checked_sub(offset));
            for base in bases.filter(|base| *base >= MODULES) {
                *explained.entry(base).or_default() += 1;
            }
        }
        let most = explained.values().max()?;
        let best = explained.iter().find(|(_, count)| *count == most);
        best.map(|(base, _)| *base)
    }
}

//! The probe points in the kernel's functions that a module calls.
//!
//! A function of the kernel that does several things, such as `mutex_unlock`, which first releases the mutex and
//! then wakes who waits for it, may be preempted in between. Its parts are the functions that it calls and that
//! the kernel does not export; others, which do something of their own, do not count. Of their instructions those
//! matter that other tasks observe without a spinlock: atomic ones, and calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context as _, Result};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

use super::baseline::BaselineReport;
use super::operand::Operand;
use super::probe_points::{ProbeKind, ProbePoint, kind};

/// Maximum number of calls from a function of the kernel that a module calls to one of its parts (`FRAMES` in
/// modules/tools/perturb/probe.c, less one).
const DEPTH: usize = 2;

/// Beginnings of the names of functions that lock and unlock a spinlock. A task with a spinlock lets nobody come in
/// between.
const LOCKS: [&str; 2] = ["_raw_spin_lock", "_raw_spin_unlock"];

/// Parts of the names of functions that do nothing which other tasks wait for, or that disable interrupts. Many of
/// them are called by all tasks all the time, and each probe there takes time of the guest.
const IGNORED: [&str; 4] = ["_raw_", "alloc", "free", "print"];

/// Beginnings of such names.
const IGNORED_BEGINNINGS: [&str; 3] = ["mem", "str", "copy"];

/// Beginnings of the names of functions whose calls a compiler has added.
const ADDED: [&str; 7] = [
    "__tsan", "__kcsan", "__asan", "__ubsan", "__warn", "__x86", "__SCT__",
];

/// The first number of sections that stand for functions of the kernel.
const FIRST_SECTION: usize = usize::MAX / 2;

/// The functions of a kernel, by their names.
#[derive(Debug, Clone)]
pub struct KernelCode {
    bytes: Vec<u8>,
    functions: HashMap<String, KernelFunction>,
    /// The names, by address.
    names: HashMap<u64, String>,
}

#[derive(Debug, Clone, Copy)]
struct KernelFunction {
    address: u64,
    size: u64,
    /// Place of the code in the file.
    offset: u64,
    /// Whether it is known in its own file only.
    is_local: bool,
    /// The number in the order of addresses.
    number: usize,
}

impl KernelCode {
    /// Reads the kernel at `path`, a `vmlinux`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not an ELF file for x86-64.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::of(bytes).with_context(|| format!("{} is not a readable kernel", path.display()))
    }

    fn of(bytes: Vec<u8>) -> Result<Self> {
        let elf = ElfFile64::<object::LittleEndian>::parse(&*bytes)?;
        let mut functions: BTreeMap<&str, Vec<KernelFunction>> = BTreeMap::new();
        for symbol in elf.symbols() {
            let Some(index) = symbol.section_index() else {
                continue;
            };
            if symbol.kind() != SymbolKind::Text || symbol.size() == 0 {
                continue;
            }
            let section = elf.section_by_index(index)?;
            let (Some((begin, _)), SectionKind::Text) = (section.file_range(), section.kind())
            else {
                continue;
            };
            let function = KernelFunction {
                address: symbol.address(),
                size: symbol.size(),
                offset: begin + symbol.address().saturating_sub(section.address()),
                is_local: symbol.is_local(),
                number: 0,
            };
            functions.entry(symbol.name()?).or_default().push(function);
        }
        // kprobes take the first of several functions with one name.
        let single = functions.into_iter().filter_map(|(name, found)| {
            let [function] = found[..] else { return None };
            Some((name.to_owned(), function))
        });
        let mut single: Vec<(String, KernelFunction)> = single.collect();
        single.sort_by_key(|(_, function)| function.address);
        for (number, (_, function)) in single.iter_mut().enumerate() {
            function.number = number;
        }
        let names = single.iter().map(|(name, it)| (it.address, name.clone()));
        Ok(Self {
            names: names.collect(),
            functions: single.into_iter().collect(),
            bytes,
        })
    }

    /// Returns the probe points in the functions that a module calls, and in their parts, each with the names
    /// of the functions that the module calls to get there, in the order of addresses.
    pub fn points<'a>(&self, called: impl IntoIterator<Item = &'a str>) -> Vec<KernelPoint> {
        let mut callers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for name in called {
            let Some((name, _)) = self.functions.get_key_value(name) else {
                continue;
            };
            if is_ignored(name) {
                continue;
            }
            let mut parts = BTreeSet::from([&**name]);
            let mut new = parts.clone();
            for _ in 0..DEPTH {
                let calls = new.iter().flat_map(|name| self.parts_of(name));
                new = calls.filter(|part| !parts.contains(part)).collect();
                parts.extend(&new);
            }
            for part in parts {
                callers.entry(part).or_default().insert(name);
            }
        }
        let points = callers.into_iter().flat_map(|(function, callers)| {
            let callers: Vec<String> = callers.into_iter().map(str::to_owned).collect();
            self.points_in(function)
                .into_iter()
                .map(move |point| KernelPoint {
                    point,
                    called: callers.clone(),
                })
        });
        let mut points: Vec<KernelPoint> = points.collect();
        points.sort_by_key(|kernel| kernel.point.address());
        points
    }

    fn code(&self, function: &KernelFunction) -> Vec<Instruction> {
        let range = usize::try_from(function.offset)
            .ok()
            .zip(usize::try_from(function.size).ok());
        let code = range.and_then(|(begin, size)| self.bytes.get(begin..begin.checked_add(size)?));
        let code = code.unwrap_or_default();
        let decoder = Decoder::with_ip(64, code, function.address, DecoderOptions::NONE);
        decoder.into_iter().collect()
    }

    /// Returns the name of the function that an instruction calls.
    fn target(&self, instruction: &Instruction) -> Option<&str> {
        let is_branch = instruction.op0_kind() == OpKind::NearBranch64;
        let target = is_branch.then(|| instruction.near_branch_target())?;
        self.names.get(&target).map(String::as_str)
    }

    /// Returns the functions that a function calls and that are known in their own file only.
    fn parts_of(&self, name: &str) -> Vec<&str> {
        let Some(function) = self.functions.get(name) else {
            return Vec::new();
        };
        let is_part = |name: &&str| {
            let is_local = self
                .functions
                .get(*name)
                .is_some_and(|function| function.is_local);
            is_local && !is_ignored(name)
        };
        let code = self.code(function);
        let calls = code.iter().filter_map(|it| self.target(it));
        calls.filter(is_part).collect()
    }

    fn points_in(&self, name: &str) -> Vec<ProbePoint> {
        let Some(function) = self.functions.get(name) else {
            return Vec::new();
        };
        let mut points = Vec::new();
        let mut is_locked = false;
        for instruction in self.code(function) {
            let target = self.target(&instruction);
            let was_locked = is_locked;
            let calls = |part| target.is_some_and(|target| target.starts_with(part));
            is_locked = calls(LOCKS[0]) || is_locked && !calls(LOCKS[1]);
            let is_atomic =
                instruction.has_lock_prefix() || instruction.mnemonic() == Mnemonic::Xchg;
            let kind = match kind(&instruction) {
                _ if was_locked => continue,
                Some(ProbeKind::Access) if is_atomic => ProbeKind::Access,
                Some(ProbeKind::Call) if target.is_some_and(|it| !is_added(it)) => ProbeKind::Call,
                _ => continue,
            };
            let Ok(offset) = u32::try_from(instruction.ip() - function.address) else {
                continue;
            };
            let calls = target.filter(|_| kind == ProbeKind::Call);
            points.push(ProbePoint {
                function: name.to_owned(),
                offset,
                section: FIRST_SECTION + function.number,
                section_offset: offset.into(),
                in_kernel: true,
                kind,
                // The object of the module's call counts, see `with_objects`.
                operand: None,
                calls: calls.map(str::to_owned),
            });
        }
        points
    }
}

/// Sets the memory that tasks use in the kernel: the object that the module passed to the function there, all of
/// it, whichever part an instruction uses. `report` is that of a run with probes at the module's calls too.
pub(super) fn with_objects(report: &BaselineReport) -> BaselineReport {
    let mut arrivals = report.arrivals.clone();
    arrivals.sort_by_key(|arrival| arrival.clock_nanoseconds);
    let mut objects: HashMap<String, (u64, Option<Operand>)> = HashMap::new();
    for arrival in &mut arrivals {
        if arrival.point.in_kernel {
            let object = objects.get(&arrival.task).copied().unwrap_or_default();
            (arrival.address, arrival.point.operand) = object;
        } else {
            let waits = arrival.point.calls.as_deref().is_some_and(only_waits);
            let object = (!waits).then_some((arrival.address, arrival.point.operand));
            objects.insert(arrival.task.clone(), object.unwrap_or_default());
        }
    }
    BaselineReport {
        arrivals,
        removals: report.removals.clone(),
    }
}

/// Reports whether a function of the kernel waits for something, and does nothing else that others notice: a
/// task that is delayed there may as well call it later.
fn only_waits(function: &str) -> bool {
    let locks = function.contains("lock") && !function.contains("unlock");
    locks || function.contains("wait_for_completion") || function.starts_with("down")
}

/// A probe point in a function of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelPoint {
    /// The point.
    pub point: ProbePoint,
    /// The functions that the module calls to get there.
    pub called: Vec<String>,
}

fn is_ignored(name: &str) -> bool {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|begin| name.starts_with(begin));
    begins(&IGNORED_BEGINNINGS) || is_added(name) || IGNORED.iter().any(|part| name.contains(part))
}

fn is_added(name: &str) -> bool {
    ADDED.iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests;

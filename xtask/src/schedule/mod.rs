//! Schedules: runs of the same lesson whose tasks are delayed at different points.
//!
//! A race shows only if a second task runs during a window of a few instructions,
//! and in most runs none does. `perturb` therefore delays a task at an instruction
//! while the other tasks go on. DataCollider injects such delays at memory accesses
//! (Erickson et al., OSDI 2010); kmodlab uses kprobes in the lesson's module, which
//! need no second build and work in both languages (see `modules/tools/perturb`).
//! Each schedule delays at a few points only: most races need one or two late tasks
//! (the bug depth of PCT, Burckhardt et al., ASPLOS 2010).
//!
//! ```text
//! .ko -> ProbePoint -> (baseline run: which tasks reach them) -> BaselineReport -> Conflict
//!     -> SeededSchedule(seed) -> (run) -> InjectedDelay -> Findings
//! ```
//!
//! A run depends on its seed, the module and the snapshot only, and snapshots of the
//! same guest are identical on every host. The guest's clock counts instructions, so
//! two runs of one seed are identical to the byte.

mod aim;
mod baseline;
mod between;
mod conflicts;
mod delay;
mod exact;
pub mod findings;
mod function_code;
mod happens_before;
mod held_store;
mod kernel_code;
mod locks;
pub mod miss;
pub mod narrow;
mod operand;
mod order;
mod plain;
mod probe_points;
mod rendezvous;
mod weak_memory;

use std::collections::BTreeSet;

use crate::lesson::timestamp::Tolerance;
use order::{MAX_LIST_BYTES, list, reported};

pub use aim::{Aim, SeededSchedule};
pub use baseline::{BaselineArrival, BaselineReport, Removal};
pub use between::{RemoteAccess, TakenLock, reversals};
pub use conflicts::{Conflict, ConflictKind, all_conflicts, kernel_conflicts};
pub use delay::{Arrival, DelayReport, InjectedDelay, interrupt};
pub use exact::{ExactDelay, ExactSchedule};
pub use function_code::FunctionCode;
pub use held_store::{HeldStore, held_stores};
pub use kernel_code::{KernelCode, KernelPoint};
pub use order::{PerturbOrder, chunks, chunks_with_delay};
pub use probe_points::{ProbeKind, ProbePoint, probe_points};
pub use rendezvous::{Rendezvous, RendezvousSchedule, rendezvous};
pub use weak_memory::{StoreArrival, store_arrivals};

/// Name of the module that delays the tasks of another module. It is in Rust only.
pub const MODULE: &str = "perturb";

/// Maximum sum of all delays of a run, in milliseconds.
const BUDGET_MILLISECONDS: u32 = 40;

/// The maximum numbers of probe points of a random schedule, equally probable.
const MOST: [usize; 4] = [2, 4, 8, 16];

/// The numbers of arrivals of which one is delayed, equally probable.
const CHANCES: [u32; 3] = [1, 1, 2];

/// Binary logarithms of the upper limit of a delay in nanoseconds, equally probable.
const LONGEST: [u32; 4] = [17, 20, 23, 25];

/// Additional tolerance for timestamps in runs with delays, in seconds: the budget
/// and one turn of 0.1 s that QEMU gives to each of its CPUs, because the delays
/// shift the beginnings of the turns.
const EXTRA_TOLERANCE: f64 = 0.15;

/// A range of consecutive seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds {
    first: u32,
    count: u32,
}

impl Seeds {
    /// Returns `count` seeds that begin with `first`, or `None` if there are none or
    /// the last one is larger than `u32::MAX`.
    pub fn new(first: u32, count: u32) -> Option<Self> {
        first.checked_add(count.checked_sub(1)?)?;
        Some(Self { first, count })
    }

    /// Returns the number of seeds.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Returns the seeds in ascending order.
    pub fn all(self) -> impl Iterator<Item = u32> {
        (0..self.count).map(move |index| self.first + index)
    }
}

/// The probe points that tasks reach in a run without delays.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    /// The first point of each task.
    pub starts: Vec<ProbePoint>,
    /// All lines, including those of the starts.
    pub lines: Vec<ProbeLine>,
    /// The numbers of arrivals at the points, in descending order; `None`, which comes first, for a point
    /// of which the baseline run did not report all.
    pub arrivals: Vec<Option<u32>>,
    /// The arrivals whose delay reverses the order of two accesses.
    pub conflicts: Vec<Conflict>,
    /// The same in the kernel's functions that the module calls.
    pub kernel_conflicts: Vec<Conflict>,
    /// The symbols of the lesson's own functions that no task reaches, in the order of the code.
    pub unreached: Vec<String>,
    /// The tasks that may wait for another one.
    pub rendezvous: Vec<Rendezvous>,
    /// Whether nobody compares the output, so that a task may wait long.
    pub waits_long: bool,
    /// The arrivals at stores that seeds may hold back; empty unless that was requested.
    pub stores: Vec<StoreArrival>,
}

/// The places in a module's code, and in that of the kernel, that schedules use.
#[derive(Debug, Clone, Default)]
pub struct ModuleCode {
    /// All probe points, in the order of the code.
    pub points: Vec<ProbePoint>,
    /// Those in the kernel's functions that the module calls.
    pub kernel: Vec<KernelPoint>,
    /// The stores that may be held back; empty unless they are needed.
    pub held: Vec<HeldStore>,
}

impl ModuleCode {
    /// Returns the module's calls of these functions of the kernel, and the probe points in the kernel to which
    /// they lead.
    pub fn kernel_points_of(&self, called: &BTreeSet<&str>) -> Vec<ProbePoint> {
        let calls = |point: &&ProbePoint| {
            let function = point.calls.as_deref();
            function.is_some_and(|function| called.contains(function))
        };
        let is_called = |kernel: &&KernelPoint| {
            let mut functions = kernel.called.iter();
            functions.any(|function| called.contains(&**function))
        };
        let kernel = self.kernel.iter().filter(is_called);
        let kernel: Vec<&ProbePoint> = kernel.map(|kernel| &kernel.point).collect();
        let calls = self.points.iter().filter(calls);
        match kernel.is_empty() {
            true => Vec::new(),
            false => calls.chain(kernel).cloned().collect(),
        }
    }
}

/// The probe points of one line of the lesson's source, or of all other code.
#[derive(Debug, Clone, Default)]
pub struct ProbeLine {
    /// The points that a task reaches or may reach, in the order of the module's
    /// code; at least one.
    pub points: Vec<ProbePoint>,
    /// Names of the tasks that execute this line; at least one.
    pub tasks: BTreeSet<String>,
    /// Whether it is a line of the lesson's source.
    pub is_own: bool,
}

/// Instructions for `perturb`: where it sets probes, and how it delays the tasks that
/// reach them.
#[derive(Debug, Clone)]
pub struct Schedule {
    points: Vec<ProbePoint>,
    /// Seed of the guest's own random numbers, a positive `int` of C.
    seed: u32,
    /// One of this many tasks that reach a point is delayed. With 0 no task is
    /// delayed, and `perturb` reports which points are reached.
    chance: u32,
    /// Binary logarithm of the upper limit of a delay in nanoseconds.
    longest: u32,
}

impl Schedule {
    /// Returns the schedule of a baseline run: it delays no task and reports which
    /// points are reached.
    pub fn baseline(points: &[ProbePoint]) -> Self {
        Self {
            points: points.to_vec(),
            seed: 0,
            chance: 0,
            longest: 0,
        }
    }

    /// Returns the schedule of a seed, for a module with this baseline.
    ///
    /// Each start is chosen with probability 1/2, because the order in which tasks
    /// start matters too (PCT gives each task a priority of its own). The other
    /// points are chosen by task first, then by line, then by point: otherwise the
    /// task with the most lines would get most of the delays, and of its lines those
    /// for which the compiler generates the most instructions.
    pub fn new(seed: u32, baseline: &Baseline) -> Self {
        let mut random = fastrand::Rng::with_seed(u64::from(seed));
        let most = random.choice(MOST).unwrap_or(MOST[0]);
        let chance = random.choice(CHANCES).unwrap_or(CHANCES[0]);
        let longest = random.choice(LONGEST).unwrap_or(LONGEST[0]);
        let starts = baseline.starts.iter().filter(|_| random.bool());
        let mut points: Vec<ProbePoint> = starts.cloned().collect();
        points.truncate(most);
        let mut left: Vec<&ProbeLine> = baseline.lines.iter().collect();
        while points.len() < most {
            let tasks: BTreeSet<&String> = left.iter().flat_map(|line| &line.tasks).collect();
            let Some(task) = random.choice(tasks) else {
                break;
            };
            let of_task = |index: &usize| left[*index].tasks.contains(task);
            let index = random.choice((0..left.len()).filter(of_task).collect::<Vec<_>>());
            // Some line has the task, because the task was taken from these lines.
            let Some(line) = index.map(|index| left.remove(index)) else {
                break;
            };
            points.extend(random.choice(line.points.iter()).cloned());
        }
        points.sort_by_key(ProbePoint::address);
        points.dedup();
        // Only 16 symbols of more than 240 bytes do not fit.
        while list(&points, |_| None).len() > MAX_LIST_BYTES {
            points.pop();
        }
        Self {
            points,
            seed: random.u32(1..i32::MAX.unsigned_abs()),
            chance,
            longest,
        }
    }

    /// Returns the order that makes `perturb` apply this schedule to `module`, a name as the kernel has
    /// it.
    pub fn order(self, module: &str) -> PerturbOrder {
        let Self {
            points,
            seed,
            chance,
            longest,
        } = self;
        let list = match chance {
            0 => list(&points, reported),
            _ => list(&points, |_| None),
        };
        let value = format!("{module} {seed} {chance} {longest} {BUDGET_MILLISECONDS} {list}\n");
        PerturbOrder::new(value, points)
    }
}

/// Returns the tolerance for timestamps in a run with delays.
pub fn tolerance(tolerance: Tolerance) -> Tolerance {
    Tolerance {
        early: tolerance.early + EXTRA_TOLERANCE,
        late: tolerance.late + EXTRA_TOLERANCE,
    }
}

#[cfg(test)]
mod tests;

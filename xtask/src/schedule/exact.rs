//! Schedules that name their delays, in a text that can be given again:
//! `start=2.1ms insmod@draw+0x1b#1=0.1ms`.

mod text;

use std::collections::BTreeMap;

use super::held_store::HeldStore;
use super::order::{MAX_LIST_BYTES, PerturbOrder, list};
use super::probe_points::ProbePoint;
use super::{BUDGET_MILLISECONDS, InjectedDelay, ModuleCode};
pub(super) use text::encoded;

/// Limit of the delay of a lesson's beginning, in nanoseconds: a tick of the kernel's clock. Its last bits place tasks
/// (`place_tasks` in modules/tools/perturb/task.c).
pub(super) const START_LIMIT: u64 = 4_000_000;

/// Limit of the sum of all delays, in nanoseconds.
const BUDGET: u64 = BUDGET_MILLISECONDS as u64 * 1_000_000;

/// Limit of the sum of all delays of a schedule that is given, in nanoseconds: a task may wait long for
/// another one, see `rendezvous`.
pub(super) const LIMIT: u64 = 2_000_000_000;

/// Minimum digits of a delay in an order. Nearly all have the same number, so that a delay of 0 takes `perturb` as
/// long to read as any other.
const DIGITS: usize = 8;

/// Room for the probe points of a store that is held back, in bytes: at most 26 points of one function, of which
/// the number and the operand take 16 bytes each.
const HELD_BYTES: usize = 500;

/// A schedule that names its delays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ExactSchedule {
    /// The delay of the lesson's beginning, in nanoseconds.
    pub start_nanoseconds: u64,
    /// The delays.
    pub delays: Vec<ExactDelay>,
}

/// A delay of a task at one of its arrivals at a probe point.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExactDelay {
    /// The task's name.
    pub task: String,
    /// The symbol of the function that contains the instruction.
    pub function: String,
    /// Distance of the instruction from the function's beginning, in bytes.
    pub offset: u32,
    /// If the task is not delayed, but the store of the instruction held back: the distance of the
    /// instruction before which the store becomes visible. The task stays there for the length, and
    /// other tasks may see its later stores.
    pub until: Option<u32>,
    /// The number of the arrival, from 1, among those of all tasks of this name at this probe
    /// point.
    pub arrival: u32,
    /// The length in nanoseconds. 0 has the same effect on the guest up to the arrival as any other
    /// length, and then no delay.
    pub nanoseconds: u64,
}

impl ExactDelay {
    /// Reports whether the delay is at this probe point.
    pub fn is_at(&self, point: &ProbePoint) -> bool {
        (&self.function, self.offset) == (&point.function, point.offset)
    }

    /// Reports whether a store is held back for as long as this one: that store up to that end.
    pub fn holds(&self, held: &HeldStore) -> bool {
        self.is_at(&held.store) && self.until == Some(held.end.offset)
    }

    /// Reports whether another delay is of the same kind at the same arrival.
    pub(super) fn is_same_arrival(&self, other: &Self) -> bool {
        let key = |delay: &Self| (delay.offset, delay.arrival, delay.until.is_some());
        (&self.task, &self.function, key(self)) == (&other.task, &other.function, key(other))
    }

    /// Reports whether `perturb` injected this delay.
    pub fn is(&self, injected: &InjectedDelay) -> bool {
        let until = injected.until.as_ref().map(|end| end.offset);
        self.is_at(&injected.point)
            && self.until == until
            && (self.arrival, &*self.task) == (injected.arrival, injected.task_name())
    }
}

impl ExactSchedule {
    /// Returns the schedule with the delays that a run had, in the order of their beginnings. `None`
    /// if a delay cannot be named, because `perturb` had no room to count the arrivals.
    pub fn of(start_nanoseconds: u64, delays: &[InjectedDelay]) -> Option<Self> {
        let mut delays: Vec<&InjectedDelay> = delays.iter().collect();
        delays.sort_by_key(|delay| delay.clock_nanoseconds);
        let exact = |delay: &InjectedDelay| ExactDelay {
            task: delay.task_name().to_owned(),
            function: delay.point.function.clone(),
            offset: delay.point.offset,
            until: delay.until.as_ref().map(|end| end.offset),
            arrival: delay.arrival,
            nanoseconds: delay.requested_nanoseconds,
        };
        let is_named = delays.iter().all(|delay| delay.arrival > 0);
        is_named.then(|| Self {
            start_nanoseconds,
            delays: delays.into_iter().map(exact).collect(),
        })
    }

    /// Reports whether all delays together are as short as a guest's timestamps require.
    pub fn is_within_budget(&self) -> bool {
        self.is_at_most(BUDGET)
    }

    /// Reports whether all delays together are as short as those of any seed.
    pub fn is_within_limit(&self) -> bool {
        self.is_at_most(LIMIT)
    }

    fn is_at_most(&self, limit: u64) -> bool {
        let mut times = self.delays.iter().map(|delay| delay.nanoseconds);
        let sum = times.try_fold(0_u64, u64::checked_add);
        sum.is_some_and(|sum| sum <= limit)
    }

    /// Removes delays from the end until an order has room for the rest.
    pub fn fit(&mut self) {
        let room = |schedule: &Self| match schedule.held_store() {
            Some(_) => MAX_LIST_BYTES - HELD_BYTES,
            None => MAX_LIST_BYTES,
        };
        while self.named_delays().len() > room(self) {
            self.delays.pop();
        }
    }

    /// Returns the delay of a store that is held back, if there is one.
    pub fn held_store(&self) -> Option<&ExactDelay> {
        self.delays.iter().find(|delay| delay.until.is_some())
    }

    /// Returns the delays as an order has them, with the functions' names in place of the numbers of
    /// probe points: an order is not longer.
    fn named_delays(&self) -> String {
        self.groups(|delay| Some(format!("{}+{}", delay.function, delay.offset)))
            .unwrap_or_default()
    }

    /// Formats the delays as `perturb` reads them; `None` if `place` is for one of them.
    fn groups(&self, place: impl Fn(&ExactDelay) -> Option<String>) -> Option<String> {
        let mut groups: BTreeMap<(String, String), Vec<&ExactDelay>> = BTreeMap::new();
        for delay in &self.delays {
            let key = (place(delay)?, encoded(&delay.task));
            groups.entry(key).or_default().push(delay);
        }
        let groups = groups.into_iter().map(|((place, task), delays)| {
            let delays = delays.into_iter().map(|delay| {
                let ExactDelay {
                    arrival,
                    nanoseconds,
                    ..
                } = delay;
                format!("{arrival}={nanoseconds:0DIGITS$}")
            });
            format!("{place}:{task}:{}", delays.collect::<Vec<_>>().join("+"))
        });
        Some(groups.collect::<Vec<_>>().join(","))
    }

    /// Returns the order that makes `perturb` apply this schedule to `module` in a guest, whose
    /// code is `code`. With `observed`, `perturb` sets probes there too, and reports
    /// each arrival at a probe.
    ///
    /// # Errors
    ///
    /// The first delay that is at no probe point of the module or of the kernel, or not at a store that may be
    /// held back.
    pub fn order(
        &self,
        module: &str,
        code: &ModuleCode,
        observed: &[ProbePoint],
    ) -> Result<PerturbOrder, ExactDelay> {
        let mut used = observed.to_vec();
        for delay in self.delays.iter().filter(|delay| delay.until.is_none()) {
            let kernel = code.kernel.iter().map(|kernel| &kernel.point);
            let mut points = code.points.iter().chain(kernel);
            let point = points.find(|point| delay.is_at(point));
            used.push(point.ok_or_else(|| delay.clone())?.clone());
        }
        let held = match self.held_store() {
            Some(delay) => {
                let held = code.held.iter().find(|held| delay.holds(held));
                Some(held.ok_or_else(|| delay.clone())?)
            }
            None => None,
        };
        used.extend(held.into_iter().flat_map(HeldStore::points).cloned());
        let kind = if observed.is_empty() {
            "exact"
        } else {
            "observed"
        };
        Ok(self.text(module, kind, used, held))
    }

    /// Returns the order that makes a baseline run of this schedule, with probes at `chunk` and at the
    /// delays.
    ///
    /// # Errors
    ///
    /// The first delay that is not at a probe point of the module, or of the kernel.
    pub fn baseline_order(
        &self,
        module: &str,
        code: &ModuleCode,
        chunk: &[ProbePoint],
    ) -> Result<PerturbOrder, ExactDelay> {
        let order = self.order(module, code, chunk)?;
        Ok(self.text(module, "met", order.points, None))
    }

    fn text(
        &self,
        module: &str,
        kind: &str,
        mut used: Vec<ProbePoint>,
        held: Option<&HeldStore>,
    ) -> PerturbOrder {
        used.sort_by_key(ProbePoint::address);
        used.dedup_by_key(|point| point.address());
        let position = |wanted: &ProbePoint| {
            let mut points = used.iter();
            points.position(|point| point.address() == wanted.address())
        };
        let number = |delay: &ExactDelay| {
            let number = used.iter().position(|point| delay.is_at(point))?;
            let Some(held) = held.filter(|held| delay.holds(held)) else {
                return Some(number.to_string());
            };
            Some(format!("{number}>{}", position(&held.end)?))
        };
        let operand = |point: &ProbePoint| match kind {
            "met" => point.operand.map(|operand| operand.bits),
            _ => held.and_then(|held| held.operand(point)),
        };
        let delays = self.groups(number).filter(|delays| !delays.is_empty());
        let value = format!(
            "{module} {kind} {} {} {}\n",
            self.start_nanoseconds,
            delays.as_deref().unwrap_or("-"),
            list(&used, operand)
        );
        PerturbOrder::new(value, used)
    }
}

#[cfg(test)]
mod tests;

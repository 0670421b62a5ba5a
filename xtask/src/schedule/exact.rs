//! Schedules that name their delays, in a text that can be given again:
//! `start=2.1ms insmod@draw+0x1b#1=0.1ms`.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use super::order::{MAX_LIST_BYTES, PerturbOrder, list};
use super::probe_points::ProbePoint;
use super::{BUDGET_MILLISECONDS, InjectedDelay};

/// Limit of the delay of a lesson's beginning, in nanoseconds: a tick of the kernel's clock.
pub(super) const START_LIMIT: u64 = 4_000_000;

/// Limit of the sum of all delays, in nanoseconds.
const BUDGET: u64 = BUDGET_MILLISECONDS as u64 * 1_000_000;

/// Digits of a delay in an order. All have the same number, so that a delay of 0 takes `perturb` as
/// long to read as any other.
const DIGITS: usize = 8;

/// Most bytes of a task's name (`TASK_COMM_LEN` in include/linux/sched.h, less the NUL).
const MAX_NAME_BYTES: usize = 15;

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

    /// Reports whether `perturb` injected this delay.
    pub fn is(&self, injected: &InjectedDelay) -> bool {
        self.is_at(&injected.point)
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
        let mut times = self.delays.iter().map(|delay| delay.nanoseconds);
        let sum = times.try_fold(0_u64, u64::checked_add);
        sum.is_some_and(|sum| sum <= BUDGET)
    }

    /// Removes delays from the end until an order has room for the rest.
    pub fn fit(&mut self) {
        while self.named_delays().len() > MAX_LIST_BYTES {
            self.delays.pop();
        }
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
    /// probe points are `points`. With `observed`, `perturb` sets probes there too, and reports
    /// each arrival at a probe.
    ///
    /// # Errors
    ///
    /// The first delay that is not at a probe point of the module.
    pub fn order(
        &self,
        module: &str,
        points: &[ProbePoint],
        observed: &[ProbePoint],
    ) -> Result<PerturbOrder, ExactDelay> {
        let mut used = observed.to_vec();
        for delay in &self.delays {
            let point = points.iter().find(|point| delay.is_at(point));
            used.push(point.ok_or_else(|| delay.clone())?.clone());
        }
        let kind = if observed.is_empty() {
            "exact"
        } else {
            "observed"
        };
        Ok(self.text(module, kind, used))
    }

    /// Returns the order that makes a baseline run of this schedule, with probes at `chunk` and at the
    /// delays.
    ///
    /// # Errors
    ///
    /// The first delay that is not at a probe point of the module.
    pub fn baseline_order(
        &self,
        module: &str,
        points: &[ProbePoint],
        chunk: &[ProbePoint],
    ) -> Result<PerturbOrder, ExactDelay> {
        let order = self.order(module, points, chunk)?;
        Ok(self.text(module, "met", order.points))
    }

    fn text(&self, module: &str, kind: &str, mut used: Vec<ProbePoint>) -> PerturbOrder {
        used.sort_by_key(ProbePoint::address);
        used.dedup();
        let number = |delay: &ExactDelay| {
            let number = used.iter().position(|point| delay.is_at(point))?;
            Some(number.to_string())
        };
        let delays = self.groups(number).filter(|delays| !delays.is_empty());
        let value = format!(
            "{module} {kind} {} {} {}\n",
            self.start_nanoseconds,
            delays.as_deref().unwrap_or("-"),
            list(&used, kind == "met")
        );
        PerturbOrder::new(value, used)
    }
}

/// Returns a task's name with `%` and two hexadecimal digits for each byte that is not a letter, a
/// digit, `_` or `-`.
fn encoded(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'_' | b'-' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            // `write!` to a String cannot fail.
            _ => drop(write!(text, "%{byte:02x}")),
        }
    }
    text
}

/// Returns the name that [`encoded`] made this text of.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = if letter == '%' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            3
        } else {
            bytes.extend(letter.to_string().bytes());
            letter.len_utf8()
        };
        rest = &rest[length..];
    }
    String::from_utf8(bytes).ok()
}

/// Formats nanoseconds as milliseconds, exactly: `0.1ms`.
fn milliseconds(nanoseconds: u64) -> String {
    let (whole, rest) = (nanoseconds / 1_000_000, nanoseconds % 1_000_000);
    let fraction = format!("{rest:06}");
    match fraction.trim_end_matches('0') {
        "" => format!("{whole}ms"),
        fraction => format!("{whole}.{fraction}ms"),
    }
}

/// Parses milliseconds with up to six digits after the point, as nanoseconds.
fn nanoseconds(text: &str) -> Option<u64> {
    let number = text.strip_suffix("ms")?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

impl fmt::Display for ExactDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            function,
            offset,
            arrival,
            nanoseconds,
        } = self;
        let (task, time) = (encoded(task), milliseconds(*nanoseconds));
        write!(f, "{task}@{function}+{offset:#x}#{arrival}={time}")
    }
}

impl fmt::Display for ExactSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "start={}", milliseconds(self.start_nanoseconds))?;
        self.delays
            .iter()
            .try_for_each(|delay| write!(f, " {delay}"))
    }
}

impl FromStr for ExactDelay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |what: &str| format!("`{text}`: {what}");
        let malformed = || refuse("write a delay as TASK@FUNCTION+OFFSET#ARRIVAL=TIMEms");
        let (task, rest) = text.split_once('@').ok_or_else(malformed)?;
        let (rest, time) = rest.rsplit_once('=').ok_or_else(malformed)?;
        let (rest, arrival) = rest.rsplit_once('#').ok_or_else(malformed)?;
        let (function, offset) = rest.rsplit_once('+').ok_or_else(malformed)?;
        let task = decoded(task)
            .filter(|name| (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains('\0'))
            .ok_or_else(|| refuse("the task's name has 1 to 15 bytes"))?;
        let offset = match offset.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => offset.parse(),
        };
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_.$".contains(letter);
        if function.is_empty() || function.len() > 512 || !function.chars().all(is_name) {
            return Err(refuse("the function is a symbol of the module"));
        }
        let nanoseconds = nanoseconds(time).ok_or_else(|| {
            refuse("the time is in milliseconds, with up to six digits after the point: 0.1ms")
        })?;
        Ok(Self {
            task,
            function: function.to_owned(),
            offset: offset.map_err(|_| refuse("the offset is a number of bytes: 0x1b"))?,
            arrival: arrival
                .parse()
                .ok()
                .filter(|arrival| *arrival > 0)
                .ok_or_else(|| refuse("arrivals are numbered from 1"))?,
            nanoseconds,
        })
    }
}

impl FromStr for ExactSchedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut schedule = Self::default();
        for (index, word) in text.split_whitespace().enumerate() {
            if let Some(time) = word.strip_prefix("start=") {
                if index > 0 {
                    return Err(format!("`{word}`: `start=` comes first, and once"));
                }
                let start = nanoseconds(time).filter(|start| *start < START_LIMIT);
                schedule.start_nanoseconds = start
                    .ok_or_else(|| format!("`{word}`: write a time below 4ms: start=1.25ms"))?;
                continue;
            }
            let delay: ExactDelay = word.parse()?;
            let same = |other: &&ExactDelay| {
                (&other.task, &other.function, other.offset, other.arrival)
                    == (&delay.task, &delay.function, delay.offset, delay.arrival)
            };
            if schedule.delays.iter().any(|other| same(&other)) {
                return Err(format!("`{word}`: the same arrival has another delay"));
            }
            schedule.delays.push(delay);
        }
        if text.trim().is_empty() {
            return Err("the schedule is empty; start=0ms is a schedule without delays".to_owned());
        }
        if !schedule.is_within_budget() {
            let most = BUDGET_MILLISECONDS;
            return Err(format!("all delays together last at most {most}ms"));
        }
        let mut fitting = schedule.clone();
        fitting.fit();
        if fitting != schedule {
            return Err("there are more delays than a guest has room for".to_owned());
        }
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests;

//! From what a guest told to a timeline.

use std::collections::{BTreeMap, HashMap};

use super::Told;
use super::lanes::{lanes, player};
use super::model::{Happening, Left, Moment, Run, Timeline, seconds};
use super::parse::{self, Event, What};
use crate::schedule::InjectedDelay;

/// What `lesson/script.rs` writes into the trace: this, a number, `begin` or `end`.
pub(super) const STEP: &str = "kmodlab: step ";

impl Timeline {
    /// What was told of a run, as a timeline.
    pub fn of(told: &Told<'_>) -> Self {
        let Told {
            name,
            lesson,
            verdict,
            nonce,
            trace,
            dump,
            log,
            ..
        } = *told;
        let mut missing = Vec::new();
        let beginning = format!("kmodlab: lesson begins {nonce}");
        let log_begin = log.lesson_time().map_or(0, micros);
        let read = match (trace, dump) {
            (Some(trace), _) => parse::parse(trace),
            (None, Some(dump)) => {
                let mut read = parse::parse(dump);
                read.events.sort_by_key(|event| event.at);
                let ahead = ahead(&read.events, log_begin, &beginning, told);
                match ahead {
                    Some(ahead) => read
                        .events
                        .iter_mut()
                        .for_each(|event| event.at = event.at.saturating_add_signed(ahead)),
                    None => read.events.clear(),
                }
                read
            }
            (None, None) => parse::Trace::default(),
        };
        if read.events.is_empty() {
            missing.push(
                "Nothing is known of who ran when: the guest ended before it could tell its \
                 trace. These are the messages of its log."
                    .to_owned(),
            );
        }
        if read.lost > 0 {
            missing.push(format!(
                "The first {} events are not there: later ones were written over them.",
                read.lost
            ));
        }
        let begin = read.events.iter().find_map(|event| match &event.what {
            What::Console(text) if *text == beginning => Some(event.at),
            _ => None,
        });
        let begin = begin.unwrap_or(log_begin);
        let mut builder = Builder::new(told, begin, &read.events);
        for event in &read.events {
            builder.event(event);
        }
        // A kernel that stops says why when it has told its trace.
        let last = read.events.last().map_or(0, |event| event.at);
        if trace.is_none() {
            for (at, message) in log.stamped() {
                if let Some(at) = at.map(micros).filter(|at| *at > last) {
                    builder.logged(at, message);
                }
            }
        }
        let (runs, mut moments, end) = builder.finish();
        moments.extend(told.held_up.iter().map(held_up));
        moments.sort_by_key(|moment| moment.at);
        let (tasks, lanes) = lanes(&read.events, begin, &moments);
        Self {
            name: name.to_owned(),
            lesson: lesson.to_owned(),
            verdict: verdict.to_owned(),
            begin,
            end,
            cpus: runs.iter().map(|run| run.cpu + 1).max().unwrap_or(0),
            tasks,
            lanes,
            runs,
            moments,
            missing,
        }
    }
}

/// Seconds as microseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a stamp is not negative, and no guest lives for 2^63 us"
)]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

/// By how much the log's clock is ahead of that of a trace which counts from
/// some other moment. A message is traced when it is in the log already, less
/// than 0.1 ms after the time that the log tells: by that much it is too small.
fn ahead(events: &[Event], log_begin: u64, beginning: &str, told: &Told<'_>) -> Option<i64> {
    let mut logged: HashMap<&str, u64> = HashMap::from([(beginning, log_begin)]);
    for (at, message) in told.log.stamped() {
        if let Some(at) = at {
            logged.entry(message).or_insert(micros(at));
        }
    }
    events.iter().find_map(|event| match &event.what {
        What::Console(text) => {
            let logged = *logged.get(text.as_str())?;
            Some(i64::try_from(logged).ok()? - i64::try_from(event.at).ok()?)
        }
        _ => None,
    })
}

/// A task that was held up, as a message: it is in no log, for that takes time.
fn held_up(held: &InjectedDelay) -> Moment {
    let InjectedDelay {
        point,
        clock_nanoseconds,
        duration_nanoseconds,
        task,
    } = held;
    let millis = seconds(*duration_nanoseconds);
    let function = rustc_demangle::demangle(&point.function);
    let offset = point.offset;
    Moment {
        at: clock_nanoseconds / 1000,
        cpu: None,
        by: task.rsplit_once('/').and_then(|(_, pid)| pid.parse().ok()),
        what: Happening::Message(format!(
            "perturb: held up for {millis:.3} ms at {function:#}+{offset:#x}"
        )),
    }
}

/// Goes through the events in their order.
struct Builder<'a> {
    told: &'a Told<'a>,
    begin: u64,
    /// The shell that plays the lesson.
    player: Option<u32>,
    /// What runs on each CPU, where that is known: the task, since when, and
    /// when it was woken.
    running: BTreeMap<usize, (u32, u64, Option<u64>)>,
    /// The wake-ups whose task did not run yet, as places in `moments`.
    woken: HashMap<u32, (u64, Option<usize>)>,
    runs: Vec<Run>,
    moments: Vec<Moment>,
    /// The last lines of the log that were not the lesson's.
    foreign: Option<Foreign>,
    /// When the first event was.
    first: u64,
    /// When the last was.
    last: u64,
    over: bool,
}

/// Lines of the log that come right after each other.
struct Foreign {
    /// When the last of them came.
    last: u64,
    /// Where in `moments` the first is.
    index: usize,
    /// How long it is, in bytes.
    length: usize,
    /// How many came after the first.
    more: u64,
}

/// The lines of a kernel's report come within so many microseconds each.
const REPORT: u64 = 10_000;

impl<'a> Builder<'a> {
    fn new(told: &'a Told<'a>, begin: u64, events: &[Event]) -> Self {
        Self {
            told,
            begin,
            player: player(events),
            running: BTreeMap::new(),
            woken: HashMap::new(),
            runs: Vec::new(),
            moments: Vec::new(),
            foreign: None,
            first: events.first().map_or(begin, |event| event.at),
            last: begin,
            over: false,
        }
    }

    fn event(&mut self, event: &Event) {
        if self.over {
            return;
        }
        self.last = self.last.max(event.at);
        let what = match &event.what {
            What::Switch { prev, state, next } => self.switch(event, prev.pid, state, next.pid),
            What::Waking(task) => self.wakes(event, task.pid, false),
            What::WakingNew(task) => self.wakes(event, task.pid, true),
            What::Fork { child } => Happening::Makes(child.pid),
            What::KthreadStop(task) => Happening::AsksToStop(task.pid),
            What::Console(text) => match self.message(event.at, text) {
                Some(what) => what,
                None => return,
            },
            What::Marker(text) => match self.step(text) {
                Some(what) => what,
                None => return,
            },
            What::ModuleLoad(name) => Happening::Loads(name.clone()),
            What::ModuleFree(name) => Happening::Unloads(name.clone()),
            What::Exit => {
                // What comes after the lesson is not the lesson's.
                self.over = self.player == Some(event.pid);
                return;
            }
            What::Exec(_) | What::Other => return,
        };
        self.moment(Moment {
            at: event.at,
            cpu: Some(event.cpu),
            by: (!event.interrupt).then_some(event.pid),
            what,
        });
    }

    /// A line of the log of which no more is known.
    fn logged(&mut self, at: u64, message: &str) {
        self.last = self.last.max(at);
        if let Some(what) = self.message(at, message) {
            self.moment(Moment {
                at,
                cpu: None,
                by: None,
                what,
            });
        }
    }

    /// A line of the log; none if it goes with the one before.
    fn message(&mut self, at: u64, text: &str) -> Option<Happening> {
        if text.starts_with("kmodlab: ") {
            return None;
        }
        let foreign = !text.starts_with(self.told.lesson);
        if let (
            true,
            Some(Foreign {
                last,
                index,
                length,
                more,
            }),
        ) = (foreign, &mut self.foreign)
            && at.saturating_sub(*last) < REPORT
        {
            *last = at;
            *more += 1;
            if let Some(Moment {
                what: Happening::Message(text),
                ..
            }) = self.moments.get_mut(*index)
            {
                let s = if *more == 1 { "" } else { "s" };
                text.truncate(*length);
                text.push_str(&format!(" (and {more} more line{s})"));
            }
            return None;
        }
        self.foreign = (foreign && at >= self.begin).then_some(Foreign {
            last: at,
            index: self.moments.len(),
            length: text.len(),
            more: 0,
        });
        Some(Happening::Message(text.to_owned()))
    }

    fn moment(&mut self, moment: Moment) {
        if moment.at >= self.begin {
            self.moments.push(moment);
        }
    }

    fn switch(&mut self, event: &Event, prev: u32, state: &str, next: u32) -> Happening {
        let left = match state.as_bytes() {
            [b'R', ..] => Left::Ready,
            [b'X' | b'Z', ..] => Left::Dead,
            _ => Left::Asleep,
        };
        let woken = self.woken.remove(&next);
        if let Some((_, Some(index))) = woken
            && let Some(Moment {
                what: Happening::Wakes { runs, .. },
                ..
            }) = self.moments.get_mut(index)
        {
            *runs = Some(event.at);
        }
        let next = (next, event.at, woken.map(|(at, _)| at));
        // What ran when the trace began is told when it leaves.
        let since = self.running.insert(event.cpu, next);
        let (_, from, woken) = since.unwrap_or((prev, self.first, None));
        self.run(prev, event.cpu, (from, event.at), woken, left);
        Happening::Switch { left, next: next.0 }
    }

    fn run(
        &mut self,
        pid: u32,
        cpu: usize,
        (from, to): (u64, u64),
        woken: Option<u64>,
        left: Left,
    ) {
        if pid != 0 && to > self.begin {
            let from = from.max(self.begin);
            self.runs.push(Run {
                pid,
                cpu,
                from,
                to,
                woken,
                left,
            });
        }
    }

    fn wakes(&mut self, event: &Event, pid: u32, new: bool) -> Happening {
        // One that was about to sleep, and is still there, runs on.
        let runs = self.running.values().any(|running| running.0 == pid);
        if !runs {
            let index = (event.at >= self.begin).then_some(self.moments.len());
            self.woken.insert(pid, (event.at, index));
        }
        Happening::Wakes {
            pid,
            new,
            runs: runs.then_some(event.at),
        }
    }

    fn step(&self, marker: &str) -> Option<Happening> {
        let (number, what) = marker.strip_prefix(STEP)?.split_once(' ')?;
        let number: usize = number.parse().ok()?;
        match what.trim_end() {
            "begin" => {
                let command = self.told.commands.get(number.checked_sub(1)?)?;
                Some(Happening::Step((*command).to_owned()))
            }
            _ => Some(Happening::StepEnd),
        }
    }

    fn finish(mut self) -> (Vec<Run>, Vec<Moment>, u64) {
        for (cpu, (pid, from, woken)) in std::mem::take(&mut self.running) {
            self.run(pid, cpu, (from, self.last), woken, Left::Running);
        }
        self.runs.sort_by_key(|run| (run.from, run.cpu));
        (self.runs, self.moments, self.last)
    }
}

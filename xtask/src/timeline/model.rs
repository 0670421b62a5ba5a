//! From a trace to what is drawn of it: who ran where and when, who woke whom,
//! and what was said meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Told;
use super::parse::{self, Event, What};
use crate::schedule::HoldUp;

/// A run of a lesson, on the clock of the kernel's log in microseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// The play's name.
    pub name: String,
    /// The lesson's name, with which its module's messages begin.
    pub lesson: String,
    /// What it came to, in a few words.
    pub verdict: String,
    /// When the lesson began.
    pub begin: u64,
    /// When what is known ends.
    pub end: u64,
    /// How many CPUs there were.
    pub cpus: usize,
    /// The tasks, by their numbers.
    pub tasks: BTreeMap<u32, Task>,
    /// The rows that the tasks are drawn in.
    pub lanes: Vec<Lane>,
    /// Who ran, in the order in which the runs began.
    pub runs: Vec<Run>,
    /// All else, in the order in which it happened.
    pub moments: Vec<Moment>,
    /// What is not there, and why; a sentence each.
    pub missing: Vec<String>,
}

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name: the first 15 letters of it.
    pub name: String,
    /// Its lane.
    pub lane: usize,
}

/// A row of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// What stands before it.
    pub name: String,
    /// Of what kind its tasks are.
    pub kind: Kind,
}

/// Of what kind a task is, for a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A kernel thread that was made during the lesson: a lane of its own.
    Thread,
    /// A program that the lesson's threads have to do with: it loads or removes
    /// the module, a thread woke it, or the module spoke in it. All programs of
    /// one name share a lane.
    Program,
    /// The shell that plays the lesson.
    Shell,
    /// All other programs that the lesson starts.
    Command,
    /// All that is not the lesson's.
    Kernel,
}

impl Kind {
    /// Is it what a lesson is about?
    pub fn matters(self) -> bool {
        self <= Kind::Program
    }
}

/// A task on a CPU, without a break.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The task.
    pub pid: u32,
    /// Where.
    pub cpu: usize,
    /// Since when.
    pub from: u64,
    /// Until when.
    pub to: u64,
    /// Since when it was to run, if it slept before: when it was woken.
    pub woken: Option<u64>,
    /// What became of it.
    pub left: Left,
}

/// What becomes of a task that leaves a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It would run on.
    Ready,
    /// It sleeps.
    Asleep,
    /// It is dead.
    Dead,
    /// It did not leave: nothing is known from here on.
    Running,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// When.
    pub at: u64,
    /// On which CPU, if that is known.
    pub cpu: Option<usize>,
    /// Which task did it; none if an interrupt did, or if the CPU is not known.
    pub by: Option<u32>,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A command of the lesson begins.
    Step(String),
    /// It has ended.
    StepEnd,
    /// A line in the kernel's log; of several that are not the lesson's, one
    /// right after the other, only the first, and how many there are.
    Message(String),
    /// A sleeping task is woken.
    Wakes {
        /// Which.
        pid: u32,
        /// True if it is new, and never ran.
        new: bool,
        /// When it runs then.
        runs: Option<u64>,
    },
    /// A task is made.
    Makes(u32),
    /// A thread is asked to stop.
    AsksToStop(u32),
    /// The module is loaded.
    Loads(String),
    /// The module's memory is given back.
    Unloads(String),
    /// A CPU turns from the task that did it (0 if it idled) to another.
    Switch {
        /// What becomes of the first.
        left: Left,
        /// The other; 0 if the CPU idles.
        next: u32,
    },
}

/// The process that makes all kernel threads (kernel/kthread.c).
const KTHREADD: u32 = 2;

/// Threads that a lesson never makes itself begin so.
const WORKER: &str = "kworker/";

/// Programs that a lesson's threads always have to do with.
const LOADERS: [&str; 2] = ["insmod", "rmmod"];

/// What `lesson/script.rs` writes into the trace: this, a number, `begin` or `end`.
const STEP: &str = "kmodlab: step ";

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

    /// The kind of a task; one that idles is the kernel's.
    pub fn kind(&self, pid: u32) -> Kind {
        self.lane(pid)
            .map_or(Kind::Kernel, |lane| self.lanes[lane].kind)
    }

    /// The lane of a task; none if it idles.
    pub fn lane(&self, pid: u32) -> Option<usize> {
        self.tasks.get(&pid).map(|task| task.lane)
    }

    /// A task's name and number: `insmod 65`.
    pub fn task(&self, pid: u32) -> String {
        match self.tasks.get(&pid) {
            Some(task) => format!("{} {pid}", task.name),
            None if pid == 0 => "idle".to_owned(),
            None => pid.to_string(),
        }
    }

    /// Seconds since the lesson began.
    pub fn seconds(&self, at: u64) -> f64 {
        seconds(at.saturating_sub(self.begin))
    }

    /// What a message says, without the module's name in front.
    pub fn without_name<'a>(&self, message: &'a str) -> &'a str {
        let rest = message.strip_prefix(self.lesson.as_str());
        let rest = rest.and_then(|rest| rest.strip_prefix(": "));
        rest.unwrap_or(message)
    }
}

/// Microseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "no guest lives for 2^53 us")]
pub fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
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
fn held_up(held: &HoldUp) -> Moment {
    let HoldUp {
        place,
        at,
        nanoseconds,
        task,
    } = held;
    let millis = seconds(*nanoseconds);
    let function = rustc_demangle::demangle(&place.function);
    let offset = place.offset;
    Moment {
        at: at / 1000,
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

/// The shell that plays the lesson: the one that says where the first step begins.
fn player(events: &[Event]) -> Option<u32> {
    events.iter().find_map(|event| match &event.what {
        What::Marker(text) if text.starts_with(STEP) => Some(event.pid),
        _ => None,
    })
}

/// The tasks, and the lanes for them.
fn lanes(events: &[Event], begin: u64, moments: &[Moment]) -> (BTreeMap<u32, Task>, Vec<Lane>) {
    let player = player(events);
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    let mut order: Vec<u32> = Vec::new();
    let mut threads: BTreeSet<u32> = BTreeSet::new();
    let mut processes: BTreeSet<u32> = player.into_iter().collect();
    let mut name = |pid: u32, name: &str| {
        if pid != 0 && names.insert(pid, name.to_owned()).is_none() {
            order.push(pid);
        }
    };
    for event in events {
        match &event.what {
            What::Switch { prev, next, .. } => {
                name(prev.pid, &prev.comm);
                name(next.pid, &next.comm);
            }
            What::Waking(task) | What::WakingNew(task) | What::KthreadStop(task) => {
                name(task.pid, &task.comm);
            }
            What::Fork { child } => {
                name(child.pid, &child.comm);
                if event.pid == KTHREADD && event.at >= begin {
                    threads.insert(child.pid);
                } else if processes.contains(&event.pid) {
                    processes.insert(child.pid);
                }
            }
            _ => {}
        }
    }
    threads.retain(|pid| !names[pid].starts_with(WORKER));
    // Who has to do with the threads, or spoke as the module does.
    let mut programs: BTreeSet<&str> = LOADERS.into_iter().collect();
    for Moment { by, what, .. } in moments {
        let met = match (what, by) {
            (Happening::Wakes { pid, .. }, Some(by)) if threads.contains(pid) => *by,
            (Happening::Wakes { pid, .. }, Some(by)) if threads.contains(by) => *pid,
            (Happening::Message(_), Some(by)) => *by,
            _ => continue,
        };
        if processes.contains(&met) && Some(met) != player {
            programs.extend(names.get(&met).map(String::as_str));
        }
    }
    let mut tasks = BTreeMap::new();
    let mut lanes: Vec<Lane> = Vec::new();
    for pid in order {
        let name = &names[&pid];
        let kind = if threads.contains(&pid) {
            Kind::Thread
        } else if Some(pid) == player {
            Kind::Shell
        } else if !processes.contains(&pid) {
            Kind::Kernel
        } else if programs.contains(name.as_str()) {
            Kind::Program
        } else {
            Kind::Command
        };
        let label = match kind {
            Kind::Thread => format!("{name} {pid}"),
            Kind::Program => name.clone(),
            Kind::Shell => "the lesson's shell".to_owned(),
            Kind::Command => "other commands".to_owned(),
            Kind::Kernel => "all else".to_owned(),
        };
        let lane = Lane { name: label, kind };
        let lane = match lanes.iter().position(|other| *other == lane) {
            Some(at) => at,
            None => {
                lanes.push(lane);
                lanes.len() - 1
            }
        };
        let name = name.clone();
        tasks.insert(pid, Task { name, lane });
    }
    (tasks, lanes)
}

//! What a timeline is: who ran where and when, who woke whom, and what was said
//! meanwhile.

use std::collections::BTreeMap;

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

impl Timeline {
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

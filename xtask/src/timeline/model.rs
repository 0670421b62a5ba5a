//! The data of a timeline: which task ran on which CPU and when, who woke whom,
//! and what the kernel logged.

use std::collections::BTreeMap;

/// A run of a test case. All times are microseconds on the clock of the kernel's
/// log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// The test case's name.
    pub name: String,
    /// The lesson's name, with which its module's messages begin.
    pub lesson: String,
    /// The verdict in a few words.
    pub verdict: String,
    /// Time at which the lesson began.
    pub begin: u64,
    /// Time of the last known event.
    pub end: u64,
    /// Number of CPUs on which a task ran.
    pub cpus: usize,
    /// The tasks by PID.
    pub tasks: BTreeMap<u32, Task>,
    /// The rows in which the tasks are drawn.
    pub lanes: Vec<Lane>,
    /// Spans in which a task had a CPU, ordered by their beginning.
    pub slices: Vec<CpuSlice>,
    /// All other events, ordered by time.
    pub events: Vec<TimelineEvent>,
    /// Sentences that explain which part of the timeline is missing and why.
    pub missing: Vec<String>,
}

/// A task of the guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The first 15 letters of the task's name (`comm`).
    pub name: String,
    /// Index of the task's lane in [`Timeline::lanes`].
    pub lane: usize,
}

/// A row of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// The row's label.
    pub name: String,
    /// Kind of the lane's tasks.
    pub kind: TaskKind,
}

/// The part that a task has in a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskKind {
    /// A kernel thread created during the lesson. Each has a lane of its own.
    Thread,
    /// A program that deals with the lesson's threads: it loads or removes the
    /// module, a thread woke it, or the module printed a message in its context.
    /// All programs of one name share a lane.
    Program,
    /// The shell that runs the lesson's commands.
    Shell,
    /// Any other program that the lesson starts.
    Command,
    /// Every task that does not belong to the lesson.
    Kernel,
}

impl TaskKind {
    /// Returns true for the tasks that a lesson is about.
    pub fn matters(self) -> bool {
        self <= TaskKind::Program
    }
}

/// A span in which one task had a CPU without interruption.
#[derive(Debug, Clone, PartialEq)]
pub struct CpuSlice {
    /// The task.
    pub pid: u32,
    /// The CPU.
    pub cpu: usize,
    /// Time at which the task got the CPU.
    pub from: u64,
    /// Time at which the task left the CPU.
    pub to: u64,
    /// Time at which the task was woken, if it slept before.
    pub woken: Option<u64>,
    /// State of the task after the slice.
    pub end_state: EndState,
}

/// State of a task that leaves a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndState {
    /// The task is runnable and waits for a CPU.
    Ready,
    /// The task sleeps.
    Asleep,
    /// The task has exited.
    Dead,
    /// The task still ran when the trace ended.
    Running,
}

/// An event at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineEvent {
    /// Time of the event.
    pub at: u64,
    /// CPU of the event, if known.
    pub cpu: Option<usize>,
    /// Task that caused the event; `None` for an interrupt, or if the CPU is not
    /// known.
    pub pid: Option<u32>,
    /// Kind of the event.
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A command of the lesson begins.
    Step(String),
    /// A command of the lesson ends.
    StepEnd,
    /// A line in the kernel's log. Of adjacent lines that the lesson's module did
    /// not print, the first stands for all, with their number.
    Message(String),
    /// A sleeping task is woken.
    Wakeup {
        /// The woken task.
        pid: u32,
        /// Time at which the woken task runs.
        runs_at: Option<u64>,
    },
    /// A task is created.
    Fork(u32),
    /// A thread is asked to stop.
    KthreadStop(u32),
    /// The module is loaded.
    ModuleLoad(String),
    /// The module's memory is freed.
    ModuleFree(String),
    /// A CPU switches from the event's task (0 is the idle task) to another.
    Switch {
        /// State of the first task after the switch.
        end_state: EndState,
        /// The second task; 0 is the idle task.
        next: u32,
    },
}

impl Timeline {
    /// Returns the kind of a task; the idle task belongs to the kernel.
    pub fn kind(&self, pid: u32) -> TaskKind {
        self.lane(pid)
            .map_or(TaskKind::Kernel, |lane| self.lanes[lane].kind)
    }

    /// Returns the index of a task's lane; the idle task has none.
    pub fn lane(&self, pid: u32) -> Option<usize> {
        self.tasks.get(&pid).map(|task| task.lane)
    }

    /// Returns a task's name and PID: `insmod 65`.
    pub fn task(&self, pid: u32) -> String {
        match self.tasks.get(&pid) {
            Some(task) => format!("{} {pid}", task.name),
            None if pid == 0 => "idle".to_owned(),
            None => pid.to_string(),
        }
    }

    /// Returns the seconds from the lesson's beginning to the time `at`.
    pub fn seconds(&self, at: u64) -> f64 {
        seconds(at.saturating_sub(self.begin))
    }

    /// Returns a message of the log without the module's name in front.
    pub fn without_name<'a>(&self, message: &'a str) -> &'a str {
        let rest = message.strip_prefix(self.lesson.as_str());
        let rest = rest.and_then(|rest| rest.strip_prefix(": "));
        rest.unwrap_or(message)
    }

    /// Returns the lesson's commands with the times of their beginning and end.
    pub(super) fn steps(&self) -> impl Iterator<Item = (u64, u64, &str)> {
        let events = self.events.iter().enumerate();
        events.filter_map(|(index, event)| match &event.kind {
            EventKind::Step(command) => {
                let later = &self.events[index + 1..];
                let end = later
                    .iter()
                    .find(|event| matches!(event.kind, EventKind::StepEnd | EventKind::Step(_)));
                let end = end.map_or(self.end, |end| end.at);
                Some((event.at, end, command.as_str()))
            }
            _ => None,
        })
    }
}

/// Converts microseconds to seconds.
#[expect(clippy::cast_precision_loss, reason = "no guest lives for 2^53 us")]
pub fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

//! Builds a timeline from the kernel's trace and log.

use std::collections::{BTreeMap, HashMap};

use kmodlab_protocol::TRACE_STEP;

use super::TimelineInput;
use super::lanes::{lanes, shell};
use super::model::{CpuSlice, EndState, EventKind, Timeline, TimelineEvent, seconds};
use super::parse::{self, TraceEvent, TraceEventKind};
use crate::lesson::kernel_log::begins_report;
use crate::schedule::{InjectedDelay, interrupt};

impl Timeline {
    /// Builds the timeline of a run.
    pub fn of(input: &TimelineInput<'_>) -> Self {
        let TimelineInput {
            name,
            lesson,
            verdict,
            trace,
            dump,
            log,
            ..
        } = *input;
        let mut missing = Vec::new();
        let log_begin = log.lesson_time().map_or(0, micros);
        let parsed = match (trace, dump) {
            (Some(trace), _) => parse::parse(trace),
            (None, Some(dump)) => {
                let mut parsed = parse::parse(dump);
                parsed.events.sort_by_key(|event| event.at);
                match clock_offset(&parsed.events, input) {
                    Some(offset) => parsed
                        .events
                        .iter_mut()
                        .for_each(|event| event.at = event.at.saturating_add_signed(offset)),
                    None => parsed.events.clear(),
                }
                parsed
            }
            (None, None) => parse::Trace::default(),
        };
        if parsed.events.is_empty() {
            missing.push(
                "The scheduler's trace is missing: the guest ended before it could send the \
                 trace. The timeline shows the messages of the kernel's log only."
                    .to_owned(),
            );
        }
        if parsed.lost > 0 {
            missing.push(format!(
                "The first {} events are missing: the trace buffer was full, and later events \
                 overwrote them.",
                parsed.lost
            ));
        }
        let begin = parsed.events.iter().find_map(|event| match &event.kind {
            TraceEventKind::Marker(text) if text.starts_with(TRACE_STEP) => Some(event.at),
            _ => None,
        });
        let begin = begin.unwrap_or(log_begin);
        let mut builder = TimelineBuilder::new(input, begin, &parsed.events);
        for event in &parsed.events {
            builder.trace_event(event);
        }
        // A kernel that stops logs the reason after the dump of its trace.
        let last = parsed.events.last().map_or(0, |event| event.at);
        if trace.is_none() {
            for (at, message) in log.timed_messages() {
                if let Some(at) = at.map(micros).filter(|at| *at > last) {
                    builder.logged(at, message);
                }
            }
        }
        let (slices, mut events, end) = builder.finish();
        events.extend(input.injected_delays.iter().map(injected_delay));
        events.sort_by_key(|event| event.at);
        let (tasks, lanes) = lanes(&parsed.events, begin, &events, input.programs);
        Self {
            name: name.to_owned(),
            lesson: lesson.to_owned(),
            verdict: verdict.to_owned(),
            begin,
            end,
            cpus: slices.iter().map(|slice| slice.cpu + 1).max().unwrap_or(0),
            tasks,
            lanes,
            slices,
            events,
            missing,
        }
    }
}

/// Converts seconds to microseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a timestamp is not negative, and no guest lives for 2^63 us"
)]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

/// Returns the microseconds to add to the times of a dumped trace, which count
/// from an unknown moment, to get times of the log's clock.
///
/// The kernel traces a message less than 0.1 ms after it has read the time for
/// the log, so the result is too small by that much.
fn clock_offset(trace: &[TraceEvent], input: &TimelineInput<'_>) -> Option<i64> {
    let mut logged: HashMap<&str, u64> = HashMap::new();
    for (at, message) in input.log.timed_messages() {
        if let Some(at) = at {
            logged.entry(message).or_insert(micros(at));
        }
    }
    trace.iter().find_map(|event| match &event.kind {
        TraceEventKind::Console(text) => {
            let logged = *logged.get(text.as_str())?;
            Some(i64::try_from(logged).ok()? - i64::try_from(event.at).ok()?)
        }
        _ => None,
    })
}

/// Returns an injected delay as a message. The guest does not log delays, because
/// logging takes time.
fn injected_delay(delay: &InjectedDelay) -> TimelineEvent {
    let InjectedDelay {
        point,
        clock_nanoseconds,
        duration_nanoseconds,
        task,
        until,
        ..
    } = delay;
    let what = match until {
        Some(_) => "held back the store, for",
        None => "delayed by",
    };
    let millis = seconds(*duration_nanoseconds);
    let function = rustc_demangle::demangle(&point.function);
    let offset = point.offset;
    let interrupt = interrupt(delay.task_name()).map(|interrupt| format!(", {interrupt}"));
    let interrupt = interrupt.unwrap_or_default();
    TimelineEvent {
        at: clock_nanoseconds / 1000,
        cpu: None,
        pid: task.rsplit_once('/').and_then(|(_, pid)| pid.parse().ok()),
        kind: EventKind::Message(format!(
            "perturb: {what} {millis:.3} ms at {function:#}+{offset:#x}{interrupt}"
        )),
    }
}

/// Converts trace events, one after the other, to slices and events.
struct TimelineBuilder<'a> {
    input: &'a TimelineInput<'a>,
    begin: u64,
    /// The shell that runs the lesson's commands.
    shell: Option<u32>,
    /// For each CPU, if known: the task that runs, when it got the CPU, and when
    /// it was woken.
    running: BTreeMap<usize, (u32, u64, Option<u64>)>,
    /// Woken tasks that have not run yet: the time, and the wake-up's index in
    /// `events`.
    woken: HashMap<u32, (u64, Option<usize>)>,
    slices: Vec<CpuSlice>,
    events: Vec<TimelineEvent>,
    /// The lines of the last report of the kernel's.
    report: Option<ReportLines>,
    /// Time of the first event.
    first: u64,
    /// Time of the last event.
    last: u64,
    /// True after the lesson's shell has exited.
    over: bool,
}

/// The lines of a report of the kernel's, which are one event.
struct ReportLines {
    /// Time of the last line.
    last: u64,
    /// Index of the first line in `events`.
    index: usize,
    /// Length of the first line in bytes.
    length: usize,
    /// Number of lines after the first.
    more: u64,
}

/// Most microseconds between two lines of one kernel report: a panic prints the last ones late.
const REPORT_GAP: u64 = 100_000;

impl<'a> TimelineBuilder<'a> {
    fn new(input: &'a TimelineInput<'a>, begin: u64, trace: &[TraceEvent]) -> Self {
        Self {
            input,
            begin,
            shell: shell(trace),
            running: BTreeMap::new(),
            woken: HashMap::new(),
            slices: Vec::new(),
            events: Vec::new(),
            report: None,
            first: trace.first().map_or(begin, |event| event.at),
            last: begin,
            over: false,
        }
    }

    fn trace_event(&mut self, event: &TraceEvent) {
        if self.over {
            return;
        }
        self.last = self.last.max(event.at);
        let kind = match &event.kind {
            TraceEventKind::Switch { prev, state, next } => {
                Some(self.switch(event, prev.pid, state, next.pid))
            }
            TraceEventKind::Waking(task) | TraceEventKind::WakingNew(task) => {
                Some(self.wakeup(event, task.pid))
            }
            TraceEventKind::Fork { child } => Some(EventKind::Fork(child.pid)),
            TraceEventKind::KthreadStop(task) => Some(EventKind::KthreadStop(task.pid)),
            TraceEventKind::Console(text) => self.message(event.at, text),
            TraceEventKind::Marker(text) => self.step(text),
            TraceEventKind::ModuleLoad(name) => Some(EventKind::ModuleLoad(name.clone())),
            TraceEventKind::ModuleFree(name) => Some(EventKind::ModuleFree(name.clone())),
            TraceEventKind::Exit => {
                self.over = self.shell == Some(event.pid);
                None
            }
            TraceEventKind::Exec(_) | TraceEventKind::Other => None,
        };
        if let Some(kind) = kind {
            self.push(TimelineEvent {
                at: event.at,
                cpu: Some(event.cpu),
                pid: (!event.interrupt).then_some(event.pid),
                kind,
            });
        }
    }

    /// Adds a line of the log whose CPU and task are not known.
    fn logged(&mut self, at: u64, message: &str) {
        self.last = self.last.max(at);
        if let Some(kind) = self.message(at, message) {
            self.push(TimelineEvent {
                at,
                cpu: None,
                pid: None,
                kind,
            });
        }
    }

    /// Returns the event of a line of the log; `None` if the line was added to the
    /// event of the line before, or is a message of the agent.
    fn message(&mut self, at: u64, text: &str) -> Option<EventKind> {
        if text.starts_with("kmodlab: ") {
            return None;
        }
        let is_own = text.starts_with(self.input.lesson);
        if !is_own
            && let Some(report) = &mut self.report
            && at.saturating_sub(report.last) < REPORT_GAP
        {
            report.last = at;
            report.more += 1;
            if let Some(TimelineEvent {
                kind: EventKind::Message(text),
                ..
            }) = self.events.get_mut(report.index)
            {
                let more = report.more;
                let s = if more == 1 { "" } else { "s" };
                text.truncate(report.length);
                text.push_str(&format!(" (and {more} more line{s})"));
            }
            return None;
        }
        let is_shown = !is_own && at >= self.begin;
        self.report = (is_shown && begins_report(text)).then_some(ReportLines {
            last: at,
            index: self.events.len(),
            length: text.len(),
            more: 0,
        });
        Some(EventKind::Message(text.to_owned()))
    }

    fn push(&mut self, event: TimelineEvent) {
        if event.at >= self.begin {
            self.events.push(event);
        }
    }

    fn switch(&mut self, event: &TraceEvent, prev: u32, state: &str, next: u32) -> EventKind {
        let end_state = match state.as_bytes() {
            [b'R', ..] => EndState::Ready,
            [b'X' | b'Z', ..] => EndState::Dead,
            _ => EndState::Asleep,
        };
        let woken = self.woken.remove(&next);
        if let Some((_, Some(index))) = woken
            && let Some(TimelineEvent {
                kind: EventKind::Wakeup { runs_at, .. },
                ..
            }) = self.events.get_mut(index)
        {
            *runs_at = Some(event.at);
        }
        let running = (next, event.at, woken.map(|(at, _)| at));
        // The task that ran when the trace began is known once it leaves the CPU.
        let left = self.running.insert(event.cpu, running);
        let (_, from, woken) = left.unwrap_or((prev, self.first, None));
        self.slice(prev, event.cpu, (from, event.at), woken, end_state);
        EventKind::Switch { end_state, next }
    }

    fn slice(
        &mut self,
        pid: u32,
        cpu: usize,
        (from, to): (u64, u64),
        woken: Option<u64>,
        end_state: EndState,
    ) {
        if pid != 0 && to > self.begin {
            self.slices.push(CpuSlice {
                pid,
                cpu,
                from: from.max(self.begin),
                to,
                woken,
                end_state,
            });
        }
    }

    fn wakeup(&mut self, event: &TraceEvent, pid: u32) -> EventKind {
        // A task may be woken while it is on the way to sleep; then it runs on.
        let is_running = self.running.values().any(|running| running.0 == pid);
        if !is_running {
            let index = (event.at >= self.begin).then_some(self.events.len());
            self.woken.insert(pid, (event.at, index));
        }
        EventKind::Wakeup {
            pid,
            runs_at: is_running.then_some(event.at),
        }
    }

    fn step(&self, marker: &str) -> Option<EventKind> {
        let (number, edge) = marker.strip_prefix(TRACE_STEP)?.split_once(' ')?;
        let number: usize = number.parse().ok()?;
        match edge.trim_end() {
            "begin" => {
                let command = self.input.commands.get(number.checked_sub(1)?)?;
                Some(EventKind::Step((*command).to_owned()))
            }
            _ => Some(EventKind::StepEnd),
        }
    }

    fn finish(mut self) -> (Vec<CpuSlice>, Vec<TimelineEvent>, u64) {
        for (cpu, (pid, from, woken)) in std::mem::take(&mut self.running) {
            self.slice(pid, cpu, (from, self.last), woken, EndState::Running);
        }
        self.slices.sort_by_key(|slice| (slice.from, slice.cpu));
        (self.slices, self.events, self.last)
    }
}

//! A timeline as text: a column per task and a line per event, from top to bottom.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use super::columns::{breaks, columns, lanes_of, letter};
use super::model::{EndState, EventKind, TaskKind, Timeline, TimelineEvent, seconds};
use crate::text::printable;

/// Format of the text.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextStyle {
    /// Most letters in a line; a longer line is cut off.
    pub width: Option<usize>,
    /// Whether each line has the time of the kernel's log too.
    pub timestamps: bool,
}

/// Shortest span without events that gets a line of its own, in microseconds.
const LONG_WAIT: u64 = 200_000;

/// State of a task, as its column shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TaskState {
    /// The task does not exist.
    Absent,
    /// The task sleeps.
    Sleeps,
    /// The task is ready and waits for a CPU.
    Waits,
    /// The task runs.
    Runs,
}

impl TaskState {
    fn sign(self) -> char {
        match self {
            TaskState::Absent => ' ',
            TaskState::Sleeps => '·',
            TaskState::Waits => '▒',
            TaskState::Runs => '█',
        }
    }
}

impl Timeline {
    /// Returns the timeline as lines of text.
    pub fn text(&self, style: TextStyle) -> String {
        TextWriter::new(self, style).write()
    }
}

struct TextWriter<'a> {
    timeline: &'a Timeline,
    style: TextStyle,
    /// Letters of the lanes that matter.
    letters: BTreeMap<usize, String>,
    /// Columns of the lanes.
    columns: BTreeMap<usize, usize>,
    /// State of each lane's task.
    states: BTreeMap<usize, TaskState>,
    /// CPU and time of the switches that are not shown, because they begin or end a
    /// short break.
    breaks: HashSet<(usize, u64)>,
    out: String,
    /// Time of the last line.
    last: Option<u64>,
}

impl<'a> TextWriter<'a> {
    fn new(timeline: &'a Timeline, style: TextStyle) -> Self {
        let matters = |lane: &usize| timeline.lanes[*lane].kind.matters();
        let mut order: Vec<usize> = Vec::new();
        for event in &timeline.events {
            let lanes = lanes_of(timeline, event).into_iter().flatten();
            for lane in lanes.filter(matters) {
                if !order.contains(&lane) {
                    order.push(lane);
                }
            }
        }
        let letters = order.iter().zip(0..);
        Self {
            timeline,
            style,
            letters: letters
                .map(|(&lane, number)| (lane, letter(number)))
                .collect(),
            columns: columns(timeline, &order),
            states: BTreeMap::new(),
            breaks: breaks(timeline),
            out: String::new(),
            last: None,
        }
    }

    fn write(mut self) -> String {
        self.head();
        for event in &self.timeline.events {
            self.event(event);
        }
        let end = self.timeline.end;
        self.wait_line(end);
        let states = self.last_states();
        self.line(Some(end), None, "", &states);
        self.out
    }

    fn head(&mut self) {
        let Timeline {
            name,
            verdict,
            begin,
            missing,
            lanes,
            ..
        } = self.timeline;
        let begin = seconds(*begin);
        let title = format!("{name}: {verdict}");
        self.plain(&title);
        self.plain(&format!(
            "Seconds since the lesson began, at {begin:.6} s of the kernel's log."
        ));
        for sentence in missing {
            self.plain(sentence);
        }
        self.plain("");
        let mut order: Vec<(&usize, &String)> = self.letters.iter().collect();
        order.sort_by_key(|(_, letter)| (letter.len(), letter.as_str()));
        let names: Vec<String> = order
            .into_iter()
            .map(|(lane, letter)| format!("{letter} {}", printable(&lanes[*lane].name)))
            .collect();
        let width = self.style.width.unwrap_or(100);
        let mut row = String::new();
        for name in names {
            if !row.is_empty() && row.chars().count() + name.chars().count() + 3 > width {
                self.plain(&std::mem::take(&mut row));
            }
            if !row.is_empty() {
                row.push_str("   ");
            }
            row.push_str(&name);
        }
        if !row.is_empty() {
            self.plain(&row);
            self.plain("█ runs   ▒ waits for a CPU   · sleeps   ▶ wakes");
            self.plain("");
        }
        let timestamps = if self.style.timestamps {
            format!("{:>14}  ", "kernel's log")
        } else {
            String::new()
        };
        self.plain(&format!("{timestamps}{:>10} CPU", "seconds"));
    }

    fn event(&mut self, event: &TimelineEvent) {
        let TimelineEvent { at, cpu, pid, kind } = event;
        let (at, cpu) = (*at, *cpu);
        let actor = || self.label(*pid);
        match kind {
            EventKind::Step(command) => {
                let first = command.lines().next().unwrap_or("");
                let more = if command.lines().count() > 1 {
                    " …"
                } else {
                    ""
                };
                self.event_line(at, None, &format!("$ {}{more}", printable(first)));
            }
            EventKind::Message(text) => {
                let text = printable(&self.timeline.without_name(text).replace('\n', " "));
                let line = match (cpu, pid) {
                    (None, None) => text,
                    _ => format!("{}: {text}", actor()),
                };
                self.event_line(at, cpu, &line);
            }
            EventKind::Fork(child) => {
                if self.lane(*child).is_some() && self.timeline.kind(*child) == TaskKind::Thread {
                    let name = printable(&self.timeline.task(*child));
                    let line = format!("{} creates {}, {name}", actor(), self.label(Some(*child)));
                    self.set_state(*child, TaskState::Sleeps);
                    self.event_line(at, cpu, &line);
                }
            }
            EventKind::KthreadStop(thread) => {
                if self.lane(*thread).is_some() {
                    let thread = self.label(Some(*thread));
                    let line = format!("{} asks {thread} to stop, and waits for it", actor());
                    self.event_line(at, cpu, &line);
                }
            }
            EventKind::ModuleLoad(name) => {
                let line = format!("{} loads the module {}", actor(), printable(name));
                self.event_line(at, cpu, &line);
            }
            EventKind::ModuleFree(name) => {
                let line = format!("{} frees the memory of {}", actor(), printable(name));
                self.event_line(at, cpu, &line);
            }
            EventKind::Wakeup { pid: woken, .. } => self.wakeup(at, cpu, *pid, *woken),
            EventKind::Switch { end_state, next } => {
                self.switch(at, cpu, pid.unwrap_or(0), *end_state, *next);
            }
            EventKind::StepEnd => {}
        }
    }

    fn wakeup(&mut self, at: u64, cpu: Option<usize>, waker: Option<u32>, woken: u32) {
        let Some(lane) = self.lane(woken) else {
            return;
        };
        let waker_lane = waker.and_then(|waker| self.lane(waker));
        // A new program gets a line when it runs.
        let is_thread = self.timeline.kind(woken) == TaskKind::Thread;
        if !is_thread && waker_lane.is_none() && waker.is_some() {
            return;
        }
        let line = format!("{} wakes {}", self.label(waker), self.label(Some(woken)));
        if self.states.get(&lane) != Some(&TaskState::Runs) {
            self.states.insert(lane, TaskState::Waits);
        }
        self.wait_line(at);
        let columns = self.columns_with_arrow(waker_lane, Some(lane));
        self.line(Some(at), cpu, &columns, &line);
    }

    fn switch(&mut self, at: u64, cpu: Option<usize>, prev: u32, end_state: EndState, next: u32) {
        if cpu.is_some_and(|cpu| self.breaks.contains(&(cpu, at))) {
            return;
        }
        let mut clauses = Vec::new();
        if self.lane(prev).is_some() {
            let (state, verb) = match end_state {
                EndState::Ready => (TaskState::Waits, "loses the CPU"),
                EndState::Asleep => (TaskState::Sleeps, "sleeps"),
                EndState::Dead => (TaskState::Absent, "exits"),
                EndState::Running => (TaskState::Runs, ""),
            };
            self.set_state(prev, state);
            clauses.push(format!("{} {verb}", self.label(Some(prev))));
        }
        if self.lane(next).is_some() {
            self.set_state(next, TaskState::Runs);
            clauses.push(format!("{} runs", self.label(Some(next))));
        }
        if !clauses.is_empty() {
            self.event_line(at, cpu, &clauses.join(", "));
        }
    }

    /// Writes a line with the state of each task in its column.
    fn event_line(&mut self, at: u64, cpu: Option<usize>, text: &str) {
        self.wait_line(at);
        let columns = self.columns_with_arrow(None, None);
        self.line(Some(at), cpu, &columns, text);
    }

    /// Returns the lane of a task, if the lane has a letter.
    fn lane(&self, pid: u32) -> Option<usize> {
        let lane = self.timeline.lane(pid)?;
        self.letters.contains_key(&lane).then_some(lane)
    }

    fn set_state(&mut self, pid: u32, state: TaskState) {
        if let Some(lane) = self.lane(pid) {
            self.states.insert(lane, state);
        }
    }

    /// Returns the letter of a task, or the name of a task without a letter.
    fn label(&self, pid: Option<u32>) -> String {
        let Some(pid) = pid else {
            return "an interrupt".to_owned();
        };
        match self.lane(pid).and_then(|lane| self.letters.get(&lane)) {
            Some(letter) => letter.clone(),
            None if pid == 0 => "the idle CPU".to_owned(),
            None => match self.timeline.tasks.get(&pid) {
                Some(task) => printable(&task.name),
                None => format!("task {pid}"),
            },
        }
    }

    /// Returns the text of the last line, with the states of the tasks.
    fn last_states(&self) -> String {
        let mut text = "the trace ends".to_owned();
        for (state, verb) in [
            (TaskState::Runs, "runs"),
            (TaskState::Waits, "waits for a CPU"),
            (TaskState::Sleeps, "sleeps"),
        ] {
            for (lane, letter) in &self.letters {
                if self.states.get(lane) == Some(&state) {
                    // `write!` to a String cannot fail.
                    let _ = write!(text, "; {letter} still {verb}");
                }
            }
        }
        text
    }

    /// Returns the columns, with an arrow from one lane to another if both have a
    /// column.
    fn columns_with_arrow(&self, from: Option<usize>, to: Option<usize>) -> String {
        let count = self.columns.values().map(|column| column + 1).max();
        let mut signs = vec![' '; count.unwrap_or(0) * 2];
        for (lane, column) in &self.columns {
            let state = self.states.get(lane).copied();
            // Another lane may have had the column before.
            if let Some(state) = state.filter(|state| *state != TaskState::Absent) {
                signs[column * 2] = state.sign();
            }
        }
        let column = |lane: Option<usize>| lane.and_then(|lane| self.columns.get(&lane));
        if let (Some(from), Some(to)) = (column(from), column(to)) {
            if from < to {
                signs[from * 2 + 1..to * 2].fill('─');
                signs[to * 2 - 1] = '▶';
            } else if to < from {
                signs[to * 2 + 1..from * 2].fill('─');
                signs[to * 2 + 1] = '◀';
            }
        }
        signs.into_iter().collect()
    }

    /// Writes a line with the time since the last line, if that is long.
    fn wait_line(&mut self, at: u64) {
        if let Some(last) = self.last
            && at.saturating_sub(last) >= LONG_WAIT
        {
            let waited = seconds(at - last);
            let columns = self.columns_with_arrow(None, None);
            let columns: String = columns
                .chars()
                .map(|sign| if sign == ' ' { ' ' } else { '┊' })
                .collect();
            self.line(None, None, &columns, &format!("({waited:.3} s)"));
        }
    }

    fn line(&mut self, at: Option<u64>, cpu: Option<usize>, columns: &str, text: &str) {
        let mut line = String::new();
        // `write!` to a String cannot fail.
        if let Some(at) = at {
            if self.style.timestamps {
                let stamp = seconds(at);
                let _ = write!(line, "{:>14}  ", format!("[{stamp:.6}]"));
            }
            let _ = write!(line, "{:>10.6}", self.timeline.seconds(at));
            self.last = Some(at);
        } else {
            let timestamps = if self.style.timestamps { 16 } else { 0 };
            let _ = write!(line, "{:>1$}", "┊", timestamps + 3);
            let _ = write!(line, "{:>7}", "");
        }
        match cpu {
            Some(cpu) => {
                let _ = write!(line, " {cpu:>2}  ");
            }
            None => line.push_str("     "),
        }
        let count = self.columns.values().map(|column| column + 1).max();
        let width = count.unwrap_or(0) * 2;
        let _ = write!(line, "{columns:width$} {text}");
        self.plain(&line);
    }

    fn plain(&mut self, line: &str) {
        let line = line.trim_end();
        match self.style.width {
            Some(width) if line.chars().count() > width => {
                self.out.extend(line.chars().take(width.saturating_sub(1)));
                self.out.push('…');
            }
            _ => self.out.push_str(line),
        }
        self.out.push('\n');
    }
}

//! A timeline as text: a column a task, a line an event, from top to bottom.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use super::columns::{breaks, columns, lanes_of, letter};
use super::model::{EndState, EventKind, TaskKind, Timeline, TimelineEvent, seconds};
use crate::lesson::compare::printable;

/// How the text looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextStyle {
    /// Lines are cut off at so many letters; none if they are not.
    pub width: Option<usize>,
    /// Tell the time of the kernel's log too, on each line.
    pub timestamps: bool,
}

/// A wait that is this long, in microseconds, is told in a line of its own.
const WAIT: u64 = 200_000;

/// What a task does, as its column shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TaskState {
    /// It is not there, or is a program that is over.
    Nothing,
    /// It sleeps.
    Sleeps,
    /// It was woken, or made to leave, and waits for a CPU.
    Waits,
    /// It runs.
    Runs,
}

impl TaskState {
    fn sign(self) -> char {
        match self {
            TaskState::Nothing => ' ',
            TaskState::Sleeps => '·',
            TaskState::Waits => '▒',
            TaskState::Runs => '█',
        }
    }
}

impl Timeline {
    /// The timeline as text, with a line's end at its end.
    pub fn text(&self, style: TextStyle) -> String {
        TextWriter::new(self, style).write()
    }
}

struct TextWriter<'a> {
    timeline: &'a Timeline,
    style: TextStyle,
    /// The lanes' letters: those of the lanes that matter.
    letters: BTreeMap<usize, String>,
    /// The lanes' columns.
    columns: BTreeMap<usize, usize>,
    /// What each lane's task does.
    doing: BTreeMap<usize, TaskState>,
    /// Switches that are not shown: a short break, as a CPU and a time.
    breaks: HashSet<(usize, u64)>,
    out: String,
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
            doing: BTreeMap::new(),
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
        self.wait(end);
        let still = self.still();
        self.line(Some(end), None, "", &still);
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
            "Seconds since the lesson began, which was at {begin:.6} of the kernel's log."
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
            self.plain("█ runs   ▒ could run, has no CPU   · sleeps   ▶ wakes");
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
        let TimelineEvent {
            at,
            cpu,
            pid: by,
            kind,
        } = event;
        let lane = by.and_then(|by| self.shown(by));
        let who = || self.who(*by);
        match kind {
            EventKind::Step(command) => {
                let first = command.lines().next().unwrap_or("");
                let more = if command.lines().count() > 1 {
                    " …"
                } else {
                    ""
                };
                self.told(*at, None, &format!("$ {}{more}", printable(first)));
            }
            EventKind::StepEnd => {}
            EventKind::Message(text) => {
                let text = printable(&self.timeline.without_name(text).replace('\n', " "));
                let said = match (cpu, by) {
                    (None, None) => text,
                    _ => format!("{}: {text}", who()),
                };
                self.told(*at, *cpu, &said);
            }
            EventKind::Fork(pid) if self.shown(*pid).is_some() => {
                let name = self.timeline.task(*pid);
                let thread = self.timeline.kind(*pid) == TaskKind::Thread;
                if thread {
                    let said = format!(
                        "{} makes {}, {}",
                        who(),
                        self.who(Some(*pid)),
                        printable(&name)
                    );
                    self.doing(*pid, TaskState::Sleeps);
                    self.told(*at, *cpu, &said);
                }
            }
            EventKind::KthreadStop(pid) if self.shown(*pid).is_some() => {
                let said = format!(
                    "{} asks {} to stop, and waits for it",
                    who(),
                    self.who(Some(*pid))
                );
                self.told(*at, *cpu, &said);
            }
            EventKind::ModuleLoad(name) => {
                let said = format!("{} loads the module {}", who(), printable(name));
                self.told(*at, *cpu, &said);
            }
            EventKind::ModuleFree(name) => {
                let said = format!("{} gives back the memory of {}", who(), printable(name));
                self.told(*at, *cpu, &said);
            }
            EventKind::Wakeup { pid, .. } => {
                let thread = |pid: u32| self.timeline.kind(pid) == TaskKind::Thread;
                // A new program is told when it runs.
                let told =
                    self.shown(*pid).is_some() && (thread(*pid) || lane.is_some() || by.is_none());
                if told {
                    let said = format!("{} wakes {}", who(), self.who(Some(*pid)));
                    if self.is(*pid) != TaskState::Runs {
                        self.doing(*pid, TaskState::Waits);
                    }
                    self.wait(*at);
                    let columns = self.arrow(lane, self.shown(*pid));
                    self.line(Some(*at), *cpu, &columns, &said);
                }
            }
            EventKind::Switch { end_state, next } => {
                self.switch(*at, *cpu, by.unwrap_or(0), *end_state, *next);
            }
            EventKind::Fork(_) | EventKind::KthreadStop(_) => {}
        }
    }

    fn switch(&mut self, at: u64, cpu: Option<usize>, prev: u32, end_state: EndState, next: u32) {
        let short = cpu.is_some_and(|cpu| self.breaks.contains(&(cpu, at)));
        let mut said = Vec::new();
        if self.shown(prev).is_some() && !short {
            let (doing, words) = match end_state {
                EndState::Ready => (TaskState::Waits, "loses the CPU"),
                EndState::Asleep => (TaskState::Sleeps, "sleeps"),
                EndState::Dead => (TaskState::Nothing, "is gone"),
                EndState::Running => (TaskState::Runs, ""),
            };
            self.doing(prev, doing);
            said.push(format!("{} {words}", self.who(Some(prev))));
        }
        if self.shown(next).is_some() && !short {
            self.doing(next, TaskState::Runs);
            said.push(format!("{} runs", self.who(Some(next))));
        }
        if !said.is_empty() {
            self.told(at, cpu, &said.join(", "));
        }
    }

    /// A line of which the columns show what each task does now.
    fn told(&mut self, at: u64, cpu: Option<usize>, said: &str) {
        self.wait(at);
        let columns = self.arrow(None, None);
        self.line(Some(at), cpu, &columns, said);
    }

    /// The lane of a task, if it is one that is told of.
    fn shown(&self, pid: u32) -> Option<usize> {
        let lane = self.timeline.lane(pid)?;
        self.letters.contains_key(&lane).then_some(lane)
    }

    fn is(&self, pid: u32) -> TaskState {
        let lane = self.shown(pid);
        let doing = lane.and_then(|lane| self.doing.get(&lane));
        doing.copied().unwrap_or(TaskState::Nothing)
    }

    fn doing(&mut self, pid: u32, doing: TaskState) {
        if let Some(lane) = self.shown(pid) {
            self.doing.insert(lane, doing);
        }
    }

    /// A task's letter; the name of one that has none.
    fn who(&self, pid: Option<u32>) -> String {
        let Some(pid) = pid else {
            return "an interrupt".to_owned();
        };
        match self.shown(pid).and_then(|lane| self.letters.get(&lane)) {
            Some(letter) => letter.clone(),
            None if pid == 0 => "the idle CPU".to_owned(),
            None => match self.timeline.tasks.get(&pid) {
                Some(task) => printable(&task.name),
                None => format!("task {pid}"),
            },
        }
    }

    /// What the tasks do that still do something at the end.
    fn still(&self) -> String {
        let of = |wanted: TaskState| -> Vec<&str> {
            let lanes = self.letters.iter();
            lanes
                .filter(|(lane, _)| self.doing.get(lane) == Some(&wanted))
                .map(|(_, letter)| letter.as_str())
                .collect()
        };
        let mut said = "the end".to_owned();
        for (doing, words) in [
            (TaskState::Runs, "runs"),
            (TaskState::Waits, "waits for a CPU"),
            (TaskState::Sleeps, "sleeps"),
        ] {
            for letter in of(doing) {
                // `write!` to a String cannot fail.
                let _ = write!(said, "; {letter} still {words}");
            }
        }
        said
    }

    /// The columns, with an arrow from one lane to another if both have one.
    fn arrow(&self, from: Option<usize>, to: Option<usize>) -> String {
        let count = self.columns.values().map(|column| column + 1).max();
        let mut signs = vec![' '; count.unwrap_or(0) * 2];
        for (lane, column) in &self.columns {
            let doing = self.doing.get(lane).copied();
            // A column may have been another's before.
            if let Some(doing) = doing.filter(|doing| *doing != TaskState::Nothing) {
                signs[column * 2] = doing.sign();
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

    /// Says how long nothing was told, if that was long.
    fn wait(&mut self, at: u64) {
        if let Some(last) = self.last
            && at.saturating_sub(last) >= WAIT
        {
            let waited = seconds(at - last);
            let columns = self.arrow(None, None);
            let columns: String = columns
                .chars()
                .map(|sign| if sign == ' ' { ' ' } else { '┊' })
                .collect();
            self.line(None, None, &columns, &format!("({waited:.3} s)"));
        }
    }

    fn line(&mut self, at: Option<u64>, cpu: Option<usize>, columns: &str, said: &str) {
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
        let _ = write!(line, "{columns:width$} {said}");
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

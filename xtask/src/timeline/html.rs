//! A timeline as one HTML page: a drawing that needs no script, and a short script
//! to zoom.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::layout::{BAR, Layout, TOP, TextRows};
use super::model::{CpuSlice, EndState, EventKind, TaskKind, Timeline, TimelineEvent, seconds};
use crate::text::printable;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Number of the classes `c0`, `c1`, … with the colours of tasks in `page.css`.
const COLORS: usize = 8;

/// Smallest distance between two labels of the axis, in pixels.
const TICK_DISTANCE: f64 = 74.0;

impl Timeline {
    /// Returns the timeline as a self-contained HTML page.
    pub fn page(&self) -> String {
        let layout = Layout::new(self);
        Page {
            timeline: self,
            layout: &layout,
        }
        .markup()
        .into_string()
            + "\n"
    }
}

struct Page<'a> {
    timeline: &'a Timeline,
    layout: &'a Layout<'a>,
}

impl Page<'_> {
    fn markup(&self) -> Markup {
        let Timeline {
            name,
            verdict,
            begin,
            missing,
            ..
        } = self.timeline;
        let title = printable(&format!("{name}: {verdict}"));
        let points = self.layout.points.iter();
        let points = points.map(|(at, x)| format!("[{},{x:.1}]", at - begin));
        let points = points.collect::<Vec<_>>().join(",");
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width";
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (title) }
                    p {
                        "Time runs from left to right, in seconds since the lesson began, at "
                        (format!("{:.6}", seconds(*begin)))
                        " s of the kernel's log. The axis is not to scale: a microsecond without \
                         events is 4 pixels wide, a second 73. Point at an element for details."
                    }
                    (legend())
                    @for sentence in missing {
                        p { (sentence) }
                    }
                    p #tools hidden {
                        button #in title="zoom in" { "+" } " "
                        button #out title="zoom out" { "−" } " "
                        label { input #scale type="checkbox"; " to scale" }
                        " (Ctrl and the mouse wheel zoom too)"
                    }
                    div #view {
                        (self.names())
                        div #scroll { (self.drawing()) }
                    }
                    script {
                        (PreEscaped(format!("const points = [{points}];\n{SCRIPT}")))
                    }
                }
            }
        }
    }

    /// Returns the column with the names of the rows, which does not scroll.
    fn names(&self) -> Markup {
        let cpus = (0..self.timeline.cpus).map(|cpu| format!("CPU {cpu}"));
        let lanes = self.layout.lanes.iter();
        let lanes = lanes.map(|lane| printable(&self.timeline.lanes[*lane].name));
        html! {
            svg width="150" height=(self.layout.height()) {
                @for (row, name) in cpus.chain(lanes).enumerate() {
                    text x="4" y=(Layout::row(row) + BAR - 3) { (name) }
                }
                text x="4" y=(self.layout.message_row(0)) { "messages" }
            }
        }
    }

    fn drawing(&self) -> Markup {
        let mut step_rows = TextRows::steps();
        let mut message_rows = TextRows::messages();
        html! {
            svg #drawing width=(format!("{:.0}", self.layout.width())) height=(self.layout.height()) {
                defs { (arrow_head()) }
                (self.axis())
                @for (from, to, command) in self.timeline.steps() {
                    (self.step(&mut step_rows, from, to, command))
                }
                @for slice in &self.timeline.slices {
                    (self.slice(slice))
                }
                @for event in &self.timeline.events {
                    @if let EventKind::Wakeup { pid, runs_at } = &event.kind {
                        (self.wakeup(event, *pid, *runs_at))
                    }
                }
                @for event in &self.timeline.events {
                    @if let EventKind::Message(text) = &event.kind {
                        (self.message(&mut message_rows, event, text))
                    }
                }
            }
        }
    }

    /// Returns lines with the time, at most one per [`TICK_DISTANCE`].
    fn axis(&self) -> Markup {
        let mut free = f64::MIN;
        let ticks = self.layout.points.iter().filter(|(_, x)| {
            let fits = *x >= free;
            if fits {
                free = x + TICK_DISTANCE;
            }
            fits
        });
        html! {
            @for (at, x) in ticks {
                @let (t, x) = (at - self.timeline.begin, px(*x));
                line.tick data-t=(t) x1=(x) x2=(x) y1=(TOP - 5) y2=(self.layout.height()) {}
                text.time data-t=(t) x=(x) y=(TOP - 8) { (format!("{:.6}", seconds(t))) }
            }
        }
    }

    fn step(&self, rows: &mut TextRows, from: u64, to: u64, command: &str) -> Markup {
        let command = printable(command.lines().next().unwrap_or(""));
        let x = self.layout.x(from);
        let row = rows.place(x, &command);
        let y = 12 + 14 * u32::try_from(row).unwrap_or(0);
        html! {
            (self.bar("step", (from, to), y + 2, 3, &command))
            text.command data-t=(from - self.timeline.begin) x=(px(x)) y=(y) { "$ " (command) }
        }
    }

    /// Returns a slice in the row of its CPU and in the row of its lane, and before it
    /// the time in which the task waited for the CPU.
    fn slice(&self, slice: &CpuSlice) -> Markup {
        let timeline = self.timeline;
        let Some(lane) = timeline.lane(slice.pid) else {
            return Markup::default();
        };
        let kind = timeline.lanes[lane].kind;
        let class = match kind {
            TaskKind::Thread | TaskKind::Program => {
                format!("c{}", self.layout.rank(lane) % COLORS)
            }
            TaskKind::Shell | TaskKind::Command => "command".to_owned(),
            TaskKind::Kernel => "kernel".to_owned(),
        };
        let then = match slice.end_state {
            EndState::Ready => "it is ready and waits for a CPU",
            EndState::Asleep => "it sleeps",
            EndState::Dead => "it has exited",
            EndState::Running => "the trace ends",
        };
        let task = printable(&timeline.task(slice.pid));
        let title = format!(
            "{task} runs on CPU {} from {} to {} s ({} µs); then {then}",
            slice.cpu,
            timeline.seconds(slice.from),
            timeline.seconds(slice.to),
            slice.to - slice.from
        );
        let span = (slice.from, slice.to);
        let row = Layout::row(self.layout.lane_row(lane));
        let woken = slice.woken.filter(|_| kind.matters());
        html! {
            (self.bar(&class, span, Layout::row(slice.cpu), BAR, &title))
            (self.bar(&class, span, row, BAR, &title))
            @if let Some(woken) = woken {
                @let woken = woken.max(timeline.begin);
                @let micros = slice.from.saturating_sub(woken);
                @let title = format!("{task} is ready and waits {micros} µs for a CPU");
                (self.bar("waits", (woken, slice.from.max(woken)), row + 5, BAR - 10, &title))
            }
        }
    }

    fn bar(&self, class: &str, (from, to): (u64, u64), y: u32, height: u32, title: &str) -> Markup {
        let (x, end) = (self.layout.x(from), self.layout.x(to));
        let [t, u] = [from, to].map(|at| at - self.timeline.begin);
        html! {
            rect class=(class) data-t=(t) data-u=(u) x=(px(x)) width=(px((end - x).max(0.8)))
                y=(y) height=(height)
            {
                title { (title) }
            }
        }
    }

    /// Returns an arrow from the waker to the woken task.
    fn wakeup(&self, event: &TimelineEvent, pid: u32, runs_at: Option<u64>) -> Markup {
        let timeline = self.timeline;
        let waker = event.pid.and_then(|waker| timeline.lane(waker));
        let matters = |lane: usize| timeline.lanes[lane].kind.matters();
        let woken = timeline.lane(pid);
        let woken = woken.filter(|woken| matters(*woken) || waker.is_some_and(matters));
        let Some(woken) = woken else {
            return Markup::default();
        };
        let to = Layout::middle(self.layout.lane_row(woken));
        // The arrow of an interrupt begins at the CPU that the interrupt stops.
        let from = waker.map_or(event.cpu.unwrap_or(0), |waker| self.layout.lane_row(waker));
        let from = Layout::middle(from);
        let (x, t) = (px(self.layout.x(event.at)), event.at - timeline.begin);
        let waker_name = match event.pid {
            None | Some(0) => "an interrupt".to_owned(),
            Some(pid) => timeline.task(pid),
        };
        let later = runs_at.map_or_else(
            || "which does not run after that".to_owned(),
            |runs_at| format!("which runs {} µs later", runs_at.saturating_sub(event.at)),
        );
        let title = format!(
            "{} s: {waker_name} wakes {}, {later}",
            timeline.seconds(event.at),
            timeline.task(pid)
        );
        html! {
            line.wake.timer[waker.is_none()] data-t=(t) x1=(x) x2=(x) y1=(from) y2=(to)
                marker-end="url(#head)"
            {
                title { (printable(&title)) }
            }
        }
    }

    /// Returns a message: a circle in the lane of its task, and the text below.
    fn message(&self, rows: &mut TextRows, event: &TimelineEvent, text: &str) -> Markup {
        let timeline = self.timeline;
        let text = timeline.without_name(text).replace('\n', " ");
        let (x, t) = (self.layout.x(event.at), event.at - timeline.begin);
        let lane = event.pid.and_then(|pid| timeline.lane(pid));
        let row = lane.map_or(event.cpu.unwrap_or(0), |lane| self.layout.lane_row(lane));
        let top = Layout::middle(row);
        let bottom = self.layout.message_row(rows.place(x, &text));
        let task = event.pid.map(|pid| format!(", {}", timeline.task(pid)));
        let task = task.unwrap_or_default();
        let title = format!("{} s{task}: {text}", timeline.seconds(event.at));
        html! {
            line.message data-t=(t) x1=(px(x)) x2=(px(x)) y1=(top) y2=(bottom) {}
            circle data-t=(t) cx=(px(x)) cy=(top) r="3.5" { title { (printable(&title)) } }
            text.log data-t=(t) data-dx="3" x=(px(x + 3.0)) y=(bottom) { (printable(&text)) }
        }
    }
}

/// Returns the explanation of the drawing's elements.
fn legend() -> Markup {
    let element = |width: u32, element: Markup, meaning: &str| {
        html! { li { svg width=(width) height="16" { (element) } (meaning) } }
    };
    let arrow = |class: &str| {
        html! { line class=(class) x1="0" x2="28" y1="8" y2="8" marker-end="url(#head)" {} }
    };
    html! {
        ul #legend {
            (element(28, html! { rect.c0 width="28" height="16" {} }, "task runs"))
            (element(28, html! { rect.waits x="0.5" y="5" width="27" height="6" {} },
                "task is ready and waits for a CPU"))
            (element(28, arrow("wake"), "task wakes another task"))
            (element(28, arrow("wake timer"), "interrupt, usually of a timer, wakes a task"))
            (element(10, html! { circle cx="5" cy="8" r="3.5" {} }, "message in the kernel's log"))
        }
    }
}

fn arrow_head() -> Markup {
    html! {
        marker #head viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
            orient="auto-start-reverse"
        {
            path d="M0 0L8 4L0 8z" {}
        }
    }
}

/// Returns a number of pixels with the digits that a drawing needs.
fn px(pixels: f64) -> String {
    format!("{pixels:.1}")
}

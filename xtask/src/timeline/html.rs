//! A timeline as one page: a drawing that needs no script, and a script of a few
//! lines to look closer.
//!
//! The hand-over of two threads takes microseconds, and comes once a second. So
//! a length on the axis grows with the logarithm of the time that passes between
//! two events; the script can draw the same to scale.

use std::fmt::Write as _;

use super::model::{CpuSlice, EndState, EventKind, TaskKind, Timeline, seconds};

/// Heights, in pixels.
const ROW: u32 = 26;
const BAR: u32 = 16;
/// The room above the rows: steps, then the axis.
const TOP: u32 = 62;
/// The rows of messages.
const MESSAGE_ROWS: usize = 8;
const MESSAGE_ROW: u32 = 17;
/// The colours of `page.html`.
const COLORS: usize = 8;
/// Pixels of a letter of a message, about.
const LETTER: f64 = 6.3;
/// Pixels left of time 0.
const MARGIN: f64 = 12.0;

impl Timeline {
    /// The timeline as a page: HTML that needs nothing else.
    pub fn page(&self) -> String {
        PageLayout::new(self).write()
    }
}

struct PageLayout<'a> {
    timeline: &'a Timeline,
    /// Times, and where each is: what is between lies on a straight line.
    points: Vec<(u64, f64)>,
    /// The lanes that are drawn: the CPUs come first.
    lanes: Vec<usize>,
}

impl<'a> PageLayout<'a> {
    fn new(timeline: &'a Timeline) -> Self {
        let mut lanes: Vec<usize> = (0..timeline.lanes.len()).collect();
        lanes.sort_by_key(|lane| timeline.lanes[*lane].kind);
        Self {
            timeline,
            points: points(timeline),
            lanes,
        }
    }

    fn write(&self) -> String {
        let Timeline {
            name,
            verdict,
            begin,
            missing,
            ..
        } = self.timeline;
        let title = format!("{name}: {verdict}");
        let notes: String = missing
            .iter()
            .map(|sentence| format!("<p>{}</p>\n", escaped(sentence)))
            .collect();
        let points: Vec<String> = self
            .points
            .iter()
            .map(|(at, x)| format!("[{},{x:.1}]", at - begin))
            .collect();
        HEAD.replace("TITLE", &escaped(&title))
            .replace("BEGIN", &format!("{:.6}", seconds(*begin)))
            .replace("<!-- NOTES -->", &notes)
            + &self.names()
            + "<div id=\"scroll\">\n"
            + &self.drawing()
            + "</div></div>\n<script>\nconst points = ["
            + &points.join(",")
            + "];\n"
            + SCRIPT
            + "</script>\n</body>\n</html>\n"
    }

    /// The names of the rows, which stay where they are.
    fn names(&self) -> String {
        let height = self.height();
        let mut names = format!("<div id=\"view\"><svg width=\"150\" height=\"{height}\">\n");
        let rows = (0..self.timeline.cpus).map(|cpu| format!("CPU {cpu}"));
        let lanes = self.lanes.iter();
        let lanes = lanes.map(|lane| self.timeline.lanes[*lane].name.clone());
        for (row, name) in rows.chain(lanes).enumerate() {
            let y = self.row(row) + BAR - 3;
            let name = escaped(&name);
            // `write!` to a String cannot fail.
            let _ = writeln!(names, "<text x=\"4\" y=\"{y}\">{name}</text>");
        }
        let y = self.message_row(0);
        let _ = writeln!(names, "<text x=\"4\" y=\"{y}\">messages</text>");
        names + "</svg>\n"
    }

    fn drawing(&self) -> String {
        let width = self.points.last().map_or(0.0, |point| point.1) + 300.0;
        let height = self.height();
        let mut out = format!(
            "<svg id=\"drawing\" width=\"{width:.0}\" height=\"{height}\">\n<defs><marker id=\"head\" \
             viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
        );
        self.axis(&mut out);
        self.steps(&mut out);
        for slice in &self.timeline.slices {
            self.slice(&mut out, slice);
        }
        self.wakes(&mut out);
        self.messages(&mut out);
        out + "</svg>\n"
    }

    /// Marks with the time, not closer than they can be read.
    fn axis(&self, out: &mut String) {
        let bottom = self.height();
        let mut free = f64::MIN;
        for (at, x) in &self.points {
            if *x < free {
                continue;
            }
            free = x + 74.0;
            let t = at - self.timeline.begin;
            let since = seconds(t);
            let y = TOP - 8;
            let _ = writeln!(
                out,
                "<line class=\"tick\" data-t=\"{t}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{bottom}\"/>\
                 <text class=\"time\" data-t=\"{t}\" x=\"{x:.1}\" y=\"{y}\">{since:.6}</text>",
                y + 3
            );
        }
    }

    fn steps(&self, out: &mut String) {
        let mut free = [f64::MIN; 3];
        for (from, to, command) in self.timeline.steps() {
            let (x, end) = (self.x(from), self.x(to));
            let row = free.iter().position(|free| *free <= x).unwrap_or(0);
            let command = command.lines().next().unwrap_or("");
            free[row] = x + length(command) + 22.0;
            let y = 12 + 14 * u32::try_from(row).unwrap_or(0);
            let [t, u] = [from, to].map(|at| at - self.timeline.begin);
            let shown = escaped(command);
            let _ = writeln!(
                out,
                "<rect class=\"step\" data-t=\"{t}\" data-u=\"{u}\" x=\"{x:.1}\" width=\"{:.1}\" \
                 y=\"{}\" height=\"3\"><title>{shown}</title></rect>\
                 <text class=\"command\" data-t=\"{t}\" x=\"{x:.1}\" y=\"{y}\">$ {shown}</text>",
                (end - x).max(1.0),
                y + 2,
            );
        }
    }

    /// A run, in the row of its CPU and in that of its lane.
    fn slice(&self, out: &mut String, slice: &CpuSlice) {
        let timeline = self.timeline;
        let Some(lane) = timeline.lane(slice.pid) else {
            return;
        };
        let kind = timeline.lanes[lane].kind;
        let class = match kind {
            TaskKind::Thread | TaskKind::Program => format!("c{}", self.place(lane) % COLORS),
            TaskKind::Shell | TaskKind::Command => "command".to_owned(),
            TaskKind::Kernel => "kernel".to_owned(),
        };
        let then = match slice.end_state {
            EndState::Ready => "then it would run on, and has no CPU",
            EndState::Asleep => "then it sleeps",
            EndState::Dead => "then it is gone",
            EndState::Running => "and what then is not known",
        };
        let title = format!(
            "{} on CPU {}, {} to {} s ({} µs); {then}",
            timeline.task(slice.pid),
            slice.cpu,
            timeline.seconds(slice.from),
            timeline.seconds(slice.to),
            slice.to - slice.from
        );
        let title = escaped(&title);
        let mut bar = |class: &str, from: u64, to: u64, row: usize, inset: u32, title: &str| {
            let (x, end) = (self.x(from), self.x(to));
            let [t, u] = [from, to].map(|at| at - timeline.begin);
            let y = self.row(row) + inset;
            let height = BAR - 2 * inset;
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" data-t=\"{t}\" data-u=\"{u}\" x=\"{x:.1}\" \
                 width=\"{:.1}\" y=\"{y}\" height=\"{height}\"><title>{title}</title></rect>",
                (end - x).max(0.8)
            );
        };
        let row = timeline.cpus + self.place(lane);
        bar(&class, slice.from, slice.to, slice.cpu, 0, &title);
        bar(&class, slice.from, slice.to, row, 0, &title);
        if let Some(woken) = slice.woken
            && kind.matters()
        {
            let woken = woken.max(timeline.begin);
            let title = format!(
                "{} was woken, and has no CPU for {} µs",
                timeline.task(slice.pid),
                slice.from.saturating_sub(woken)
            );
            bar(
                "waits",
                woken,
                slice.from.max(woken),
                row,
                5,
                &escaped(&title),
            );
        }
    }

    /// Arrows from who wakes to who is woken.
    fn wakes(&self, out: &mut String) {
        let timeline = self.timeline;
        for event in &timeline.events {
            let EventKind::Wakeup { pid, runs_at, .. } = &event.kind else {
                continue;
            };
            let (Some(woken), waker) = (timeline.lane(*pid), event.pid) else {
                continue;
            };
            let waker = waker.and_then(|waker| timeline.lane(waker));
            let matter = |lane: usize| timeline.lanes[lane].kind.matters();
            if !matter(woken) && !waker.is_some_and(matter) {
                continue;
            }
            let middle = |row: usize| self.row(row) + BAR / 2;
            let to = middle(timeline.cpus + self.place(woken));
            // An interrupt comes from the CPU that it interrupts.
            let from = middle(match waker {
                Some(waker) => timeline.cpus + self.place(waker),
                None => event.cpu.unwrap_or(0),
            });
            let (x, t) = (self.x(event.at), event.at - timeline.begin);
            let who = event.pid.filter(|by| *by != 0);
            let who = who.map_or_else(|| "an interrupt".to_owned(), |by| timeline.task(by));
            let later = runs_at.map_or_else(
                || "which never ran after that".to_owned(),
                |runs_at| format!("which runs {} µs later", runs_at.saturating_sub(event.at)),
            );
            let title = format!(
                "{} s: {who} wakes {}, {later}",
                timeline.seconds(event.at),
                timeline.task(*pid)
            );
            let title = escaped(&title);
            let class = if waker.is_some() {
                "wake"
            } else {
                "wake timer"
            };
            let _ = writeln!(
                out,
                "<line class=\"{class}\" data-t=\"{t}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from}\" \
                 y2=\"{to}\" marker-end=\"url(#head)\"><title>{title}</title></line>"
            );
        }
    }

    /// What was said, as a mark in the lane of who said it and as text below.
    fn messages(&self, out: &mut String) {
        let timeline = self.timeline;
        let mut free = [f64::MIN; MESSAGE_ROWS];
        for event in &timeline.events {
            let EventKind::Message(text) = &event.kind else {
                continue;
            };
            let text = timeline.without_name(text).replace('\n', " ");
            let (x, t) = (self.x(event.at), event.at - timeline.begin);
            let lane = event.pid.and_then(|by| timeline.lane(by));
            let row = lane.map_or(event.cpu.unwrap_or(0), |lane| {
                timeline.cpus + self.place(lane)
            });
            let place = free.iter().position(|free| *free <= x).unwrap_or(0);
            free[place] = x + length(&text) + 14.0;
            let (top, bottom) = (self.row(row) + BAR / 2, self.message_row(place));
            let who = event.pid.map_or_else(String::new, |by| timeline.task(by));
            let title = format!("{} s, {who}: {text}", timeline.seconds(event.at));
            let _ = writeln!(
                out,
                "<line class=\"message\" data-t=\"{t}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" \
                 y2=\"{bottom}\"/><circle data-t=\"{t}\" cx=\"{x:.1}\" cy=\"{top}\" r=\"3.5\">\
                 <title>{}</title></circle>\
                 <text class=\"said\" data-t=\"{t}\" data-dx=\"3\" x=\"{:.1}\" y=\"{bottom}\">{}</text>",
                escaped(&title),
                x + 3.0,
                escaped(&text)
            );
        }
    }

    /// Where a time is.
    fn x(&self, at: u64) -> f64 {
        let later = self.points.partition_point(|point| point.0 <= at);
        match (
            later.checked_sub(1).map(|index| self.points[index]),
            self.points.get(later),
        ) {
            (Some((t, x)), Some((next, end))) => {
                x + (end - x) * seconds(at - t) / seconds(next - t)
            }
            (Some((_, x)), None) => x,
            (None, _) => MARGIN,
        }
    }

    /// The place of a lane among those that are drawn.
    fn place(&self, lane: usize) -> usize {
        let place = self.lanes.iter().position(|other| *other == lane);
        place.unwrap_or(0)
    }

    fn row(&self, row: usize) -> u32 {
        TOP + ROW * u32::try_from(row).unwrap_or(0)
    }

    fn message_row(&self, row: usize) -> u32 {
        let rows = self.timeline.cpus + self.lanes.len();
        self.row(rows) + 14 + MESSAGE_ROW * u32::try_from(row).unwrap_or(0)
    }

    fn height(&self) -> u32 {
        self.message_row(MESSAGE_ROWS) + 6
    }
}

/// The times between which the axis is straight: those of all that a lesson is
/// about.
fn points(timeline: &Timeline) -> Vec<(u64, f64)> {
    let matters = |pid: u32| timeline.kind(pid).matters();
    let mut times = vec![timeline.begin, timeline.end];
    for slice in timeline.slices.iter().filter(|slice| matters(slice.pid)) {
        times.extend([slice.from, slice.to]);
    }
    for event in &timeline.events {
        let drawn = match &event.kind {
            EventKind::Step(_) | EventKind::StepEnd | EventKind::Message(_) => true,
            EventKind::Wakeup { pid, .. } => matters(*pid) || event.pid.is_some_and(matters),
            _ => false,
        };
        if drawn {
            times.push(event.at);
        }
    }
    times.retain(|at| (timeline.begin..=timeline.end).contains(at));
    times.sort_unstable();
    times.dedup();
    let mut points: Vec<(u64, f64)> = Vec::with_capacity(times.len());
    for at in times {
        let x = match points.last() {
            Some((last, x)) => x + stretched(at - last),
            None => MARGIN,
        };
        points.push((at, x));
    }
    points
}

/// The pixels for a time in microseconds in which nothing happens.
fn stretched(micros: u64) -> f64 {
    3.0 + 14.0 * (1.0 + seconds(micros) * 1e5).log10()
}

/// How long a text is, about, in pixels.
fn length(text: &str) -> f64 {
    let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    f64::from(letters) * LETTER
}

/// As text in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in crate::lesson::compare::printable(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(letter),
        }
    }
    out
}

const HEAD: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");

//! Positions on the page of a timeline, in pixels.
//!
//! Two threads hand over in microseconds, and do so once a second. So a distance on
//! the axis grows with the logarithm of the time between two events; the page's
//! script can draw the axis to scale instead.

use super::model::{EventKind, Timeline, seconds};

/// Height from one row to the next.
const ROW: u32 = 26;
/// Height of a bar.
pub(super) const BAR: u32 = 16;
/// Room above the rows for the steps and the axis.
pub(super) const TOP: u32 = 62;
/// Most rows of messages.
const MAX_MESSAGE_ROWS: usize = 8;
/// Height from one row of messages to the next.
const MESSAGE_ROW: u32 = 17;
/// Width of the average letter of a message.
const LETTER: f64 = 6.3;
/// Distance of the lesson's beginning from the left edge.
const MARGIN: f64 = 12.0;
/// Room for text right of the last event.
const RIGHT: f64 = 300.0;

/// The positions of a timeline's lanes and times.
pub(super) struct Layout<'a> {
    timeline: &'a Timeline,
    /// Times and their x; between two points, x is proportional to the time.
    pub points: Vec<(u64, f64)>,
    /// Indices of the lanes, ordered from top to bottom. The CPUs are above.
    pub lanes: Vec<usize>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(timeline: &'a Timeline) -> Self {
        let mut lanes: Vec<usize> = (0..timeline.lanes.len()).collect();
        lanes.sort_by_key(|lane| timeline.lanes[*lane].kind);
        Self {
            timeline,
            points: points(timeline),
            lanes,
        }
    }

    /// Returns the x of a time.
    pub(super) fn x(&self, at: u64) -> f64 {
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

    /// Returns a lane's place among the lanes, from 0 for the topmost.
    pub(super) fn rank(&self, lane: usize) -> usize {
        let rank = self.lanes.iter().position(|other| *other == lane);
        rank.unwrap_or(0)
    }

    /// Returns the row of a lane.
    pub(super) fn lane_row(&self, lane: usize) -> usize {
        self.timeline.cpus + self.rank(lane)
    }

    /// Returns the y of a row's upper edge.
    pub(super) fn row(row: usize) -> u32 {
        TOP + ROW * u32::try_from(row).unwrap_or(0)
    }

    /// Returns the y of the middle of a row's bars.
    pub(super) fn middle(row: usize) -> u32 {
        Self::row(row) + BAR / 2
    }

    /// Returns the y of a row of messages.
    pub(super) fn message_row(&self, row: usize) -> u32 {
        let rows = self.timeline.cpus + self.lanes.len();
        Self::row(rows) + 14 + MESSAGE_ROW * u32::try_from(row).unwrap_or(0)
    }

    pub(super) fn width(&self) -> f64 {
        self.points.last().map_or(MARGIN, |point| point.1) + RIGHT
    }

    pub(super) fn height(&self) -> u32 {
        self.message_row(MAX_MESSAGE_ROWS) + 6
    }
}

/// The rows below each other in which texts are placed so that they do not overlap.
pub(super) struct TextRows {
    /// For each row, the x at which it is free.
    free: Vec<f64>,
    gap: f64,
}

impl TextRows {
    /// Returns the rows for messages.
    pub(super) fn messages() -> Self {
        Self {
            free: vec![f64::MIN; MAX_MESSAGE_ROWS],
            gap: 14.0,
        }
    }

    /// Returns the rows for steps.
    pub(super) fn steps() -> Self {
        Self {
            free: vec![f64::MIN; 3],
            gap: 22.0,
        }
    }

    /// Places a text at `x`, and returns its row: the first that is free there, or
    /// the first of all.
    pub(super) fn place(&mut self, x: f64, text: &str) -> usize {
        let row = self.free.iter().position(|free| *free <= x).unwrap_or(0);
        self.free[row] = x + width(text) + self.gap;
        row
    }
}

/// Returns the times between which the axis is linear: those of all events that a
/// lesson is about.
fn points(timeline: &Timeline) -> Vec<(u64, f64)> {
    let matters = |pid: u32| timeline.kind(pid).matters();
    let mut times = vec![timeline.begin, timeline.end];
    for slice in timeline.slices.iter().filter(|slice| matters(slice.pid)) {
        times.extend([slice.from, slice.to]);
    }
    for event in &timeline.events {
        let is_drawn = match &event.kind {
            EventKind::Step(_) | EventKind::StepEnd | EventKind::Message(_) => true,
            EventKind::Wakeup { pid, .. } => matters(*pid) || event.pid.is_some_and(matters),
            _ => false,
        };
        if is_drawn {
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

/// Returns the width of a span of microseconds without events.
fn stretched(micros: u64) -> f64 {
    3.0 + 14.0 * (1.0 + seconds(micros) * 1e5).log10()
}

/// Estimates the width of a text.
fn width(text: &str) -> f64 {
    let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    f64::from(letters) * LETTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legend_gives_the_right_widths() {
        assert_eq!(format!("{:.0}", stretched(1_000_000)), "73");
        assert_eq!(format!("{:.0}", stretched(1)), "4");
    }

    #[test]
    fn texts_do_not_overlap_while_a_row_is_free() {
        let mut rows = TextRows::steps();
        let places = [0.0, 1.0, 2.0, 3.0, 1000.0].map(|x| rows.place(x, "insmod"));
        assert_eq!(places, [0, 1, 2, 0, 0]);
    }
}

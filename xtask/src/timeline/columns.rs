//! The columns of a timeline as text: their letters, their lanes, and the switches
//! that they leave out.

use std::collections::{BTreeMap, HashSet};

use super::model::{EndState, EventKind, Timeline, TimelineEvent};

/// Shortest break that the text shows, in microseconds. A task that loses its CPU
/// for less, to a task that does not belong to the lesson, runs on in the text.
const SHORTEST_BREAK: u64 = 2_000;

/// Most columns.
const MAX_COLUMNS: usize = 16;

/// Returns the letter of a number: A, B, … Z, A1, B1, …
pub(super) fn letter(number: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(number % 26).unwrap_or(0));
    match number / 26 {
        0 => letter.to_string(),
        suffix => format!("{letter}{suffix}"),
    }
}

/// Returns the lanes of the two tasks of an event.
pub(super) fn lanes_of(timeline: &Timeline, event: &TimelineEvent) -> [Option<usize>; 2] {
    let other = match &event.kind {
        EventKind::Wakeup { pid, .. } | EventKind::Fork(pid) | EventKind::KthreadStop(pid) => *pid,
        EventKind::Switch { next, .. } => *next,
        _ => 0,
    };
    [event.pid.unwrap_or(0), other].map(|pid| timeline.lane(pid))
}

/// Assigns a column to each lane. A column is used again when its lane has no more
/// events.
pub(super) fn columns(timeline: &Timeline, order: &[usize]) -> BTreeMap<usize, usize> {
    let mut span: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for event in &timeline.events {
        for lane in lanes_of(timeline, event).into_iter().flatten() {
            let span = span.entry(lane).or_insert((event.at, event.at));
            span.1 = event.at;
        }
    }
    let mut free_at: Vec<u64> = Vec::new();
    let mut columns = BTreeMap::new();
    for lane in order {
        let (first, last) = span.get(lane).copied().unwrap_or((0, 0));
        let column = match free_at.iter().position(|free| *free < first) {
            Some(column) => column,
            None if free_at.len() < MAX_COLUMNS => {
                free_at.push(0);
                free_at.len() - 1
            }
            None => continue,
        };
        free_at[column] = last;
        columns.insert(*lane, column);
    }
    columns
}

/// Returns CPU and time of the switches at both ends of each short break, in which
/// a task that matters leaves a CPU and comes back to it.
pub(super) fn breaks(timeline: &Timeline) -> HashSet<(usize, u64)> {
    let matters = |pid: u32| timeline.kind(pid).matters();
    let mut breaks = HashSet::new();
    for (index, slice) in timeline.slices.iter().enumerate() {
        if !matters(slice.pid) || slice.end_state != EndState::Ready {
            continue;
        }
        let later = &timeline.slices[index + 1..];
        let next = later
            .iter()
            .take_while(|next| next.from < slice.to + SHORTEST_BREAK)
            .find(|next| next.pid == slice.pid || next.cpu == slice.cpu && matters(next.pid));
        if let Some(next) = next
            && (next.pid, next.cpu) == (slice.pid, slice.cpu)
        {
            breaks.insert((slice.cpu, slice.to));
            breaks.insert((next.cpu, next.from));
        }
    }
    breaks
}

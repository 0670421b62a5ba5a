//! Which tasks a timeline is of, and the rows that they are drawn in.

use std::collections::{BTreeMap, BTreeSet};

use super::build::STEP;
use super::model::{Happening, Kind, Lane, Moment, Task};
use super::parse::{Event, What};

/// The process that makes all kernel threads (kernel/kthread.c).
const KTHREADD: u32 = 2;

/// Threads that a lesson never makes itself begin so.
const WORKER: &str = "kworker/";

/// Programs that a lesson's threads always have to do with.
const LOADERS: [&str; 2] = ["insmod", "rmmod"];

/// The shell that plays the lesson: the one that says where the first step begins.
pub(super) fn player(events: &[Event]) -> Option<u32> {
    events.iter().find_map(|event| match &event.what {
        What::Marker(text) if text.starts_with(STEP) => Some(event.pid),
        _ => None,
    })
}

/// The tasks, and the lanes for them.
pub(super) fn lanes(
    events: &[Event],
    begin: u64,
    moments: &[Moment],
) -> (BTreeMap<u32, Task>, Vec<Lane>) {
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

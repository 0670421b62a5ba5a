//! Assigns the tasks of a trace to the rows of a timeline.

use std::collections::{BTreeMap, BTreeSet};

use kmodlab_protocol::TRACE_SHELL;

use super::model::{EventKind, Lane, Task, TaskKind, TimelineEvent};
use super::parse::{TraceEvent, TraceEventKind};

/// PID of the process that creates all kernel threads (kernel/kthread.c).
const KTHREADD: u32 = 2;

/// Name prefix of threads that a lesson never creates itself.
const WORKER: &str = "kworker/";

/// Programs that always deal with a lesson's threads.
const LOADERS: [&str; 2] = ["insmod", "rmmod"];

/// Returns the PID of the shell that runs the lesson, by the agent's marker.
pub(super) fn shell(trace: &[TraceEvent]) -> Option<u32> {
    trace.iter().find_map(|event| match &event.kind {
        TraceEventKind::Marker(text) => text.strip_prefix(TRACE_SHELL)?.parse().ok(),
        _ => None,
    })
}

/// Returns the tasks and their lanes. `own` has the names of the project's own programs, which have lanes, and so
/// have the workers of the kernel that wake one.
pub(super) fn lanes(
    trace: &[TraceEvent],
    begin: u64,
    events: &[TimelineEvent],
    own: &[String],
) -> (BTreeMap<u32, Task>, Vec<Lane>) {
    let shell = shell(trace);
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    let mut order: Vec<u32> = Vec::new();
    let mut threads: BTreeSet<u32> = BTreeSet::new();
    let mut processes: BTreeSet<u32> = shell.into_iter().collect();
    let mut name = |pid: u32, name: &str| {
        if pid != 0 && names.insert(pid, name.to_owned()).is_none() {
            order.push(pid);
        }
    };
    for event in trace {
        match &event.kind {
            TraceEventKind::Switch { prev, next, .. } => {
                name(prev.pid, &prev.comm);
                name(next.pid, &next.comm);
            }
            TraceEventKind::Waking(task)
            | TraceEventKind::WakingNew(task)
            | TraceEventKind::KthreadStop(task) => {
                name(task.pid, &task.comm);
            }
            TraceEventKind::Fork { child } => {
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
    let has_name = |pid: &u32, is: &dyn Fn(&String) -> bool| names.get(pid).is_some_and(is);
    for TimelineEvent { pid, kind, .. } in events {
        if let (EventKind::Wakeup { pid: woken, .. }, Some(waker)) = (kind, pid)
            && has_name(waker, &|name| name.starts_with(WORKER))
            && has_name(woken, &|name| own.contains(name))
        {
            threads.insert(*waker);
        }
    }
    // Programs that wake or are woken by the threads, or run the module's code.
    let own_names = own.iter().map(String::as_str);
    let mut programs: BTreeSet<&str> = LOADERS.into_iter().chain(own_names).collect();
    for TimelineEvent { pid, kind, .. } in events {
        let partner = match (kind, pid) {
            (EventKind::Wakeup { pid: woken, .. }, Some(waker)) if threads.contains(woken) => waker,
            (EventKind::Wakeup { pid: woken, .. }, Some(waker)) if threads.contains(waker) => woken,
            (EventKind::Message(_), Some(pid)) => pid,
            _ => continue,
        };
        if processes.contains(partner) && Some(*partner) != shell {
            programs.extend(names.get(partner).map(String::as_str));
        }
    }
    let mut tasks = BTreeMap::new();
    let mut lanes: Vec<Lane> = Vec::new();
    for pid in order {
        let name = &names[&pid];
        let kind = if threads.contains(&pid) {
            TaskKind::Thread
        } else if Some(pid) == shell {
            TaskKind::Shell
        } else if !processes.contains(&pid) {
            TaskKind::Kernel
        } else if programs.contains(name.as_str()) {
            TaskKind::Program
        } else {
            TaskKind::Command
        };
        let label = match kind {
            TaskKind::Thread => format!("{name} {pid}"),
            TaskKind::Program => name.clone(),
            TaskKind::Shell => "lesson's shell".to_owned(),
            TaskKind::Command => "other commands".to_owned(),
            TaskKind::Kernel => "other tasks".to_owned(),
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

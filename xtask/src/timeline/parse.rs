//! Parses the kernel's trace in either of two formats: the format of
//! `/sys/kernel/tracing/trace`, and the format of the dump that a stopping kernel
//! writes to its log (kernel/trace/trace_output.c, `trace_print_context` and
//! `trace_print_lat_context`).

/// A parsed trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The events, in the order in which they were written.
    pub events: Vec<TraceEvent>,
    /// Number of events that were overwritten before they could be read.
    pub lost: u64,
}

/// An event of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEvent {
    /// Time in microseconds: on the clock of the kernel's log, or in a dump since an
    /// unknown moment.
    pub at: u64,
    /// CPU of the event.
    pub cpu: usize,
    /// Task that ran on the CPU; 0 is the idle task.
    pub pid: u32,
    /// True if an interrupt caused the event, and not the task.
    pub interrupt: bool,
    /// Kind of the event.
    pub kind: TraceEventKind,
}

/// The kinds of events that a timeline needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceEventKind {
    /// `sched_switch`: a CPU switches from one task to another.
    Switch {
        /// The task that leaves the CPU.
        prev: TraceTask,
        /// State of `prev`: `R` ready, `S`, `D` and `I` asleep, `X` and `Z` dead;
        /// `R+` preempted.
        state: String,
        /// The task that gets the CPU.
        next: TraceTask,
    },
    /// `sched_waking`: a sleeping task is woken.
    Waking(TraceTask),
    /// `sched_wakeup_new`: a new task is woken for the first time.
    WakingNew(TraceTask),
    /// `sched_process_fork`: a task creates another.
    Fork {
        /// The new task, whose name is still its parent's.
        child: TraceTask,
    },
    /// `sched_process_exec`: a process executes the program at this path.
    Exec(String),
    /// `sched_process_exit`: the task exits.
    Exit,
    /// `sched_kthread_stop`: the task calls `kthread_stop` for this thread.
    KthreadStop(TraceTask),
    /// `console`: a message for the kernel's log.
    Console(String),
    /// `tracing_mark_write`: a line written to `trace_marker`.
    Marker(String),
    /// `module_load`: a module is loaded.
    ModuleLoad(String),
    /// `module_free`: a module's memory is freed.
    ModuleFree(String),
    /// Any other event.
    Other,
}

/// A task in the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceTask {
    /// PID of the task.
    pub pid: u32,
    /// The first 15 letters of the task's name.
    pub comm: String,
}

/// Parses a trace. A line that is not an event continues the message before, if
/// there is one, and is ignored otherwise.
pub fn parse(text: &str) -> Trace {
    let mut trace = Trace::default();
    for line in text.lines() {
        if let Some(event) = full(line).or_else(|| short(line)) {
            trace.events.push(event);
        } else if let Some(lost) = lost(line) {
            trace.lost += lost;
        } else if let Some(TraceEvent {
            kind: TraceEventKind::Console(message),
            ..
        }) = trace.events.last_mut()
            && !line.starts_with('#')
        {
            message.push('\n');
            message.push_str(line);
        }
    }
    trace
}

/// Returns the number of lost events in a line like `CPU:1 [LOST 12 EVENTS]` or
/// `# entries-in-buffer/entries-written: 2049/3000   #P:2`.
fn lost(line: &str) -> Option<u64> {
    if let Some((_, counts)) = line.split_once("entries-in-buffer/entries-written: ") {
        let (there, written) = counts.split_once('/')?;
        return leading(written)?.checked_sub(there.trim().parse().ok()?);
    }
    let rest = line.strip_prefix("CPU:")?;
    let (_, rest) = rest.split_once(" [LOST ")?;
    leading(rest.strip_suffix(" EVENTS]")?)
}

/// Parses `          insmod-65      [000] d..2.     6.370442: sched_waking: comm=…`
fn full(line: &str) -> Option<TraceEvent> {
    line.match_indices(" [").find_map(|(at, opening)| {
        let (cpu, rest) = line[at + opening.len()..].split_once("] ")?;
        let (_, pid) = line[..at].trim_end().rsplit_once('-')?;
        let (flags, rest) = rest.trim_start().split_once(' ')?;
        let (stamp, rest) = rest.trim_start().split_once(": ")?;
        let (seconds, micros) = stamp.split_once('.')?;
        if micros.len() != 6 {
            return None;
        }
        let at = digits(seconds)?.checked_mul(1_000_000)? + digits(micros)?;
        event(at, digits(cpu)?, pid, flags, rest)
    })
}

/// Parses `  insmod-65        0d..2. 66916us+: sched_waking: comm=…`
fn short(line: &str) -> Option<TraceEvent> {
    line.match_indices('-').find_map(|(at, dash)| {
        let (pid, rest) = line[at + dash.len()..].split_once(' ')?;
        let rest = rest.trim_start();
        let flags = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (cpu, rest) = rest.split_at(flags);
        let (flags, rest) = rest.split_once(' ')?;
        let (stamp, rest) = rest.trim_start().split_once(": ")?;
        let stamp = stamp.trim_end_matches([' ', '+', '!', '#', '*', '@', '$']);
        let at = digits(stamp.strip_suffix("us")?)?;
        event(at, digits(cpu)?, pid, flags, rest)
    })
}

/// Returns the event with flags like `d.h4.` and a text like `sched_waking: comm=…`.
fn event(at: u64, cpu: u64, pid: &str, flags: &str, text: &str) -> Option<TraceEvent> {
    let (name, fields) = text.split_once(':')?;
    Some(TraceEvent {
        at,
        cpu: usize::try_from(cpu).ok()?,
        pid: digits(pid)?.try_into().ok()?,
        interrupt: flags.contains(['h', 'H', 's', 'z', 'Z']),
        kind: kind(name, fields.strip_prefix(' ').unwrap_or(fields))
            .unwrap_or(TraceEventKind::Other),
    })
}

fn kind(name: &str, fields: &str) -> Option<TraceEventKind> {
    Some(match name {
        "sched_switch" => {
            // Split from the right, because a task's name may contain anything.
            let (prev, next) = fields.rsplit_once(" ==> next_comm=")?;
            let (next, _) = next.rsplit_once(" next_prio=")?;
            let (prev, state) = prev.rsplit_once(" prev_state=")?;
            let (prev, _) = prev.rsplit_once(" prev_prio=")?;
            TraceEventKind::Switch {
                prev: named(prev.strip_prefix("prev_comm=")?, " prev_pid=")?,
                state: state.to_owned(),
                next: named(next, " next_pid=")?,
            }
        }
        "sched_waking" => TraceEventKind::Waking(task(fields)?),
        "sched_wakeup_new" => TraceEventKind::WakingNew(task(fields)?),
        "sched_process_fork" => {
            let (_, child) = fields.rsplit_once(" child_comm=")?;
            TraceEventKind::Fork {
                child: named(child, " child_pid=")?,
            }
        }
        "sched_process_exec" => {
            let (file, _) = fields.rsplit_once(" pid=")?;
            TraceEventKind::Exec(file.strip_prefix("filename=")?.to_owned())
        }
        "sched_process_exit" => TraceEventKind::Exit,
        "sched_kthread_stop" => TraceEventKind::KthreadStop(task(fields)?),
        "console" => TraceEventKind::Console(fields.to_owned()),
        "tracing_mark_write" => TraceEventKind::Marker(fields.to_owned()),
        "module_load" => TraceEventKind::ModuleLoad(fields.split(' ').next()?.to_owned()),
        "module_free" => TraceEventKind::ModuleFree(fields.trim_end().to_owned()),
        _ => return None,
    })
}

/// Parses `comm=io_wait_event w pid=66 prio=120 target_cpu=000`.
fn task(fields: &str) -> Option<TraceTask> {
    named(fields.strip_prefix("comm=")?, " pid=")
}

/// Parses `io_wait_event w pid=66 …`, where `key` is ` pid=`.
fn named(text: &str, key: &str) -> Option<TraceTask> {
    let (comm, rest) = text.rsplit_once(key)?;
    Some(TraceTask {
        pid: leading(rest)?.try_into().ok()?,
        comm: comm.to_owned(),
    })
}

/// Parses the number at the beginning of a text.
fn leading(text: &str) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    digits(&text[..end.unwrap_or(text.len())])
}

/// Parses a number that consists of digits only.
fn digits(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(pid: u32, comm: &str) -> TraceTask {
        TraceTask {
            pid,
            comm: comm.to_owned(),
        }
    }

    fn one(line: &str) -> TraceEvent {
        let mut events = parse(line).events;
        assert_eq!(events.len(), 1, "{line}");
        events.remove(0)
    }

    #[test]
    fn a_switch_is_read_whatever_the_names_are() {
        let event = one(
            " io_wait_event w-66      [001] d..2.     9.446442: sched_switch: \
             prev_comm=io_wait_event w prev_pid=66 prev_prio=120 prev_state=R+ ==> \
             next_comm=a prev_pid=1 ==> b next_pid=67 next_prio=120",
        );
        assert_eq!((event.at, event.cpu, event.pid), (9_446_442, 1, 66));
        assert!(!event.interrupt);
        let TraceEventKind::Switch { prev, state, next } = event.kind else {
            panic!("{event:?}");
        };
        assert_eq!(prev, named(66, "io_wait_event w"));
        assert_eq!(state, "R+");
        assert_eq!(next, named(67, "a prev_pid=1 ==> b"));
    }

    #[test]
    fn the_task_may_have_no_name_or_a_strange_one() {
        for task in [
            "<...>",
            "a [001] b",
            "x-1 [000] d..2. 1.2: y",
            "-",
            "kworker/u8:0-ev",
        ] {
            let line = format!(
                "{task:>16}-12      [003] d.h2.   100.000001: sched_waking: \
                 comm=rcu_preempt pid=14 prio=120 target_cpu=001"
            );
            let event = one(&line);
            assert_eq!((event.at, event.cpu, event.pid), (100_000_001, 3, 12));
            assert!(event.interrupt);
            assert_eq!(event.kind, TraceEventKind::Waking(named(14, "rcu_preempt")));
        }
    }

    #[test]
    fn a_stopped_kernels_format_is_read() {
        for mark in [" ", "+", "!"] {
            let line = format!(
                "io_wait_-66        1d.s3. 66916us{mark}: sched_waking: \
                 comm=x pid=5 prio=120 target_cpu=000"
            );
            let event = one(&line);
            assert_eq!((event.at, event.cpu, event.pid), (66_916, 1, 66));
            assert!(event.interrupt);
            assert_eq!(event.kind, TraceEventKind::Waking(named(5, "x")));
        }
        let event = one("khungtas-27        1d..1. 56764470us : console:  </TASK>");
        assert_eq!(event.kind, TraceEventKind::Console(" </TASK>".to_owned()));
    }

    #[test]
    fn what_was_lost_is_counted() {
        let text = "# tracer: nop\n#\n# entries-in-buffer/entries-written: 20/30   #P:2\n\
                    CPU:1 [LOST 12 EVENTS]\n";
        assert_eq!(parse(text).lost, 22);
        assert_eq!(parse("CPU:1 [LOST x EVENTS]\nCPU:0").lost, 0);
    }

    #[test]
    fn a_message_may_have_several_lines_and_any_text() {
        let text = "    x-1   [000] d....     1.000000: console: one: [2.000000]: two\n\
                    three\n\
                    rubbish-\n";
        let trace = parse(text);
        let [event] = &trace.events[..] else {
            panic!("{trace:?}");
        };
        let message = "one: [2.000000]: two\nthree\nrubbish-";
        assert_eq!(event.kind, TraceEventKind::Console(message.to_owned()));
    }

    #[test]
    fn half_a_line_is_no_event_and_no_harm() {
        let line = "    x-1   [000] d..2.     1.000000: sched_switch: prev_comm=a prev_pid=1 \
                    prev_prio=120 prev_state=S ==> next_comm=b next_pid=2 next_prio=120";
        for end in 0..line.len() - " next_prio=120".len() {
            for event in parse(&line[..end]).events {
                assert!(matches!(event.kind, TraceEventKind::Other), "{end}");
            }
        }
        assert_eq!(parse("\u{fffd}-1 [\u{fffd}] : :\n- - -us: \n").events, []);
    }

    #[test]
    fn the_other_events_are_read() {
        let read = |text: &str| one(&format!("  a-1  [000] .....     1.000000: {text}")).kind;
        assert_eq!(
            read("sched_process_fork: comm=kthreadd pid=2 child_comm=kthreadd child_pid=66"),
            TraceEventKind::Fork {
                child: named(66, "kthreadd")
            }
        );
        assert_eq!(
            read("sched_process_exec: filename=/sbin/insmod pid=65 old_pid=65"),
            TraceEventKind::Exec("/sbin/insmod".to_owned())
        );
        assert_eq!(
            read("sched_process_exit: comm=a pid=1 prio=120"),
            TraceEventKind::Exit
        );
        assert_eq!(
            read("sched_kthread_stop: comm=io_wait_event w pid=66"),
            TraceEventKind::KthreadStop(named(66, "io_wait_event w"))
        );
        assert_eq!(
            read("sched_wakeup_new: comm=a b pid=7 prio=120 target_cpu=000"),
            TraceEventKind::WakingNew(named(7, "a b"))
        );
        assert_eq!(
            read("tracing_mark_write: kmodlab: step 1 begin"),
            TraceEventKind::Marker("kmodlab: step 1 begin".to_owned())
        );
        assert_eq!(
            read("module_load: x O"),
            TraceEventKind::ModuleLoad("x".to_owned())
        );
        assert_eq!(
            read("module_free: x"),
            TraceEventKind::ModuleFree("x".to_owned())
        );
        assert_eq!(read("sched_switch: rubbish"), TraceEventKind::Other);
        assert_eq!(read("print_nothing:"), TraceEventKind::Other);
    }
}

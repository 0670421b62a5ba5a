//! Tasks that a run left behind. A task is known by the code that it executes, because a module
//! chooses the names of its threads.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use kmodlab_protocol::Task;

use crate::guest::Guest;

/// The process that all kernel threads are children of.
const KTHREADD: u32 = 2;

/// The time between two looks at a thread that does not execute its own code yet, and the maximum
/// number of looks.
const CREATION: Duration = Duration::from_millis(10);
const CREATION_LOOKS: u32 = 100;

/// The beginning of the names of the kernel's workers, which were chosen before any module was
/// loaded, and that of the workers that execute nothing but what waits for memory.
const WORKER: &[u8] = b"kworker/";
const RESCUER: &[u8] = b"kworker/R-";

/// The function in which one of the kernel's workers waits for work (kernel/workqueue.c).
const WORKER_FUNCTION: &[u8] = b"worker_thread";

/// The tasks from before a run.
pub struct KnownTasks {
    pids: BTreeSet<u32>,
    /// The workers, each with the file that names the function in which it
    /// waits: of the threads from before a run, only these may execute code of a module. To
    /// open the files before the run halves the instructions that a look takes after it.
    workers: Vec<(u32, File)>,
}

impl KnownTasks {
    /// Reads the tasks that there are.
    pub fn read(guest: &Guest) -> Self {
        let pids: BTreeSet<u32> = processes(guest).collect();
        let workers = pids.iter().filter_map(|pid| {
            let name = guest.read(&format!("/proc/{pid}/comm")).ok()?;
            if !name.starts_with(WORKER) || name.starts_with(RESCUER) {
                return None;
            }
            let file = File::open(guest.path(&format!("/proc/{pid}/wchan"))).ok()?;
            Some((*pid, file))
        });
        let workers = workers.collect();
        Self { pids, workers }
    }

    /// Returns the tasks that are new, and the workers that are not waiting for work. The kernel
    /// may create a worker at any time, so a new thread must first reach its own code.
    pub fn others(&self, guest: &Guest) -> Vec<Task> {
        let mut looks = 0;
        loop {
            let tasks: Vec<Task> = processes(guest)
                .filter(|pid| !self.pids.contains(pid))
                .chain(self.busy_workers())
                .filter_map(|pid| task(guest, pid))
                .collect();
            looks += 1;
            if looks == CREATION_LOOKS || !tasks.iter().any(is_being_created) {
                return tasks;
            }
            std::thread::sleep(CREATION);
        }
    }

    fn busy_workers(&self) -> impl Iterator<Item = u32> {
        let busy = self.workers.iter().filter(|(_, file)| is_busy(file));
        busy.map(|(pid, _)| *pid)
    }
}

/// Reports whether the task with this `wchan` file is there and does anything but wait for work.
fn is_busy(wchan: &File) -> bool {
    let mut function = [0; WORKER_FUNCTION.len()];
    let length = wchan.read_at(&mut function, 0);
    length.is_ok_and(|length| function[..length] != *WORKER_FUNCTION)
}

fn processes(guest: &Guest) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(guest.path("/proc"));
    entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Describes a task. One that has just ended has no files any more.
fn task(guest: &Guest, pid: u32) -> Option<Task> {
    let stat = guest.read(&format!("/proc/{pid}/stat")).ok()?;
    let stack = guest.read(&format!("/proc/{pid}/stack")).ok()?;
    let [stat, stack] = [stat, stack].map(|text| String::from_utf8_lossy(&text).into_owned());
    parse(&stat, &stack)
}

/// Reads the first fields of proc_pid_stat(5), and a stack. The name, in parentheses, may hold
/// spaces, parentheses and line ends; no field after it does.
fn parse(stat: &str, stack: &str) -> Option<Task> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, fields) = rest.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent: u32 = fields.next()?.parse().ok()?;
    Some(Task {
        pid: pid.parse().ok()?,
        name: name.to_owned(),
        state,
        is_kernel_thread: parent == KTHREADD,
        // "[<0>] FUNCTION+OFFSET/SIZE [MODULE]" (proc_pid_stack in fs/proc/base.c)
        stack: stack
            .lines()
            .filter_map(|line| line.strip_prefix("[<0>] "))
            .map(str::to_owned)
            .collect(),
    })
}

/// Reports whether a kernel thread has not reached its own code yet: its creator has not started
/// it (`kthread` in kernel/kthread.c), or it is about to run.
fn is_being_created(task: &Task) -> bool {
    let outer = ["kthread+", "ret_from_fork"];
    let is_outer = |frame: &String| outer.iter().any(|name| frame.starts_with(name));
    task.is_kernel_thread && (task.state == 'R' || task.stack.iter().all(is_outer))
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;

    const CREATED: &str = "[<0>] kthread+0xd6/0xf0\n[<0>] ret_from_fork+0x31/0x40\n";
    const WAITS: &str = "[<0>] worker_thread+0x20f/0x280\n[<0>] kthread+0xd6/0xf0\n";

    fn add(guest: &Guest, pid: u32, stat: &str, stack: &str) -> Result<()> {
        let folder = guest.path(&format!("/proc/{pid}"));
        std::fs::create_dir_all(&folder)?;
        let wchan = if stack == WAITS { "worker_thread" } else { "0" };
        let name = stat.split(['(', ')']).nth(1).unwrap_or_default();
        for (name, text) in [
            ("comm", name),
            ("stat", stat),
            ("stack", stack),
            ("wchan", wchan),
        ] {
            std::fs::write(folder.join(name), text)?;
        }
        Ok(())
    }

    #[test]
    fn new_tasks_and_busy_workers_are_others() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let guest = Guest::new(folder.path());
        let worker = "7 (kworker/0:0-events) I 2 0 0 0 -1 69238880 0";
        add(&guest, 1, "1 (init) S 0 1", "")?;
        add(&guest, 7, worker, WAITS)?;
        let known = KnownTasks::read(&guest);
        assert_eq!(known.others(&guest), []);
        let busy = "[<0>] msleep+0x27/0x30\n";
        std::fs::write(guest.path("/proc/7/wchan"), "msleep")?;
        std::fs::write(guest.path("/proc/7/stack"), busy)?;
        add(&guest, 60, "60 (odd) name (\n1 2) D 2 0 0 0", busy)?;
        let others: Vec<(u32, String)> = known
            .others(&guest)
            .into_iter()
            .map(|task| (task.pid, task.name))
            .collect();
        let worker = (7, "kworker/0:0-events".to_owned());
        assert_eq!(others, [(60, "odd) name (\n1 2".to_owned()), worker]);
        Ok(())
    }

    #[test]
    fn a_thread_is_being_created_until_it_reaches_its_own_code() {
        let is_being_created = |state: char, stack: &str| {
            let task = parse(&format!("60 (kworker/0:2) {state} 2 0"), stack);
            task.as_ref().map(is_being_created)
        };
        assert_eq!(is_being_created('D', CREATED), Some(true));
        assert_eq!(is_being_created('R', WAITS), Some(true));
        assert_eq!(is_being_created('I', WAITS), Some(false));
        assert_eq!(parse("60 (kworker", ""), None);
    }
}

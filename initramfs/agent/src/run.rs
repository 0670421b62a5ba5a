//! A run, from the guest's start to its end.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kmodlab_protocol::{
    Assignment, Commands, FOLDER, Message, READY, RunOptions, TRACE_SHELL, TRACE_STEP, TRACKER,
};

use crate::channel::Channel;
use crate::documents::{self, Source};
use crate::guest::{Guest, uptime};
use crate::kernel;
use crate::output::Printed;
use crate::shell::{Event, LAUNCHER, Shell, protect_from_children};
use crate::state::{self, Before};

/// The kernel still calibrates its clocks for a second or so after it started the agent, and
/// logs that. In virtual time the wait costs nothing.
const SETTLE: Duration = Duration::from_secs(2);

/// Runs the commands of the guest's assignment.
pub fn serve(guest: &Guest, source: &Source) -> Result<()> {
    let mut channel = Channel::open()?;
    kernel::be_strict(guest);
    // Modules that are to be there before any lesson is: modules/tools.
    for module in guest.modules_in(FOLDER) {
        if let Err(error) = Guest::load(&module) {
            guest.log(&format!("kmodlab: {error:#}"));
        }
        // A lesson has no use for them. They were read, so the files can be removed.
        std::fs::remove_file(&module)
            .with_context(|| format!("cannot remove {}", module.display()))?;
    }
    // A guest that boots for one run had its assignment here too.
    let _ = std::fs::remove_dir(guest.path(FOLDER));
    protect_from_children()?;
    // The shell waits for its first command, so that a snapshot has it.
    let mut shell = Shell::start(&guest.path("/root"), &LAUNCHER)?;
    std::thread::sleep(SETTLE);
    kernel::log_everything(guest);
    kernel::prepare_trace(guest);
    if let Source::Initramfs(run) = source {
        channel.set_tag(run.assignment.tag);
    }
    let (state, before) = state::before(guest);
    guest.log(READY);
    let at = uptime();
    kernel::clear_log()?;
    channel.send(&Message::Ready { at, state })?;
    let (assignment, options) = match source {
        Source::Initramfs(run) => {
            documents::unpack(guest, &run.assignment.files)?;
            (run.assignment.clone(), run.options.clone())
        }
        Source::Firmware(firmware) => {
            kernel::request_snapshot(guest)?;
            let assignment = firmware.assignment()?;
            documents::unpack(guest, &assignment.files)?;
            if assignment.snapshot {
                kernel::request_snapshot(guest)?;
            }
            (assignment, firmware.options()?)
        }
    };
    let mut run = Run {
        guest,
        channel,
        shell: &mut shell,
        assignment: &assignment,
        options: &options,
        before: &before,
    };
    run.run()
}

struct Run<'a> {
    guest: &'a Guest,
    channel: Channel,
    shell: &'a mut Shell,
    assignment: &'a Assignment,
    options: &'a RunOptions,
    before: &'a Before,
}

/// The way in which the commands ended.
enum Ending {
    /// The shell ended, with this status.
    Shell(i32),
    /// The time limit passed.
    TimeOver,
    /// The commands printed too much; the last bytes of it.
    OutputLimit(Vec<u8>),
}

impl Run<'_> {
    fn run(&mut self) -> Result<()> {
        let guest = self.guest;
        self.channel.set_tag(self.assignment.tag);
        let finds_leaks = kernel::finds_leaks(guest);
        self.channel.queue(&Message::Started {
            at: uptime(),
            jiffies: finds_leaks.then(|| kernel::jiffies(guest)).flatten(),
        });
        if let Some(setting) = &self.options.setting
            && kernel::apply(guest, setting).is_err()
        {
            let module = setting.module.clone();
            self.channel.queue(&Message::Unavailable(module));
        }
        if !state::tracks_registrations(guest) {
            self.channel
                .queue(&Message::Unavailable(TRACKER.to_owned()));
        }
        if self.assignment.traces {
            kernel::start_trace(guest, self.options);
            let pid = self.shell.pid();
            kernel::mark_trace(guest, &format!("{TRACE_SHELL}{pid}"));
        }
        let limit = u64::from(self.assignment.limit_seconds) * 1_000_000_000;
        let deadline = uptime().0 + limit;
        match self.commands(deadline, finds_leaks)? {
            Ending::Shell(status) => {
                self.channel.send(&Message::ShellEnded { status })?;
                self.shell.kill_group();
                if self.assignment.traces {
                    kernel::stop_trace(guest);
                }
                state::idle();
                self.report_trace()?;
                self.report_leaks(finds_leaks)
            }
            Ending::TimeOver => {
                self.channel.send(&Message::TimedOut { at: uptime() })?;
                // The kernel logs the stack of each CPU, and of each task: one that waits for
                // a signal too is not among the blocked ones.
                guest.sysrq("l");
                guest.sysrq("t");
                self.report_trace()
            }
            Ending::OutputLimit(last) => {
                let at = uptime();
                self.channel.send(&Message::OutputLimit { at, last })?;
                self.report_trace()
            }
        }
    }

    /// Runs the commands, and waits for the shell to end.
    fn commands(&mut self, deadline: u64, finds_leaks: bool) -> Result<Ending> {
        let count = match &self.assignment.commands {
            Commands::Given(commands) => u32::try_from(commands.len())?,
            Commands::Typed(count) => *count,
        };
        let mut status = 0;
        for number in 1..=count {
            let command = match self.command(number, deadline)? {
                Ok(command) => command,
                Err(ending) => return Ok(ending),
            };
            self.channel.queue(&Message::StepBegan {
                number,
                at: uptime(),
            });
            // With the end of the step before: a write costs as much as a short command.
            self.channel.flush()?;
            self.mark("begin", number);
            let token = self.token(number);
            self.shell.start_command(&command, status, &token);
            match self.shell.wait(deadline, None)? {
                Event::CommandEnded(ended) => {
                    let at = uptime();
                    status = ended;
                    if let Some(last) = self.queue_output()? {
                        return Ok(Ending::OutputLimit(last));
                    }
                    self.channel
                        .queue(&Message::StepEnded { number, at, status });
                    if finds_leaks {
                        for section in kernel::code_sections(self.guest) {
                            self.channel.queue(&Message::Code(section));
                        }
                    }
                    self.mark("end", number);
                }
                event => return self.ending(event),
            }
        }
        self.shell.finish();
        let event = self.shell.wait(deadline, None)?;
        self.ending(event)
    }

    /// Returns the token of a step, which nothing but the agent and its shell knows.
    fn token(&self, number: u32) -> String {
        let mut hasher = DefaultHasher::new();
        (self.assignment.tag.bytes(), number).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Returns the command of a step, or how the run ended before it came.
    fn command(&mut self, number: u32, deadline: u64) -> Result<Result<String, Ending>> {
        if let Commands::Given(commands) = &self.assignment.commands {
            let index = usize::try_from(number - 1)?;
            return Ok(Ok(commands.get(index).cloned().unwrap_or_default()));
        }
        self.channel.send(&Message::AwaitsCommand { number })?;
        loop {
            match self.shell.wait(deadline, Some(&self.channel))? {
                Event::Readable => {
                    if let Some(command) = self.channel.command()? {
                        return Ok(Ok(command));
                    }
                }
                event => return self.ending(event).map(Err),
            }
        }
    }

    fn ending(&mut self, event: Event) -> Result<Ending> {
        if let Some(last) = self.queue_output()? {
            return Ok(Ending::OutputLimit(last));
        }
        Ok(match event {
            Event::ShellEnded(status) => Ending::Shell(status),
            // The output cannot have become shorter.
            Event::OutputFull => Ending::OutputLimit(Vec::new()),
            Event::TimeOver | Event::Readable | Event::CommandEnded(_) => Ending::TimeOver,
        })
    }

    /// Queues the output since the last call. If it is too much, queues its beginning, and
    /// returns its end.
    fn queue_output(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            let (output, end) = match self.shell.output.read()? {
                Printed::Piece(bytes) => {
                    self.channel.queue(&Message::Output(bytes));
                    // Long output does not fit into the guest's memory several times.
                    self.channel.flush()?;
                    continue;
                }
                Printed::Rest(bytes) => (bytes, None),
                Printed::TooMuch { first, last } => (first, Some(last)),
            };
            if !output.is_empty() {
                self.channel.queue(&Message::Output(output));
            }
            return Ok(end);
        }
    }

    /// Marks in the trace where a step begins and ends.
    fn mark(&self, edge: &str, number: u32) {
        if self.assignment.traces {
            kernel::mark_trace(self.guest, &format!("{TRACE_STEP}{number} {edge}"));
        }
    }

    fn report_trace(&mut self) -> Result<()> {
        if !self.assignment.traces {
            return Ok(());
        }
        kernel::stop_trace(self.guest);
        if self.options.reports_trace {
            let trace = kernel::trace(self.guest);
            self.channel.send(&Message::Trace(trace))?;
        }
        Ok(())
    }

    /// Reports what the run left behind: the guest's state, then lost memory.
    fn report_leaks(&mut self, finds_leaks: bool) -> Result<()> {
        let state = state::after(self.guest, self.before);
        if finds_leaks {
            match kernel::leaks(self.guest) {
                Ok(leaks) => self.channel.queue(&Message::Leaks(leaks)),
                Err(_) => self.unavailable_leaks(),
            }
        } else if self.assignment.finds_leaks {
            self.unavailable_leaks();
        }
        self.channel.send(&Message::Finished { state })
    }

    fn unavailable_leaks(&mut self) {
        self.channel
            .queue(&Message::Unavailable("kmemleak".to_owned()));
    }
}

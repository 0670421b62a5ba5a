//! QEMU's control channel (docs/interop/qmp-spec): reads the guest's clock and CPUs, saves
//! guests and resumes them.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer_patience::AnswerPatience;
use super::cpus;
use super::pci::{PciBus, PciDevice};
use super::watchdog::INTERVAL;

/// The time that QEMU may take to read a request: it reads at once unless it is stopped.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);

/// The time that QEMU may take to start, or to read or write a guest's state, which is some
/// milliseconds' work. A QEMU that ends is noticed at once.
const STATE_PATIENCE: Duration = Duration::from_secs(30);

/// The date at which guests' clocks begin, as `-rtc base=` wants it.
pub const EPOCH: &str = "2024-01-01T00:00:00";

/// A connection to QEMU's control channel.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    /// The number of the process that QEMU is a child of.
    guard: u32,
    /// Bytes of lines that have not been parsed yet.
    received: Vec<u8>,
    /// Events that no caller has waited for yet.
    events: VecDeque<Message>,
    others: OtherEvents,
}

/// The events of a guest that no caller waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherEvents {
    /// Their number since the guest's start.
    pub count: u64,
    /// The name of the last one; empty if there was none.
    pub last: String,
}

#[derive(Deserialize)]
struct Date {
    tm_mon: u32,
    tm_mday: u32,
    tm_hour: u32,
    tm_min: u32,
    tm_sec: u32,
}

/// Returns the arguments of `qom-get` for the guest's clock.
fn clock() -> Value {
    json!({"path": "/machine", "property": "rtc-time"})
}

/// Returns the seconds since [`EPOCH`] that an answer to it means; right for a month.
fn seconds(answer: Value) -> Result<u32> {
    let date: Date = serde_json::from_value(answer).context("QEMU's rtc-time is not a date")?;
    let days = date.tm_mon * 31 + date.tm_mday - 1;
    Ok(((days * 24 + date.tm_hour) * 60 + date.tm_min) * 60 + date.tm_sec)
}

/// Returns a request as QEMU reads it.
///
/// It is written in one piece: each write takes room in the socket, however short it is, and a
/// QEMU that has stopped reading must not stop xtask too.
fn request(command: &str, arguments: &Value) -> String {
    format!("{}\n", json!({"execute": command, "arguments": arguments}))
}

/// A line from QEMU: an answer, an error or an event.
#[derive(Debug, Deserialize)]
struct Message {
    #[serde(rename = "return")]
    answer: Option<Value>,
    error: Option<Value>,
    event: Option<String>,
    #[serde(default)]
    data: Value,
}

impl Qmp {
    /// Negotiates on a new connection to the QEMU that is a child of `guard`; on a busy host QEMU
    /// may take a while to start.
    pub fn new(stream: UnixStream, guard: u32) -> Result<Self> {
        stream.set_read_timeout(Some(STATE_PATIENCE))?;
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        let mut qmp = Self {
            stream,
            guard,
            received: Vec::new(),
            events: VecDeque::new(),
            others: OtherEvents::default(),
        };
        qmp.read()?; // QEMU's greeting
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Returns the seconds since the guest's start, by its own clock: its real-time clock runs
    /// on QEMU's virtual time (`-rtc clock=vm`) and began at [`EPOCH`]. A guest with interrupts
    /// disabled cannot stop it.
    pub fn guest_seconds(&mut self) -> Result<u32> {
        seconds(self.execute("qom-get", &clock())?)
    }

    /// Reports whether all of the guest's CPUs have their interrupts disabled.
    pub fn all_interrupts_disabled(&mut self) -> Result<bool> {
        let registers = self.registers()?;
        Ok(cpus::interrupts_enabled(&registers).is_some_and(|enabled| !enabled))
    }

    /// Reports whether QEMU has stopped the guest for an error of its own, as it does when KVM
    /// cannot run the guest.
    pub fn has_internal_error(&mut self) -> Result<bool> {
        let status = self.execute("query-status", &json!({}))?;
        Ok(status["status"] == "internal-error")
    }

    /// Reports whether a guest with this number of CPUs, stopped at its own request, was idle
    /// then: no other CPU ran, and the clock was at the time for which a CPU's timer was set.
    /// A CPU that QEMU does not report counts as idle.
    pub fn is_idle(&mut self, cpus: u32) -> Result<bool> {
        let registers = self.registers()?;
        if cpus::running(&registers).is_some_and(|running| running != 1) {
            return Ok(false);
        }
        for cpu in 0..cpus {
            let apic = self.monitor(&format!("info lapic {cpu}"))?;
            if cpus::timer_has_expired(&apic).unwrap_or(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the monitor's report on the registers of all CPUs, for [`cpus`].
    pub fn registers(&mut self) -> Result<String> {
        self.monitor("info registers -a")
    }

    /// Stops the guest.
    pub fn pause(&mut self) -> Result<()> {
        self.execute("stop", &json!({})).map(drop)
    }

    /// Lets a guest run that was stopped.
    pub fn resume_execution(&mut self) -> Result<()> {
        self.execute("cont", &json!({})).map(drop)
    }

    /// Returns the two 64-bit numbers at a virtual address of a CPU, counted from 0; `None` if
    /// the address is not mapped.
    pub fn memory(&mut self, cpu: usize, address: u64) -> Option<[u64; 2]> {
        let line = json!({"command-line": format!("x /2gx {address:#x}"), "cpu-index": cpu});
        let answer = self.execute("human-monitor-command", &line).ok()?;
        // ffffc900000f7ec0: 0x... 0x...
        let (_, numbers) = answer.as_str()?.split_once(": ")?;
        let mut numbers = numbers.split_whitespace().map_while(|number| {
            let digits = number.strip_prefix("0x")?;
            u64::from_str_radix(digits, 16).ok()
        });
        Some([numbers.next()?, numbers.next()?])
    }

    /// Starts QEMU's debugger stub, which listens at `socket`.
    pub fn start_debugger_stub(&mut self, socket: &Path) -> Result<()> {
        let device = format!("gdbserver {},server=on,wait=off", uri(socket));
        self.monitor(&device).map(drop)
    }

    /// Returns the answer of QEMU's monitor for people.
    pub(super) fn monitor(&mut self, command: &str) -> Result<String> {
        let line = json!({"command-line": command});
        let answer = self.execute("human-monitor-command", &line)?;
        let text = answer.as_str().map(str::to_owned);
        text.with_context(|| format!("QEMU does not answer {command}"))
    }

    /// Sends the guest's CPUs a non-maskable interrupt.
    pub fn nmi(&mut self) -> Result<()> {
        self.execute("inject-nmi", &json!({})).map(drop)
    }

    /// Returns the number of instructions that a replayed guest has executed.
    pub fn replayed_instructions(&mut self) -> Result<u64> {
        let answer = self.execute("query-replay", &json!({}))?;
        let count = answer["icount"].as_u64();
        count.context("QEMU reports no count of instructions")
    }

    /// Waits for the guest to be stopped, for `wait` at most, and reports whether it was.
    pub fn wait_for_stop(&mut self, wait: Duration) -> Result<bool> {
        self.stream.set_read_timeout(Some(wait))?;
        let stopped = self.wait_for(|event, _| event == "STOP");
        match stopped {
            Ok(_) => Ok(true),
            Err(error) if is_timeout(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the state of a guest that is stopped, all but its memory. QEMU sends it to a
    /// socket that is made at `socket`.
    pub fn state(&mut self, socket: &Path) -> Result<Vec<u8>> {
        self.ready_to_migrate()?;
        let listener = UnixListener::bind(socket)
            .with_context(|| format!("cannot listen on {}", socket.display()))?;
        let receive = || -> Result<Vec<u8>> {
            let mut state = Vec::new();
            listener.accept()?.0.read_to_end(&mut state)?;
            Ok(state)
        };
        let received = std::thread::scope(|scope| {
            let receiver = scope.spawn(receive);
            let sent = self
                .execute("migrate", &json!({"uri": uri(socket)}))
                .and_then(|_| self.migrated());
            // If QEMU has not connected, the receiver still waits.
            drop(UnixStream::connect(socket));
            let state = receiver.join().map_err(|_| anyhow!("the receiver died"));
            sent.and(state)
        });
        received?.context("cannot receive the guest's state")
    }

    /// Gives a guest that waits for its state (`-incoming defer`) the state `state`, which QEMU
    /// receives at a socket that it makes at `socket`. The guest does not run yet.
    pub fn load(&mut self, state: &[u8], socket: &Path) -> Result<()> {
        self.ready_to_migrate()?;
        // QEMU announces a resumed guest to its network five times within a second of the
        // host's time, and each of these timers limits how long a CPU runs before the other
        // one. Without them, a guest does the same in every run (migration/migration.c,
        // icount_get_limit in accel/tcg/tcg-accel-ops-icount.c).
        self.execute("migrate-set-parameters", &json!({"announce-rounds": 0}))?;
        self.execute("migrate-incoming", &json!({"uri": uri(socket)}))?;
        UnixStream::connect(socket)
            .and_then(|mut stream| stream.write_all(state))
            .context("QEMU does not take the guest's state")?;
        self.migrated()
    }

    /// Returns the PCI devices of a guest.
    pub fn pci_devices(&mut self) -> Result<Vec<PciDevice>> {
        let answer = self.execute("query-pci", &json!({}))?;
        let buses: Vec<PciBus> =
            serde_json::from_value(answer).context("QEMU's list of PCI devices is not one")?;
        Ok(buses.first().map_or_else(Vec::new, PciBus::devices))
    }

    /// Makes QEMU ignore the guest's requests to be stopped.
    pub fn ignore_snapshot_requests(&mut self) -> Result<()> {
        let action = json!({"panic": "none"});
        self.execute("set-action", &action).map(drop)
    }

    /// Ends QEMU.
    pub fn quit(&mut self) -> Result<()> {
        self.execute("quit", &json!({})).map(drop)
    }

    /// Leaves memory that is a file out of the guest's state.
    fn ready_to_migrate(&mut self) -> Result<()> {
        let on = |name: &str| json!({"capability": name, "state": true});
        let capabilities = json!({"capabilities": [on("events"), on("x-ignore-shared")]});
        self.execute("migrate-set-capabilities", &capabilities)
            .map(drop)
    }

    fn migrated(&mut self) -> Result<()> {
        self.stream.set_read_timeout(Some(STATE_PATIENCE))?;
        let ended = |event: &str, data: &Value| {
            event == "MIGRATION" && (data["status"] == "completed" || data["status"] == "failed")
        };
        let data = self.wait_for(ended)?;
        if data["status"] == "failed" {
            bail!("QEMU could not move the guest's state");
        }
        Ok(())
    }

    /// Waits for the next event that is `wanted`, and returns its data.
    fn wait_for(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> Result<Value> {
        loop {
            let message = match self.events.pop_front() {
                Some(event) => event,
                None => self.read()?,
            };
            if let Some(event) = &message.event
                && wanted(event, &message.data)
            {
                return Ok(message.data);
            }
        }
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = request(command, arguments);
        self.stream.set_read_timeout(Some(INTERVAL))?;
        self.stream.write_all(request.as_bytes())?;
        let mut patience = AnswerPatience::new(self.guard);
        loop {
            let message = match self.read() {
                Err(error) if is_timeout(&error) && !patience.is_over() => continue,
                message => message?,
            };
            if let Some(value) = message.answer {
                return Ok(value);
            }
            if let Some(error) = message.error {
                bail!("QEMU refused {command}: {error}");
            }
            self.note_event(message);
        }
    }

    /// Keeps an event that a caller may wait for, and counts any other one: a guest can make QEMU
    /// send those without end.
    fn note_event(&mut self, message: Message) {
        match message.event {
            Some(ref event) if is_awaited(event) => self.events.push_back(message),
            Some(event) => {
                self.others.count += 1;
                self.others.last = event;
            }
            None => {}
        }
    }

    /// Reads the events that QEMU has sent, and returns those that no caller waits for. QEMU is
    /// asked nothing and not waited for; after `enough` events, the rest is left for the next
    /// look.
    ///
    /// # Errors
    ///
    /// If QEMU has closed the channel.
    pub fn other_events(&mut self, enough: u64) -> Result<&OtherEvents> {
        self.stream.set_nonblocking(true)?;
        let mut outcome = Ok(());
        while self.others.count <= enough {
            match self.read() {
                Ok(message) => self.note_event(message),
                Err(error) if is_timeout(&error) => break,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        self.stream.set_nonblocking(false)?;
        outcome.map(|()| &self.others)
    }

    fn read(&mut self) -> Result<Message> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .context("QEMU did not send JSON on its control channel");
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(anyhow!("QEMU closed its control channel")),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                // xtask was stopped by Ctrl-Z and continues (signal(7): a socket with a
                // time-out).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Returns whether a caller may wait for an event of this name.
fn is_awaited(event: &str) -> bool {
    matches!(event, "STOP" | "MIGRATION")
}

fn uri(socket: &Path) -> String {
    format!("unix:{}", socket.display())
}

fn is_timeout(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[cfg(test)]
mod tests;

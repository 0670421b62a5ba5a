//! QEMU's control channel (docs/interop/qmp-spec): here, the guest's clock.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long QEMU may take to answer; it answers at once unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(2);

/// The date that guests' clocks begin at, as `-rtc base=` wants it.
pub const EPOCH: &str = "2024-01-01T00:00:00";

/// A connection to QEMU's control channel.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

#[derive(Deserialize)]
struct Date {
    tm_mon: u32,
    tm_mday: u32,
    tm_hour: u32,
    tm_min: u32,
    tm_sec: u32,
}

/// What `qom-get` is asked for the guest's clock.
pub(super) fn clock() -> Value {
    json!({"path": "/machine", "property": "rtc-time"})
}

/// The seconds since [`EPOCH`] that are the answer; right for a month.
pub(super) fn seconds(answer: Value) -> Result<u32> {
    let date: Date = serde_json::from_value(answer).context("QEMU's rtc-time is no date")?;
    let days = date.tm_mon * 31 + date.tm_mday - 1;
    Ok(((days * 24 + date.tm_hour) * 60 + date.tm_min) * 60 + date.tm_sec)
}

/// A request as QEMU reads it.
///
/// In one piece: each write takes room in the socket, however short it is, and
/// a QEMU that has stopped listening must not stop xtask too.
pub(super) fn request(command: &str, arguments: &Value) -> String {
    format!("{}\n", json!({"execute": command, "arguments": arguments}))
}

impl Qmp {
    /// Says hello on a fresh connection.
    pub fn new(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut qmp = Self {
            stream: BufReader::new(stream),
        };
        qmp.read()?; // QEMU's greeting
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// How many seconds the guest has lived, by its own clock: its real-time
    /// clock runs on QEMU's virtual time (`-rtc clock=vm`) and began at
    /// [`EPOCH`]. A guest with interrupts off cannot stop it.
    pub fn guest_seconds(&mut self) -> Result<u32> {
        seconds(self.execute("qom-get", &clock())?)
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = request(command, arguments);
        self.stream.get_mut().write_all(request.as_bytes())?;
        loop {
            let mut answer = self.read()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                bail!("QEMU refused {command}: {error}");
            }
            // Anything else is an event.
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line)?;
        if read == 0 {
            return Err(anyhow!("QEMU closed its control channel"));
        }
        serde_json::from_str(&line).context("QEMU sent no JSON on its control channel")
    }
}

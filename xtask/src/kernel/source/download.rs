//! Finds the mirrors that can be reached, and downloads files from them.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_RANGE, RANGE};

use super::{Available, FetchSettings, UnavailableSource};
use crate::failure::Failure;
use crate::ui::Stage;

/// Time that the preferred mirrors still get to answer, once another one has answered.
const GRACE: Duration = Duration::from_secs(1);

/// Maximum number of times that all mirrors are tried, as long as bytes arrive.
const ROUNDS: usize = 5;

const CHUNK: usize = 64 << 10;

/// Mirrors to download from, the preferred one first.
pub struct Mirrors {
    agent: ureq::Agent,
    folders: Vec<String>,
    stall: Duration,
}

/// Asks all mirrors at once for `file`, for at most `settings.reach`, and returns those that can be
/// reached. Every answer counts, even "404": it shows that the mirror can be reached.
///
/// # Errors
///
/// Fails with all mirrors and the reasons if none can be reached.
pub fn reach(folders: &[String], file: &str, settings: &FetchSettings) -> Available<Mirrors> {
    let (sender, answers) = mpsc::channel();
    for (index, folder) in folders.iter().enumerate() {
        let agent = agent(settings, Some(settings.reach));
        let url = format!("{folder}{file}");
        let sender = sender.clone();
        // Nobody joins the thread: its time is limited, and its answer is not needed once a
        // preferred mirror has answered.
        std::thread::spawn(move || {
            let answer = agent.head(&url).call();
            // Fails if nobody waits for the answer any more.
            let _ = sender.send((index, answer.err()));
        });
    }
    drop(sender);
    // None: no answer yet; Some(None): reached; Some(Some(reason)): not reached.
    let mut known: Vec<Option<Option<String>>> = vec![None; folders.len()];
    let mut deadline = Instant::now() + settings.reach;
    let is_reached: fn(&Option<Option<String>>) -> bool = |answer| matches!(answer, Some(None));
    while let Ok((index, error)) =
        answers.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        known[index] = Some(error.map(|error| reason(&error, settings.reach)));
        let best = known.iter().position(is_reached);
        if best.is_some_and(|best| known[..best].iter().all(Option::is_some)) {
            break;
        }
        if best.is_some() {
            deadline = deadline.min(Instant::now() + GRACE);
        }
    }
    // The mirrors that have answered, then those that may answer later.
    let with = |condition: fn(&Option<Option<String>>) -> bool| {
        let chosen = folders.iter().zip(&known);
        chosen.filter(move |(_, answer)| condition(answer))
    };
    if known.iter().any(is_reached) {
        let usable = with(is_reached).chain(with(Option::is_none));
        let usable = usable.map(|(folder, _)| folder.clone()).collect();
        return Ok(Mirrors::new(usable, settings));
    }
    let missing = folders
        .iter()
        .zip(known)
        .map(|(folder, answer)| UnavailableSource {
            origin: folder.clone(),
            reason: answer
                .flatten()
                .unwrap_or_else(|| no_answer(settings.reach)),
        });
    Err(missing.collect())
}

fn agent(settings: &FetchSettings, limit: Option<Duration>) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("kmodlab/", env!("CARGO_PKG_VERSION")))
        .timeout_global(limit)
        .timeout_resolve(Some(settings.reach))
        .timeout_connect(Some(settings.reach))
        .timeout_per_read(Some(settings.stall))
        .timeout_per_write(Some(settings.stall))
        .build()
        .new_agent()
}

fn no_answer(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f32())
}

/// Returns the reason for which a request failed, for the user.
fn reason(error: &ureq::Error, limit: Duration) -> String {
    match error {
        ureq::Error::HostNotFound => "the name cannot be resolved".to_owned(),
        ureq::Error::Timeout(_) => no_answer(limit),
        ureq::Error::Io(error) if error.to_string().contains("lookup address") => {
            "the name cannot be resolved".to_owned()
        }
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

impl Mirrors {
    fn new(folders: Vec<String>, settings: &FetchSettings) -> Self {
        Self {
            agent: agent(settings, None),
            folders,
            stall: settings.stall,
        }
    }

    /// Creates mirrors of a single file, whose addresses need not end in the same name. Their
    /// [`Mirrors::download`] takes an empty name.
    pub fn of_files(addresses: &[String], settings: &FetchSettings) -> Self {
        Self::new(addresses.to_vec(), settings)
    }

    /// Downloads the file `name` to the path `to`. If a mirror breaks off, the next one resumes
    /// the transfer.
    ///
    /// # Errors
    ///
    /// Fails if `to` cannot be written, and if no mirror has the whole file; then the error names
    /// each mirror with the reason.
    pub fn download(&self, name: &str, to: &Path, stage: Option<&Stage<'_>>) -> Result<()> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(to)
            .with_context(|| format!("cannot write {}", to.display()))?;
        let mut transfer = Transfer {
            file,
            got: 0,
            total: None,
            name,
            stage,
        };
        let mut reasons = vec![String::new(); self.folders.len()];
        for _ in 0..ROUNDS {
            let before = transfer.got;
            for (folder, reason) in self.folders.iter().zip(&mut reasons) {
                match self.resume(&format!("{folder}{name}"), &mut transfer)? {
                    None => return Ok(()),
                    Some(why) => *reason = why,
                }
            }
            if transfer.got <= before {
                break;
            }
        }
        let reasons = self.folders.iter().zip(reasons);
        let reasons = reasons.map(|(folder, reason)| format!("  {folder}{name}: {reason}"));
        Err(Failure::host(format!(
            "cannot download {}:\n{}\nRun the command again, or name another mirror in \
             KMODLAB_MIRROR (the address of a folder with the file), or give a tree or a tarball \
             with `--kernel-source PATH`.",
            if name.is_empty() { "the key" } else { name },
            reasons.collect::<Vec<_>>().join("\n")
        ))
        .into())
    }

    /// Gets the missing part from `url`. Returns the reason if the file is still not whole. Only a
    /// failure of the host's disk is an error.
    fn resume(&self, url: &str, transfer: &mut Transfer<'_>) -> Result<Option<String>> {
        let mut request = self.agent.get(url);
        if transfer.got > 0 {
            request = request.header(RANGE, format!("bytes={}-", transfer.got));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => return Ok(Some(reason(&error, self.stall))),
        };
        match response.status() {
            StatusCode::OK => {
                transfer.restart()?;
                transfer.total = response.body().content_length();
            }
            StatusCode::PARTIAL_CONTENT => {
                let range = response.headers().get(CONTENT_RANGE);
                let range = range.and_then(|range| range.to_str().ok());
                if range.is_none_or(|range| !transfer.is_continued_by(range)) {
                    transfer.restart()?;
                    return Ok(Some(
                        "it sent another part than the requested one".to_owned(),
                    ));
                }
            }
            status => {
                if status == StatusCode::RANGE_NOT_SATISFIABLE {
                    transfer.restart()?;
                }
                return Ok(Some(status.to_string()));
            }
        }
        transfer.begin();
        let mut body = response.body_mut().as_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            match body.read(&mut chunk) {
                Ok(0) => return Ok(transfer.missing()),
                Ok(count) => transfer.write(&chunk[..count])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
                    let why = match inner {
                        Some(ureq::Error::Timeout(_)) => {
                            format!("no byte for {} s", self.stall.as_secs_f32())
                        }
                        _ => error.to_string(),
                    };
                    return Ok(Some(format!("{why}, after {}", transfer.progress())));
                }
            }
        }
    }
}

/// A file that is being downloaded.
struct Transfer<'a> {
    file: File,
    got: u64,
    /// Size of the file in bytes, if the mirror has reported it.
    total: Option<u64>,
    name: &'a str,
    stage: Option<&'a Stage<'a>>,
}

impl Transfer<'_> {
    fn begin(&self) {
        if let Some(stage) = self.stage {
            let total = self.total.unwrap_or(0) >> 20;
            stage.begin(&format!("downloading {} (MiB)", self.name), total);
        }
    }

    fn restart(&mut self) -> Result<()> {
        use std::io::Seek as _;
        self.got = 0;
        self.total = None;
        self.file.rewind().context("cannot rewind a download")?;
        self.file.set_len(0).context("cannot empty a download")
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .with_context(|| format!("cannot write {} to the disk", self.name))?;
        self.got += bytes.len() as u64;
        if let Some(stage) = self.stage {
            stage.position(self.got >> 20);
        }
        Ok(())
    }

    /// Returns true if `range`, as in `bytes 5-9/10`, begins where the received part ends.
    fn is_continued_by(&self, range: &str) -> bool {
        let Some((range, total)) = range
            .strip_prefix("bytes ")
            .and_then(|range| range.split_once('/'))
        else {
            return false;
        };
        let start = range
            .split_once('-')
            .and_then(|(start, _)| start.parse().ok());
        start == Some(self.got) && self.total.is_none_or(|known| total.parse() == Ok(known))
    }

    /// Returns the reason if the received part is not the whole file.
    fn missing(&self) -> Option<String> {
        let total = self.total.unwrap_or(self.got);
        (self.got != total).then(|| format!("it ended after {}", self.progress()))
    }

    fn progress(&self) -> String {
        match self.total {
            Some(total) => format!("{} of {total} bytes", self.got),
            None => format!("{} bytes", self.got),
        }
    }
}

//! Finds the mirrors that can be reached, and downloads files from them with curl(1).

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::{Available, FetchSettings, UnavailableSource};
use crate::failure::Failure;
use crate::process::Tool;
use crate::ui::Stage;

/// Time that the preferred mirrors still get to answer, once another one has answered.
const GRACE: Duration = Duration::from_secs(1);

/// Maximum number of times that all mirrors are tried, as long as bytes arrive.
const ROUNDS: usize = 5;

/// Interval at which a file's growth is shown.
const INTERVAL: Duration = Duration::from_millis(200);

/// Exit statuses of curl (`EXIT CODES` in curl(1)).
mod status {
    /// The name cannot be resolved.
    pub const RESOLVE: i32 = 6;
    /// The mirror does not accept the connection.
    pub const CONNECT: i32 = 7;
    /// The transfer ended before the file did.
    pub const PARTIAL: i32 = 18;
    /// The mirror's answer is an error, such as 404.
    pub const ANSWER: i32 = 22;
    /// The output cannot be written.
    pub const WRITE: i32 = 23;
    /// A time limit is over.
    pub const TIMEOUT: i32 = 28;
    /// The mirror does not send a part of a file.
    pub const RANGE: i32 = 33;
}

/// Mirrors to download from, the preferred one first.
pub struct Mirrors {
    folders: Vec<String>,
    settings: FetchSettings,
    /// Size in bytes of the file that was asked for, if a mirror has reported it.
    size: Option<u64>,
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
        let tool = curl(settings)
            .args(["--head", "--max-time"])
            .arg(settings.reach.as_secs_f32().to_string())
            .args(["--url", &format!("{folder}{file}")]);
        let (sender, limit) = (sender.clone(), settings.reach);
        // Nobody joins the thread: its time is limited, and its answer is not needed once a
        // preferred mirror has answered.
        std::thread::spawn(move || {
            let answer = match tool.capture() {
                Ok((status, headers, _)) if status.success() => {
                    Ok(content_length(&headers).filter(|&size| size > 0))
                }
                Ok((status, _, stderr)) => Err(match status.code() {
                    Some(status::TIMEOUT) => no_answer(limit),
                    code => reason(code, &stderr),
                }),
                Err(error) => Err(format!("{error:#}")),
            };
            // Fails if nobody waits for the answer any more.
            let _ = sender.send((index, answer));
        });
    }
    drop(sender);
    let mut known: Vec<Option<Result<Option<u64>, String>>> = vec![None; folders.len()];
    let mut deadline = Instant::now() + settings.reach;
    while let Ok((index, answer)) =
        answers.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        known[index] = Some(answer);
        let best = known
            .iter()
            .position(|answer| matches!(answer, Some(Ok(_))));
        if best.is_some_and(|best| known[..best].iter().all(Option::is_some)) {
            break;
        }
        if best.is_some() {
            deadline = deadline.min(Instant::now() + GRACE);
        }
    }
    // The mirrors that have answered, then those that may answer later.
    let (mut reached, mut late, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    let mut size = None;
    for (folder, answer) in folders.iter().zip(known) {
        let reason = match answer {
            Some(Ok(length)) => {
                size = size.or(length);
                reached.push(folder.clone());
                continue;
            }
            Some(Err(reason)) => reason,
            None => {
                late.push(folder.clone());
                no_answer(settings.reach)
            }
        };
        missing.push(UnavailableSource {
            origin: folder.clone(),
            reason,
        });
    }
    if reached.is_empty() {
        return Err(missing);
    }
    Ok(Mirrors {
        folders: [reached, late].concat(),
        settings: settings.clone(),
        size,
    })
}

/// Returns curl's command line without an address. The user's own settings of curl do not count.
fn curl(settings: &FetchSettings) -> Tool {
    Tool::new("curl")
        // Counts only as the first argument.
        .arg("--disable")
        .args(["--silent", "--show-error", "--location", "--globoff"])
        .args(["--proto", "=http,https"])
        .args([
            "--user-agent",
            concat!("kmodlab/", env!("CARGO_PKG_VERSION")),
        ])
        .arg("--connect-timeout")
        .arg(settings.reach.as_secs_f32().to_string())
        .env("LC_ALL", "C")
}

/// Returns the file's size in the headers of the answer, after redirections.
fn content_length(headers: &str) -> Option<u64> {
    headers.lines().rev().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })
}

fn no_answer(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f32())
}

/// Returns the reason for which curl failed, for the user.
fn reason(code: Option<i32>, stderr: &str) -> String {
    match code {
        Some(status::RESOLVE) => "the name cannot be resolved".to_owned(),
        Some(status::CONNECT) => "the connection was refused".to_owned(),
        _ => {
            let message = stderr.trim();
            // `curl: (22) The requested URL returned error: 404`
            let text = message.split_once(") ").map_or(message, |(_, text)| text);
            text.to_owned()
        }
    }
}

/// Runs `work` and meanwhile shows the size of the `file` that it writes, in MiB.
pub(super) fn while_growing<T>(file: &Path, stage: &Stage<'_>, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (done, waiting) = mpsc::channel::<()>();
        scope.spawn(move || {
            while waiting.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                stage.position(size_of(file) >> 20);
            }
        });
        let result = work();
        drop(done);
        result
    })
}

fn size_of(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

impl Mirrors {
    /// Creates mirrors of a single file, whose addresses need not end in the same name. Their
    /// [`Mirrors::download`] takes an empty name.
    pub fn of_files(addresses: &[String], settings: &FetchSettings) -> Self {
        Self {
            folders: addresses.to_vec(),
            settings: settings.clone(),
            size: None,
        }
    }

    /// Downloads the file `name` to the path `to`. If a mirror breaks off, the next one resumes
    /// the transfer. A stage is for the file that was asked for.
    ///
    /// # Errors
    ///
    /// Fails if `to` cannot be written, and if no mirror has the whole file; then the error names
    /// each mirror with the reason.
    pub fn download(&self, name: &str, to: &Path, stage: Option<&Stage<'_>>) -> Result<()> {
        File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
        match stage {
            None => self.try_all(name, to, None),
            Some(stage) => {
                let size = self.size.unwrap_or(0) >> 20;
                stage.begin(&format!("downloading {name} (MiB)"), size);
                while_growing(to, stage, || self.try_all(name, to, self.size))
            }
        }
    }

    fn try_all(&self, name: &str, to: &Path, size: Option<u64>) -> Result<()> {
        let mut reasons = vec![String::new(); self.folders.len()];
        for _ in 0..ROUNDS {
            let before = size_of(to);
            for (folder, reason) in self.folders.iter().zip(&mut reasons) {
                match self.resume(&format!("{folder}{name}"), to, size)? {
                    None => return Ok(()),
                    Some(why) => *reason = why,
                }
            }
            if size_of(to) <= before {
                break;
            }
        }
        let reasons = self.folders.iter().zip(&reasons);
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
    fn resume(&self, url: &str, to: &Path, size: Option<u64>) -> Result<Option<String>> {
        let got = size_of(to);
        let stall = self.settings.stall;
        let mut tool = curl(&self.settings)
            .arg("--fail")
            // Less than one byte a second, for that time in whole seconds, is a stall.
            .args(["--speed-limit", "1", "--speed-time"])
            .arg(stall.as_secs_f32().ceil().to_string());
        if got > 0 {
            tool = tool.args(["--continue-at", &got.to_string()]);
        }
        let (status, _, stderr) = tool
            .arg("--output")
            .arg(to)
            .args(["--url", url])
            .capture()?;
        if status.success() {
            return Ok(None);
        }
        let progress = match size {
            Some(size) => format!("after {} of {size} bytes", size_of(to)),
            None => format!("after {} bytes", size_of(to)),
        };
        Ok(Some(match status.code() {
            Some(status::RANGE | status::ANSWER) if got > 0 => {
                // The mirror may have another file, or may not send parts: begin again.
                File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
                return self.resume(url, to, size);
            }
            Some(status::WRITE) => {
                // curl does not report why; another write does.
                let mut file = File::options().append(true).open(to)?;
                file.write_all(&[0; 64 << 10])
                    .with_context(|| format!("cannot write {} to the disk", to.display()))?;
                bail!("cannot write {}: {}", to.display(), stderr.trim());
            }
            Some(status::TIMEOUT) => format!("no byte for {} s, {progress}", stall.as_secs_f32()),
            Some(status::PARTIAL) => format!("it ended {progress}"),
            code => reason(code, &stderr),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_in_the_last_headers() {
        let headers = "HTTP/1.1 301 Moved\r\nContent-Length: 5\r\n\r\n\
                       HTTP/2 200\r\ncontent-length: 140000000\r\netag: x\r\n\r\n";
        assert_eq!(content_length(headers), Some(140_000_000));
        assert_eq!(content_length("HTTP/2 200\r\n\r\n"), None);
    }
}

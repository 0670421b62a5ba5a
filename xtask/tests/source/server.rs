//! A mirror on this host, whose answers a test chooses.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;

/// The mirror's answer to a request for a file.
#[derive(Clone)]
pub enum Answer {
    /// Sends the whole file.
    Whole(Vec<u8>),
    /// Sends this many bytes, then nothing more, and keeps the connection open.
    Stall(Vec<u8>, usize),
    /// Sends this many bytes and hangs up.
    HangUp(Vec<u8>, usize),
}

/// A mirror; it ends with the test's process.
pub struct Server {
    /// `http://127.0.0.1:…/`
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a mirror of `files`, by name; the answer for other names is 404.
    pub fn start(files: impl IntoIterator<Item = (String, Answer)>) -> Result<Self> {
        let files = Arc::new(files.into_iter().collect::<BTreeMap<_, _>>());
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/", listener.local_addr()?);
        let requests = Arc::default();
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, log) = (Arc::clone(&files), Arc::clone(&log));
                // A client that hangs up is not an error.
                std::thread::spawn(move || drop(serve(stream, &files, &log)));
            }
        });
        Ok(Self { url, requests })
    }

    /// Returns an address at which nobody listens.
    pub fn nobody() -> Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        Ok(format!("http://{}/", listener.local_addr()?))
    }

    /// Returns the requests so far, except HEAD: each name, with the requested range.
    pub fn requests(&self) -> Vec<String> {
        self.requests
            .lock()
            .map(|requests| requests.clone())
            .unwrap_or_default()
    }
}

fn serve(
    mut stream: TcpStream,
    files: &BTreeMap<String, Answer>,
    log: &Mutex<Vec<String>>,
) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut range = None;
    for line in lines {
        let line = line?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(from) = line.strip_prefix("range: bytes=") {
            range = from.trim_end_matches('-').parse::<usize>().ok();
        }
    }
    let mut words = request.split(' ');
    let head = words.next() == Some("HEAD");
    let name = words.next().unwrap_or_default().trim_start_matches('/');
    // As on kernel.org's mirrors; the user's own has the files at its top.
    let name = name.strip_prefix("v6.x/").unwrap_or(name);
    if !head && let Ok(mut log) = log.lock() {
        let range = range
            .map(|from| format!(" from {from}"))
            .unwrap_or_default();
        log.push(format!("{name}{range}"));
    }
    let Some(answer) = files.get(name) else {
        stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )?;
        return Ok(());
    };
    let (Answer::Whole(bytes) | Answer::Stall(bytes, _) | Answer::HangUp(bytes, _)) = answer;
    let from = range.unwrap_or(0).min(bytes.len());
    let status = if range.is_some() {
        let last = bytes.len().saturating_sub(1);
        format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{last}/{}",
            bytes.len()
        )
    } else {
        "200 OK".to_owned()
    };
    let body = &bytes[from..];
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    if head {
        return Ok(());
    }
    match answer {
        Answer::Whole(_) => stream.write_all(body)?,
        Answer::HangUp(_, count) => stream.write_all(&body[..(*count).min(body.len())])?,
        Answer::Stall(_, count) => {
            stream.write_all(&body[..(*count).min(body.len())])?;
            stream.flush()?;
            std::thread::sleep(Duration::from_secs(60));
        }
    }
    Ok(())
}

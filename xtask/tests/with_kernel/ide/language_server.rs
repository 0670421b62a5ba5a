//! A rust-analyzer of Debian, and the little of its protocol that a test needs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use xtask::apt::Apt;
use xtask::cache::Cache;
use xtask::key::Inputs;

/// The suite whose rust-analyzer is as old as the rustc that builds kernels.
const SUITE: &str = "trixie";

/// rust-analyzer and the libraries that it is linked with: the host may have older ones.
const PACKAGES: &[&str] = &[
    "rust-analyzer",
    "libstd-rust-1.85",
    "libllvm19",
    "libc6",
    "libstdc++6",
    "libgcc-s1",
    "zlib1g",
    "libzstd1",
    "libedit2",
    "libffi8",
    "libxml2",
    "libbsd0",
    "libtinfo6",
    "libmd0",
    "libz3-4",
    "liblzma5",
];

/// A running rust-analyzer.
pub struct LanguageServer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    requests: u64,
}

impl Drop for LanguageServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl LanguageServer {
    /// Starts the server for the folder that an editor opens.
    pub fn start(folder: &Path) -> Result<Self> {
        let root = installed()?;
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        let mut process = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"))
            .arg("--library-path")
            .arg(&libraries)
            .arg(root.join("usr/bin/rust-analyzer"))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start rust-analyzer")?;
        let input = process.stdin.take().context("stdin")?;
        let output = BufReader::new(process.stdout.take().context("stdout")?);
        let mut server = Self {
            process,
            input,
            output,
            requests: 0,
        };
        server.request(
            "initialize",
            &json!({
                "processId": null,
                "rootUri": uri(folder),
                "capabilities": {"experimental": {"serverStatusNotification": true}},
                "initializationOptions": {
                    "checkOnSave": false,
                    // cargo and rustc of the host are not asked.
                    "linkedProjects": ["rust-project.json"],
                    "cachePriming": {"enable": false},
                },
            }),
        )?;
        server.send(&json!({"jsonrpc": "2.0", "method": "initialized", "params": {}}))?;
        Ok(server)
    }

    /// Opens a file.
    pub fn open(&mut self, file: &Path, text: &str) -> Result<()> {
        let document = json!({"uri": uri(file), "languageId": "rust", "version": 1, "text": text});
        self.send(&json!({
            "jsonrpc": "2.0",
            "method": "textDocument/didOpen",
            "params": {"textDocument": document},
        }))
    }

    /// Waits until the server has read the project.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        loop {
            let message = self.receive()?;
            if message["method"] == "experimental/serverStatus"
                && message["params"]["quiescent"] == true
            {
                ensure!(message["params"]["health"] != "error", "{message}");
                return Ok(());
            }
        }
    }

    /// Returns the file in which the word at this line and column, from 0, is defined.
    pub fn definition(&mut self, file: &Path, line: usize, column: usize) -> Result<String> {
        let answer = self.request(
            "textDocument/definition",
            &json!({
                "textDocument": {"uri": uri(file)},
                "position": {"line": line, "character": column},
            }),
        )?;
        let first = answer.get(0).unwrap_or(&answer);
        let uri = first["uri"].as_str().or(first["targetUri"].as_str());
        uri.map(str::to_owned)
            .with_context(|| format!("no definition of line {line}, column {column}: {answer}"))
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        loop {
            let message = self.receive()?;
            if message["id"] == id && message.get("method").is_none() {
                if !message["error"].is_null() {
                    bail!("{method}: {}", message["error"]);
                }
                return Ok(message["result"].clone());
            }
        }
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len())?;
        self.input.flush().context("rust-analyzer has ended")
    }

    /// Returns the next message. A request of the server's is answered with nothing.
    fn receive(&mut self) -> Result<Value> {
        let mut length = None;
        loop {
            let mut line = String::new();
            ensure!(
                self.output.read_line(&mut line)? > 0,
                "rust-analyzer has ended"
            );
            match line.trim() {
                "" => break,
                line => {
                    if let Some(value) = line.strip_prefix("Content-Length: ") {
                        length = Some(value.parse::<usize>()?);
                    }
                }
            }
        }
        let mut text = vec![0; length.context("a message without length")?];
        self.output.read_exact(&mut text)?;
        let message: Value = serde_json::from_slice(&text)?;
        if message.get("method").is_some() && message.get("id").is_some() {
            self.send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": null}))?;
        }
        Ok(message)
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// Returns the folder with rust-analyzer, from the Debian archive; the cache keeps it.
fn installed() -> Result<PathBuf> {
    let cache = Cache::from_env()?;
    let apt = Apt::private(&cache)?.context("this host has no apt")?;
    let apt = match apt.for_suite(SUITE)? {
        Ok(apt) => apt,
        Err(reason) => bail!("{SUITE}: {reason}"),
    };
    apt.update_once()?;
    let key = Inputs::new("rust-analyzer 1").text("suite", SUITE).key();
    let entry = cache.entry("tools", "rust-analyzer", &key, |staging| {
        let downloads = tempfile::tempdir()?;
        for package in PACKAGES {
            let versions = apt.versions(package)?;
            let version = versions.first().with_context(|| format!("no {package}"))?;
            let deb = apt.download(package, version, &downloads.path().join(package))?;
            apt.unpack(&deb, staging)?;
        }
        Ok(())
    })?;
    Ok(entry.path)
}

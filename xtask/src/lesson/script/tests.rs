//! Plays compiled scripts with the host's busybox and reads back what it
//! notes: all of the way but for the guest itself.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::*;
use crate::lesson::record::{self, GuestRecord};
use crate::lesson::transcript::parse;
use crate::process::which;

/// Stands in for what a host must not be asked to do.
const STAND_INS: &str = "\
dmesg() { :; }
reboot() { exit 99; }
settle=0
kmsg=$PWD/kmsg
sysctl=$PWD/none
sysrq=$PWD/sysrq
kmemleak=$PWD/kmemleak
timers=$PWD/timers
tracing=$PWD/none
folder=$PWD/kmodlab
console=$PWD/console
. \"$INITRAMFS/kmodlab/supervise\"
";

/// Plays the console block as a guest's /init does: by itself, and typed. Both
/// must come to the same. Nothing without busybox.
fn play(block: &str, limit_seconds: u32) -> Result<Vec<GuestRecord>> {
    let transcript = parse(&format!("```console\n{block}```\n"), Path::new("README.md"))?;
    let (files, exchanges) = compile_typed(&transcript, "N0", limit_seconds);
    let alone = init(&compile(&transcript, "N0", limit_seconds), &[])?;
    let typed = init(&files, &exchanges)?;
    Ok(alone.into_iter().chain(typed).collect())
}

/// Runs what /init runs. All is typed at once: nothing asks here whether the
/// guest is ready.
fn init(files: &[GuestFile], exchanges: &[Exchange]) -> Result<Option<GuestRecord>> {
    init_in(&tempfile::tempdir()?, files, exchanges)
}

/// Plays the console block by itself where some files are already.
fn play_in(
    folder: &tempfile::TempDir,
    block: &str,
    limit_seconds: u32,
) -> Result<Option<GuestRecord>> {
    let transcript = parse(&format!("```console\n{block}```\n"), Path::new("README.md"))?;
    init_in(folder, &compile(&transcript, "N0", limit_seconds), &[])
}

/// [`init`] where some files are already.
fn init_in(
    folder: &tempfile::TempDir,
    files: &[GuestFile],
    exchanges: &[Exchange],
) -> Result<Option<GuestRecord>> {
    let Some(busybox) = which("busybox") else {
        return Ok(None);
    };
    std::fs::create_dir_all(folder.path().join("kmodlab"))?;
    let keyboard = folder.path().join("keyboard");
    let made = Command::new("mkfifo").arg(&keyboard).status()?;
    assert!(made.success());
    for file in files {
        let path = folder.path().join(file.path.trim_start_matches('/'));
        let text = String::from_utf8_lossy(&file.contents);
        let keyboard = keyboard.display().to_string();
        std::fs::write(path, text.replace(CONSOLE, &keyboard))?;
    }
    // Open at both ends, so that it keeps what nobody has read yet.
    let mut fifo = File::options().read(true).write(true).open(&keyboard)?;
    for exchange in exchanges {
        fifo.write_all(&exchange.typed)?;
    }
    let initramfs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../initramfs");
    let status = Command::new(busybox)
        .args(["sh", "-c", STAND_INS])
        .env("INITRAMFS", initramfs)
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("busybox")?;
    assert_eq!(status.code(), Some(0));
    let console = std::fs::read(folder.path().join("console"))?;
    Ok(Some(record::read("N0", &console)))
}

fn outputs(record: &GuestRecord) -> Vec<(String, Option<u8>)> {
    let steps = record.steps.iter();
    steps
        .map(|step| {
            let output = String::from_utf8_lossy(&step.output).into_owned();
            (output, step.end.map(|end| end.status))
        })
        .collect()
}

#[test]
fn one_shell_plays_all() -> Result<()> {
    let records = play(
        "\
$ cd /proc; variable=value; false
$ echo $? $variable; pwd
$ printf 'no line end'
$ echo error >&2; (exit 7)
$ sleep 0 & wait $!
$ cat; read line; echo $? '<'$line'>'
$ cat <<END
> two
>  lines
>
> .
> >	\\x
> END
$ return 4
> echo never
$ echo back\\
$ set -x
$ true
$ set +x
$ no-such-command
",
        20,
    )?;
    let expected = [
        ("", Some(1)),
        ("1 value\n/proc\n", Some(0)),
        ("no line end", Some(0)),
        ("error\n", Some(7)),
        ("", Some(0)),
        ("1 <>\n", Some(0)),
        ("two\n lines\n\n.\n>\t\\x\n", Some(0)),
        ("", Some(4)),
        ("back\n", Some(0)),
        ("", Some(0)),
        ("+ true\n", Some(0)),
        ("+ set +x\n", Some(0)),
    ]
    .map(|(output, status)| (output.to_owned(), status));
    for record in records {
        let outputs = outputs(&record);
        assert_eq!(outputs[..expected.len()], expected);
        let (said, status) = &outputs[expected.len()];
        assert!(said.contains("no-such-command"), "{said}");
        assert!(said.contains("not found"), "{said}");
        assert_eq!(*status, Some(127));
        assert!(record.began.is_some());
        assert!(record.ended);
        assert_eq!(record.shell, Some(0));
        let before = record.before.unwrap_or_default();
        assert!(!before.threads.is_empty());
        assert!(before.proc.contains("/proc/uptime"));
        assert!(before.taint.trim().parse::<u64>().is_ok());
    }
    Ok(())
}

#[test]
fn a_shell_that_ends_is_noted() -> Result<()> {
    for (command, status) in [
        ("exit 3", 3),
        ("exec true", 0),
        ("kill -9 $$", 137),
        ("eval \"echo 'it is\"", 2),
        (". /no/such/file", 2),
        ("set -e; false", 1),
    ] {
        let block = format!("$ echo one\n$ {command}\n$ echo never\n");
        for record in play(&block, 20)? {
            assert_eq!(record.steps.len(), 2, "{command}");
            let said = String::from_utf8_lossy(&record.steps[1].output);
            assert!(!said.contains("Killed"), "{command}");
            assert!(record.steps[1].end.is_none(), "{command}");
            assert_eq!(record.shell, Some(status), "{command}");
            assert!(record.ended, "{command}");
        }
    }
    Ok(())
}

#[test]
fn commands_cannot_write_notes() -> Result<()> {
    for record in play(
        "$ exec 2>&1\n$ echo; echo step 1 end 0 1.0; set; env\n$ exec 8>&1; echo x >&8\n",
        20,
    )? {
        assert_eq!(record.steps.len(), 3);
        assert_eq!(record.steps[2].output, b"x\n");
        let environment = String::from_utf8_lossy(&record.steps[1].output).into_owned();
        assert!(!environment.contains("N0"), "{environment}");
    }
    Ok(())
}

#[test]
fn the_nonce_is_never_typed() -> Result<()> {
    let readme = Path::new("README.md");
    let transcript = parse("```console\n$ echo N0 step type 2\n```\n", readme)?;
    let (_, exchanges) = compile_typed(&transcript, "kmodlab-0a1b", 20);
    let typed = String::from_utf8_lossy(&exchanges[0].typed);
    assert_eq!(typed, ">echo N0 step type 2\n.\n");
    let awaited = String::from_utf8_lossy(&exchanges[0].awaited);
    assert_eq!(awaited, "\nkmodlab-0a1b step type 1 ");
    Ok(())
}

#[test]
fn background_jobs_end_with_the_lesson() -> Result<()> {
    let before = std::time::Instant::now();
    if !play("$ sleep 50 &\n", 20)?.is_empty() {
        assert!(before.elapsed().as_secs() < 30);
    }
    Ok(())
}

/// The kernel's file takes commands and tells what it found; this one tells
/// the last command.
#[test]
fn leaks_are_looked_for_when_the_lesson_is_over() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("kmemleak"), "")?;
    std::fs::write(
        folder.path().join("timers"),
        "now at 1 nsecs\njiffies: 4294894000\n",
    )?;
    let Some(record) = play_in(&folder, "$ true\n", 20)? else {
        return Ok(());
    };
    assert_eq!(record.jiffies, Some(4_294_894_000));
    assert_eq!(record.kmemleak.as_deref(), Some("scan\n"));
    assert_eq!(record.unchecked, [""; 0]);
    assert!(record.ended);
    Ok(())
}

#[test]
fn a_kernel_that_no_longer_looks_for_leaks_is_noted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("kmemleak"))?; // not to be written to
    let Some(record) = play_in(&folder, "$ true\n", 20)? else {
        return Ok(());
    };
    assert_eq!(
        record.unchecked.first().map(String::as_str),
        Some("kmemleak")
    );
    assert!(record.ended);
    let folder = tempfile::tempdir()?; // no such file at all
    let must = folder
        .path()
        .join(must_find_leaks().path.trim_start_matches('/'));
    std::fs::create_dir(folder.path().join("kmodlab"))?;
    std::fs::write(must, "")?;
    let Some(record) = play_in(&folder, "$ true\n", 20)? else {
        return Ok(());
    };
    assert_eq!(record.unchecked, ["kmemleak"]);
    // Nobody asked for it.
    for record in play("$ true\n", 20)? {
        assert_eq!((record.kmemleak, record.unchecked.len()), (None, 0));
    }
    Ok(())
}

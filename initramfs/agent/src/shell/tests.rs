use super::*;
use crate::output::Printed;

const MINUTE: u64 = 60_000_000_000;

/// Locks out other tests: a shell collects all children of the process, so only one may run.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Reads the output, which is short.
fn printed(shell: &mut Shell) -> Result<Vec<u8>> {
    match shell.output.read()? {
        Printed::Rest(bytes) => Ok(bytes),
        printed => anyhow::bail!("{printed:?}"),
    }
}

/// The status and output of each command.
type Results = Vec<(u8, String)>;

/// Runs commands until the shell ends; returns their results, and the shell's status if it
/// ended early.
fn run(commands: &[&str]) -> Result<(Results, Option<i32>)> {
    let _alone = alone();
    let folder = tempfile::tempdir()?;
    let mut shell = Shell::start(folder.path(), &[SETSID])?;
    let mut results = Vec::new();
    let mut previous = 0;
    for command in commands {
        let token = format!("token{}", results.len());
        shell.start_command(command, previous, &token);
        match shell.wait(uptime().0 + MINUTE, None)? {
            Event::CommandEnded(status) => {
                let output = String::from_utf8_lossy(&printed(&mut shell)?).into_owned();
                results.push((status, output));
                previous = status;
            }
            Event::ShellEnded(status) => return Ok((results, Some(status))),
            event => anyhow::bail!("{event:?}"),
        }
    }
    shell.finish();
    match shell.wait(uptime().0 + MINUTE, None)? {
        Event::ShellEnded(0) => Ok((results, None)),
        event => anyhow::bail!("{event:?}"),
    }
}

fn texts(commands: &[&str]) -> Result<Results> {
    let (results, ended) = run(commands)?;
    assert_eq!(ended, None);
    Ok(results)
}

fn result(status: u8, output: &str) -> (u8, String) {
    (status, output.to_owned())
}

#[test]
fn commands_share_one_shell() -> Result<()> {
    let results = texts(&[
        "x=1; cd /; f() { echo \"$1 $x\"; }",
        "f 'it'\"'\"'s'; pwd",
        "(exit 3)",
        "echo $?; false",
        "cat <<E\na\n\\$x\nE",
        "echo out; echo err >&2",
        "echo \"$-\"; ls -l /proc/self/fd",
    ])?;
    assert_eq!(results[0], result(0, ""));
    assert_eq!(results[1], result(0, "it's 1\n/\n"));
    assert_eq!(results[2], result(3, ""));
    assert_eq!(results[3], result(1, "3\n"));
    assert_eq!(results[4], result(0, "a\n$x\n"));
    assert_eq!(results[5], result(0, "out\nerr\n"));
    let (_, files) = &results[6];
    assert!(files.contains(" 1 -> "), "{files}");
    assert!(
        !files.contains(" 8 -> ") && !files.contains(" 9 -> "),
        "{files}"
    );
    Ok(())
}

#[test]
fn no_command_can_read_the_script_or_forge_a_status() -> Result<()> {
    let results = texts(&[
        "cat; read x; echo \"[$x]\"",
        "echo 7 >&9; echo 7 >&8",
        "echo 'a\nb' 'c'; exit_status=5",
        "sh -c 'cat /proc/self/fd/10; echo 0 >/proc/self/fd/9'; true",
        "echo a\nkmodlab-end\necho b",
        "return 4",
        "echo $?; cat <&7",
    ])?;
    assert_eq!(results[0], result(0, "[]\n"));
    assert_ne!(results[1].0, 7);
    assert_eq!(results[2], result(0, "a\nb c\n"));
    assert_eq!(results[3].0, 0);
    assert!(results[4].1.starts_with("a\n") && results[4].1.ends_with("b\n"));
    assert_eq!(results[5], result(4, ""));
    assert_eq!(results[6], result(0, "4\n"));
    Ok(())
}

#[test]
fn a_command_may_be_long() -> Result<()> {
    let long = format!("echo {} | wc -c", "x".repeat(200_000));
    let results = texts(&[&long, "echo $?"])?;
    assert_eq!(results[0].1.trim(), "200001");
    assert_eq!(results[1], result(0, "0\n"));
    Ok(())
}

#[test]
fn a_status_without_its_token_does_not_count() -> Result<()> {
    let results = texts(&[
        "echo() { command echo token0 0; }; alias unset=: .=: ; (exit 6)",
        "echo $?",
    ])?;
    assert_eq!(results[0].0, 6);
    assert_eq!(results[1], result(0, "6\n"));
    Ok(())
}

#[test]
fn options_of_the_shell_stay_those_of_the_commands() -> Result<()> {
    let results = texts(&[
        "set -x; echo a",
        "set +x",
        "set -u; IFS=0123456789; (exit 10)",
        "echo $?",
    ])?;
    assert_eq!(results[0], result(0, "+ echo a\na\n"));
    assert_eq!(results[2].0, 10);
    assert_eq!(results[3].0, 0);
    Ok(())
}

#[test]
fn a_shell_that_ends_early_is_reported_with_its_status() -> Result<()> {
    assert_eq!(run(&["echo a; exit 4", "echo b"])?, (vec![], Some(4)));
    assert_eq!(run(&["true", "kill -9 $$"])?.1, Some(137));
    assert_eq!(run(&["if", "true"])?.1, Some(2));
    let (results, status) = run(&["set -e", "true", "false; true", "true"])?;
    assert_eq!((results.len(), status), (2, Some(1)));
    Ok(())
}

#[test]
fn a_background_job_ends_with_the_group_and_not_before() -> Result<()> {
    let _alone = alone();
    let folder = tempfile::tempdir()?;
    let mut shell = Shell::start(folder.path(), &[SETSID])?;
    shell.start_command("sleep 1000 & echo $!", 0, "token");
    assert_eq!(
        shell.wait(uptime().0 + MINUTE, None)?,
        Event::CommandEnded(0)
    );
    let pid: i32 = String::from_utf8(printed(&mut shell)?)?.trim().parse()?;
    let running = || Path::new(&format!("/proc/{pid}/cmdline")).exists();
    assert!(running());
    shell.kill_group();
    shell.finish();
    assert!(matches!(
        shell.wait(uptime().0 + MINUTE, None)?,
        Event::ShellEnded(_)
    ));
    Ok(())
}

#[test]
fn a_command_that_does_not_end_meets_the_deadline() -> Result<()> {
    let _alone = alone();
    let folder = tempfile::tempdir()?;
    let mut shell = Shell::start(folder.path(), &[SETSID])?;
    shell.start_command("echo a; sleep 1000", 0, "token");
    let deadline = uptime().0 + 200_000_000;
    assert_eq!(shell.wait(deadline, None)?, Event::TimeOver);
    assert_eq!(printed(&mut shell)?, b"a\n");
    shell.kill_group();
    Ok(())
}

#[test]
fn a_command_that_prints_without_end_is_stopped_at_the_limit() -> Result<()> {
    let _alone = alone();
    // A shell may run a command itself, as busybox does with `cat`, and is killed then.
    let killed = [Event::CommandEnded(153), Event::ShellEnded(153)];
    for command in [
        "cat /dev/zero",
        "yes & wait $!",
        "x=$(head -c 100000 /dev/zero | tr '\\0' x); while :; do echo $x; done",
    ] {
        let folder = tempfile::tempdir()?;
        let mut shell = Shell::start(folder.path(), &[SETSID])?;
        shell.start_command("head -c 1000 /dev/zero", 0, "first");
        assert_eq!(
            shell.wait(uptime().0 + MINUTE, None)?,
            Event::CommandEnded(0)
        );
        assert_eq!(printed(&mut shell)?.len(), 1000);
        shell.start_command(command, 0, "second");
        let event = shell.wait(uptime().0 + MINUTE, None)?;
        assert!(killed.contains(&event), "{command}: {event:?}");
        let Printed::TooMuch { first, last } = shell.output.read()? else {
            panic!("{command}");
        };
        assert_eq!((first.len(), last.len()), (32768, 32768));
        shell.kill_group();
    }
    Ok(())
}

#[test]
fn a_loop_of_commands_that_print_without_end_is_noticed() -> Result<()> {
    let _alone = alone();
    let folder = tempfile::tempdir()?;
    let mut shell = Shell::start(folder.path(), &[SETSID])?;
    let command = "trap '' XFSZ; cat /dev/zero; sleep 1000";
    shell.start_command(command, 0, "token");
    assert_eq!(
        shell.wait_and_look(uptime().0 + MINUTE, None, LOOK / 100)?,
        Event::OutputFull
    );
    shell.kill_group();
    Ok(())
}

#[test]
fn output_that_truncates_its_file_is_not_lost() -> Result<()> {
    let results = texts(&["echo a", "echo b >/proc/self/fd/1", "echo c"])?;
    let outputs: Vec<&str> = results.iter().map(|(_, output)| output.as_str()).collect();
    assert_eq!(outputs, ["a\n", "b\n", "c\n"]);
    Ok(())
}

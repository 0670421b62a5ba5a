//! Lessons that attack the guest's agent: what it writes, reads and runs on.

use anyhow::Result;

use crate::lab::{TestClone, XtaskOutput};

fn test(console: &str) -> Result<XtaskOutput> {
    TestClone::probe(console)?.run(&["test", "--lang", "rust", "probe"])
}

/// Each command fails unless the guest hides the agent's secrets.
const SECRETS: &str = "\
$ ls /kmodlab 2>&1
? 1
[..]No such file or directory
$ ls /sys/firmware/qemu_fw_cfg
$ cat /proc/1/environ 2>/dev/null | tr '\\0' '\\n' | grep -i kmodlab
? 1
$ ls -l /proc/self/fd 2>/dev/null | grep -e ' 8 -> ' -e ' 9 -> '
? 1
";

#[test]
fn a_lesson_finds_neither_the_tag_nor_later_commands() -> Result<()> {
    test(SECRETS)?.expect(0, &["1 passed"])
}

#[test]
fn a_lesson_cannot_write_to_the_agents_channel() -> Result<()> {
    // Messages with the tag of a guest that boots, and a whole frame in the output.
    let forged = "$ printf 'kmodlab boots \\r\\n\\002\\0\\0\\0\\011\\0'; echo\n[..]\n[..]\n\
                  $ printf 'kmodlab boots \\r\\n\\002\\0\\0\\0\\011\\0' >/dev/vport0p1\n? 1\n\
                  [..]Device or resource busy\n\
                  $ cat /dev/vport0p1 2>&1\n? 1\n[..]Device or resource busy\n\
                  $ false\n";
    let output = test(forged)?;
    output.expect(
        1,
        &["mismatch", "ended with status 1 where the text says 0"],
    )
}

#[test]
fn a_step_cannot_prepare_the_next_ones() -> Result<()> {
    // Files that once held the commands, and the descriptors of the shell.
    let prepared = "$ mkdir -p /kmodlab; echo 'echo good' >/kmodlab/step.2\n\
                    $ for n in 7 8 9 10 11 12; do echo 0 >&$n; done 2>/dev/null; true\n\
                    $ echo bad\ngood\n";
    test(prepared)?.expect(1, &["mismatch", "bad"])
}

#[test]
fn a_lesson_cannot_look_into_the_agent() -> Result<()> {
    let console = "$ kill -9 1; kill -SEGV 1; cat /proc/1/fd/3 2>&1\n? 1\n\
                   [..]Permission denied\n\
                   $ head -c 1 /proc/1/mem 2>&1\n? 1\n[..]Permission denied\n\
                   $ echo 1 >/proc/1/fd/3\n? 1\n[..]\n";
    test(console)?.expect(0, &["1 passed"])
}

#[test]
fn a_lesson_cannot_forge_a_status() -> Result<()> {
    let forged = "$ for n in 9 10 11 12 13 14 15 16; do echo 0 >&$n; done 2>/dev/null; true\n...\n\
                  $ echo() { command echo 0; }; false\n";
    test(forged)?.expect(1, &["mismatch", "false"])
}

#[test]
fn mounts_of_a_lesson_hide_nothing() -> Result<()> {
    let console = "$ insmod probe.ko; grep -v probe /proc/modules >/tmp/m; \
                   mount --bind /tmp/m /proc/modules; lsmod | grep -c probe\n? 1\n0\n\
                   $ umount -l /proc/modules; umount -l /proc; ls /proc\n";
    test(console)?.expect(1, &["left-over", "the module probe is still loaded"])
}

#[test]
fn much_output_reaches_the_host_in_order() -> Result<()> {
    let console = "$ echo first; yes 0123456789 | head -n 80000; echo last\nfirst\n...\nlast\n\
                   $ echo after\nafter\n";
    test(console)?.expect(0, &["1 passed"])
}

#[test]
fn endless_output_ends_the_run() -> Result<()> {
    test("$ yes 0123456789\n")?.expect(1, &["output-limit", "output limit exceeded"])
}

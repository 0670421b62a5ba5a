//! Valid transcripts, and the messages for malformed ones.

use super::*;

fn steps(markdown: &str) -> Vec<Step> {
    parse(markdown, Path::new("README.md"))
        .map_or_else(|error| panic!("{error}"), |transcript| transcript.steps)
}

fn error(markdown: &str) -> String {
    match parse(markdown, Path::new("l/README.md")) {
        Ok(transcript) => panic!("{transcript:?}"),
        Err(error) => error.to_string(),
    }
}

fn step(line: usize, command: &str, status: u8, expected: &[&str]) -> Step {
    Step {
        line,
        command: command.to_owned(),
        expected: expected.iter().map(ToString::to_string).collect(),
        status,
    }
}

#[test]
fn commands_statuses_and_outputs_are_distinguished() {
    let markdown = "\
# x

```console
$ insmod x.ko
$ lsmod
Module [..]	

x 1 2
$ for i in 1 2
> do
>   echo $i
> done
1
? 2
> 3
$ grep x y
? 1

```

Text, and `code`.

```rust
$ not this
```

~~~ console
$ dmesg -c
...
~~~
";
    assert_eq!(
        steps(markdown),
        [
            step(4, "insmod x.ko", 0, &[]),
            step(5, "lsmod", 0, &["Module [..]", "", "x 1 2"]),
            step(
                9,
                "for i in 1 2\ndo\n  echo $i\ndone",
                0,
                &["1", "? 2", "> 3"]
            ),
            step(16, "grep x y", 1, &[]),
            step(28, "dmesg -c", 0, &["..."]),
        ]
    );
}

#[test]
fn blocks_in_lists_and_with_dos_line_ends_are_read() {
    let list = "- a\n\n  ```console\n  $ one\n  out\n  ```\n";
    assert_eq!(steps(list), [step(4, "one", 0, &["out"])]);
    let quoted = "> ```console\n> $ one\n> out\n> ```\n";
    assert_eq!(steps(quoted), [step(2, "one", 0, &["out"])]);
    let dos = "a\r\n```console\r\n$ one\r\nout\r\n$ two\r\n```\r\n";
    assert_eq!(
        steps(dos),
        [step(3, "one", 0, &["out"]), step(5, "two", 0, &[])]
    );
}

#[test]
fn the_message_for_a_malformed_text_names_file_and_line() {
    for (markdown, expected) in [
        ("# x\n", "l/README.md:1: this text has no console block"),
        ("", "l/README.md:1: this text has no console block"),
        (
            "```console\n```\n",
            "l/README.md:1: no console block of this text has a command",
        ),
        (
            "a\n\n```console\n\nout\n$ x\n```\n",
            "l/README.md:5: `out` comes before any command",
        ),
        (
            "```console\n$ x\n```\n```console\n> y\n```\n",
            "l/README.md:5: `> y` comes before any command",
        ),
        (
            "```console\n$ x\n? one\n```\n",
            "l/README.md:3: `one` is not an exit status",
        ),
        (
            "```console\n$ x\n? 256\n```\n",
            "l/README.md:3: `256` is not an exit status",
        ),
        (
            "```console\n$ x\n? -1\n```\n",
            "l/README.md:3: `-1` is not an exit status",
        ),
        (
            "```console\n$ \n```\n",
            "l/README.md:2: there is no command",
        ),
        (
            "a\n```console\n$ x\n",
            "l/README.md:2: this console block is never closed",
        ),
        (
            "````console\n$ x\n```\n",
            "l/README.md:1: this console block is never closed",
        ),
        ("```console", "l/README.md:1: this console block is never"),
    ] {
        let error = error(markdown);
        assert!(error.starts_with(expected), "{markdown:?}: {error}");
    }
}

#[test]
fn a_text_may_state_its_limit() {
    let limit = |text: &str| {
        parse(
            &format!("{text}\n\n```console\n$ a\n```\n"),
            Path::new("README.md"),
        )
        .map_err(|error| error.to_string())
        .map(|transcript| transcript.limit())
    };
    assert_eq!(limit("# x\n\n<!-- other: 3 s -->"), Ok(LIMIT));
    assert_eq!(limit("# x\n\n<!-- limit: 600 s -->"), Ok(600));
    assert_eq!(limit("Text.\n<!--  limit:7s-->\n"), Ok(7));
    for none in ["600", "0 s", "1.5 s", "-1 s", "65536 s", "s", ""] {
        assert_eq!(
            limit(&format!("# x\n\n<!-- limit: {none} -->"))
                .err()
                .as_deref(),
            Some(
                "README.md:3: this limit is invalid; a limit is stated in whole seconds, from 1 to \
                 65535, as in `<!-- limit: 300 s -->`"
            ),
            "{none}"
        );
    }
    for form in [
        "Some text <!-- limit: 7 s --> more.",
        "<!--\nlimit: 7 s\n-->",
        "Text <!--\nlimit: 7 s --> more.",
        "<!-- Limit: 7 s -->",
        "<!-- other: 3 s --><!-- limit: 7 s -->",
        "- a\n\n  <!-- limit: 7 s -->",
    ] {
        assert_eq!(limit(form), Ok(7), "{form}");
    }
    assert_eq!(limit("```html\n<!-- limit: 7 s -->\n```"), Ok(LIMIT));
    let twice = "<!-- limit: 1 s -->\n\n<!-- limit: 1 s -->";
    assert_eq!(
        limit(twice).err().as_deref(),
        Some("README.md:3: the limit is stated a second time")
    );
}

#[test]
fn a_megabyte_is_read() {
    let line = "x".repeat(1 << 20);
    let markdown = format!("```console\n$ cat\n{line}\n```\n");
    assert_eq!(steps(&markdown)[0].expected, [line]);
    let many = format!("```console\n$ cat\n{}```\n", "y\n".repeat(1 << 19));
    assert_eq!(steps(&many)[0].expected.len(), 1 << 19);
}

#[test]
fn a_byte_order_mark_is_not_a_part_of_the_text() {
    let markdown = "\u{feff}```console\n$ one\n```\n# Title\n";
    assert_eq!(steps(markdown), [step(2, "one", 0, &[])]);
    let markdown = "\u{feff}# Title\n<!-- no rust: x -->\n";
    assert_eq!(title(markdown).as_deref(), Some("Title"));
    assert_eq!(
        comment("\u{feff}<!-- no rust: x -->", "no rust").as_deref(),
        Some("x")
    );
}

#[test]
fn a_block_that_looks_like_a_console_block_is_refused() {
    let markdown =
        |info: &str, block: &str| format!("```console\n$ a\n```\n\n```{info}\n{block}```\n");
    for info in [
        "Console",
        "CONSOLE",
        "console title=x",
        "console,ignore",
        "console{.x}",
        "consoles",
        "consle",
        "cosnole",
        "konsole",
    ] {
        let error = error(&markdown(info, "$ false\n"));
        let begin = format!("l/README.md:5: this block is marked `{info}`, so no guest runs");
        assert!(error.starts_with(&begin), "{error}");
    }
    for info in ["", "sh", "bash", "shell-session", "ShellSession"] {
        let error = error(&markdown(info, "\n$ false\n"));
        let begin = "l/README.md:5: this block begins with a command but is";
        assert!(error.starts_with(begin), "{error}");
        assert_eq!(steps(&markdown(info, "insmod x\n$ y\n")).len(), 1);
    }
    for info in ["text", "rust", "c", "make", "control"] {
        assert_eq!(steps(&markdown(info, "$ false\n")).len(), 1, "{info}");
    }
}

#[test]
fn an_indented_block_with_a_command_is_refused() {
    let markdown = |block: &str| format!("```console\n$ a\n```\n\nIn a sentence:\n\n{block}");
    for block in [
        "    $ false\n",
        "\t$ false\n    more\n",
        "> quoted\n>\n>     $ x\n",
    ] {
        let error = error(&markdown(block));
        assert!(
            error.contains(": this block is indented and begins with a command"),
            "{error}"
        );
    }
    for block in [
        "    ```console\n    $ false\n    ```\n",
        "1. One\n\n        ```console\n        $ x\n        ```\n",
    ] {
        let error = error(&markdown(block));
        assert!(
            error.contains("is indented by four columns or more"),
            "{error}"
        );
    }
    for block in ["    x = 1;\n    $ x\n", "    $x\n", "`$ x`\n    $ x\n"] {
        assert_eq!(steps(&markdown(block)).len(), 1, "{block}");
    }
}

#[test]
fn a_console_block_in_html_or_a_paragraph_is_refused() {
    let markdown = |block: &str| format!("```console\n$ a\n```\n\n{block}");
    let block = "```console\n$ false\n```\n";
    let html = format!("<details>\n<summary>More</summary>\n{block}</details>\n");
    let refused = error(&markdown(&html));
    assert!(
        refused.starts_with("l/README.md:7: this console block is a part of the HTML"),
        "{refused}"
    );
    let paragraph = "In a sentence:\n    ```console\n    $ false\n    ```\n";
    let refused = error(&markdown(paragraph));
    assert!(
        refused.contains("a part of the paragraph above it"),
        "{refused}"
    );
    // An author leaves a block out, and a block shows how to write one.
    for others in [
        format!("<!-- later:\n{block}-->\n"),
        format!("<!-- later\n\n{block}-->\n"),
        format!("````text\n{block}````\n"),
    ] {
        assert_eq!(steps(&markdown(&others)).len(), 1, "{others}");
    }
    let apart = format!("<details>\n<summary>More</summary>\n\n{block}\n</details>\n");
    assert_eq!(steps(&markdown(&apart)).len(), 2);
}

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use snapbox::{Data, assert_data_eq, file};

use super::*;
use crate::exercise::student::answer_key;
use crate::learn::state::{Look, Phase};
use crate::learn::test_values::{checking, compile_error, failed, hung, new, passed, refused};

/// Returns the screen as text, without the spaces at the ends of lines.
fn screen(state: &LearnState, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| draw(frame, state)).expect("drawn");
    let rows = terminal
        .backend()
        .buffer()
        .content
        .chunks(usize::from(columns));
    let row = |row: &[Cell]| {
        let text: String = row.iter().map(Cell::symbol).collect();
        text.trim_end().to_owned() + "\n"
    };
    rows.map(row).collect()
}

#[test]
fn a_failed_part_is_shown_at_each_size() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/learn/screen/tests");
    for (columns, rows) in [(120, 40), (96, 24), (80, 24), (40, 30)] {
        let screen = screen(&failed(), columns, rows);
        let path = format!("{folder}/failed-{columns}.txt");
        assert_data_eq!(screen, Data::read_from(path.as_ref(), None).raw());
    }
}

/// The screen of docs/exercises.md is that of a test.
#[test]
fn the_document_shows_the_screen() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let text = std::fs::read_to_string(format!("{root}/docs/exercises.md")).expect("the document");
    let screen = screen(&failed(), 96, 24);
    for line in screen.lines().filter(|line| !line.is_empty()) {
        assert!(
            text.contains(line),
            "docs/exercises.md has no line\n{line}\n\n{screen}"
        );
    }
}

#[test]
fn a_hang_has_the_lines_of_its_tasks() {
    assert_data_eq!(screen(&hung(), 80, 24), file!["tests/hung.txt"].raw());
}

#[test]
fn a_refused_answer_is_named_until_the_next_check() {
    let mut state = refused();
    assert_data_eq!(screen(&state, 80, 24), file!["tests/refused.txt"].raw());
    state.begin("other".to_owned());
    assert!(!screen(&state, 80, 24).contains("no points"));
}

#[test]
fn a_running_check_shows_nothing_of_an_earlier_one() {
    let mut state = failed();
    state.begin("other".to_owned());
    let screen = screen(&state, 80, 24);
    for old in ["0 of 15", "Hint", "expected", " ✗ ", " ✓ ", "points."] {
        assert!(!screen.contains(old), "{old}:\n{screen}");
    }
    assert_data_eq!(
        self::screen(&checking(), 80, 12),
        file!["tests/checking.txt"].raw()
    );
}

#[test]
fn only_a_changed_answer_is_another_try() {
    let mut state = new();
    for (source, last, expected) in [
        ("// TODO\n", "", "rust   try 6  "),
        ("x\n", "", "rust   try 7  "),
        ("x\n", &*answer_key("x\n"), "rust   try 6  "),
    ] {
        state.begin(source.to_owned());
        last.clone_into(&mut state.last_try);
        let screen = screen(&state, 80, 12);
        assert!(screen.contains(expected), "{source}: {screen}");
    }
    state.recorded_tries = 0;
    state.begin("// TODO\n".to_owned());
    let screen = screen(&state, 80, 12);
    assert!(!screen.contains("try"), "{screen}");
}

#[test]
fn answers_that_pass_or_do_not_compile_are_shown() {
    assert_data_eq!(screen(&passed(), 80, 14), file!["tests/passed.txt"].raw());
    assert_data_eq!(
        screen(&compile_error(), 80, 14),
        file!["tests/compile-error.txt"].raw()
    );
    let mut state = new();
    state.phase = Phase::Failed {
        reason: "kernel.org cannot be reached".to_owned(),
    };
    let screen = screen(&state, 80, 14);
    assert!(screen.contains("kernel.org cannot be reached"), "{screen}");
}

#[test]
fn without_colours_and_unicode_everything_is_there() {
    let mut state = failed();
    state.look = Look {
        colours: false,
        unicode: false,
    };
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
    terminal.draw(|frame| draw(frame, &state)).expect("drawn");
    for cell in &terminal.backend().buffer().content {
        assert!(cell.symbol().is_ascii(), "{cell:?}");
        assert_eq!(cell.fg, ratatui::style::Color::Reset);
    }
    assert_data_eq!(screen(&state, 80, 24), file!["tests/ascii.txt"].raw());
}

#[test]
fn the_other_pages_scroll() {
    let mut state = failed();
    state.open(LearnPage::Course { selected: 2 });
    assert_data_eq!(screen(&state, 80, 10), file!["tests/course.txt"].raw());
    let screen_of = |selected: usize| {
        let mut state = failed();
        let row = state.course[0].clone();
        state.course = vec![row; 56];
        state.open(LearnPage::Course { selected });
        screen(&state, 80, 24)
    };
    for (selected, above, below) in [(0, 0, 35), (27, 18, 18), (55, 35, 0)] {
        let screen = screen_of(selected);
        assert!(screen.contains("[Up/Down]"), "{screen}");
        for (hidden, note) in [
            (above, "above: Up or PageUp"),
            (below, "below: Down or PageDown"),
        ] {
            let note = format!("\n {hidden} more {note}\n");
            assert_eq!(screen.contains(&note), hidden > 0, "{note}{screen}");
        }
    }
    let lines = (1..=50).map(|number| format!("line {number}")).collect();
    state.open(LearnPage::Lines { lines });
    let first = screen(&state, 40, 10);
    assert!(
        first.contains("line 7\n") && first.contains(" 43 more lines"),
        "{first}"
    );
    state.scroll = last_scroll(&state, 40, 10);
    let last = screen(&state, 40, 10);
    assert!(
        last.contains("line 50\n") && !last.contains("more"),
        "{last}"
    );
}

#[test]
fn the_name_of_a_file_stays_on_a_narrow_screen() {
    let mut state = failed();
    let folder = "/home/student/courses/operating-systems/kernel/io_wait_event/2-every-fifth";
    state.task.text_path = format!("{folder}/task.md");
    state.task.answer_path = format!("{folder}/every_fifth.rs");
    state.source = state.task.start.clone();
    for columns in [80, 60] {
        let screen = screen(&state, columns, 24);
        for name in ["/task.md\n", "/every_fifth.rs\n"] {
            assert!(screen.contains(name), "{name}{screen}");
        }
    }
}

#[test]
fn the_lines_of_a_paragraph_are_joined_before_they_are_divided() {
    let mut state = failed();
    state.task.text =
        "# T\n\nOne two three four\nfive six seven.\n\n- eight nine ten eleven\n  twelve\n\
                       - thirteen\n\n```console\n$ a  b\n```\n"
            .to_owned();
    state.open(LearnPage::Text);
    let screen = screen(&state, 24, 20);
    let expected = "\n # T\n\n One two three four five\n six seven.\n\n - eight nine ten eleven\n   \
                    twelve\n - thirteen\n\n     $ a  b\n";
    assert!(screen.contains(expected), "{screen}");
}

#[test]
fn no_size_is_too_small() {
    for state in [
        new(),
        checking(),
        failed(),
        hung(),
        passed(),
        compile_error(),
    ] {
        for (columns, rows) in [(1, 1), (5, 2), (10, 3), (20, 5), (300, 4)] {
            let course = LearnPage::Course { selected: 3 };
            for page in [LearnPage::Parts, LearnPage::Report, LearnPage::Text, course] {
                let state = LearnState {
                    page,
                    scroll: 99,
                    ..state.clone()
                };
                screen(&state, columns, rows);
            }
        }
    }
}

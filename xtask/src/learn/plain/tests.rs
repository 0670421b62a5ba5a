use snapbox::{assert_data_eq, file};

use super::text;
use crate::learn::test_values::{compile_error, failed, hung, passed, refused};

#[test]
fn results_are_sentences() {
    let states = [failed(), hung(), passed(), compile_error(), refused()];
    let texts = states.iter().map(|state| {
        let lines = [vec![text::title(state)], text::result(state)].concat();
        lines.join("\n") + "\n"
    });
    let texts: Vec<String> = texts.collect();
    assert_data_eq!(texts.join("\n"), file!["tests/results.txt"].raw());
}

//! Expected and printed lines, whatever they are, align without a panic; a text
//! without wildcards matches only itself.
//!
//! The input is two texts with a byte 0xff between them.

use xtask::lesson::compare::{compare, printed_lines};
use xtask::lesson::timestamp::VIRTUAL_TOLERANCE;

/// Checks one input.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0xff);
    let expected = printed_lines(parts.next().unwrap_or_default());
    let printed = printed_lines(parts.next().unwrap_or_default());
    let compared = compare(&expected, &printed, None, VIRTUAL_TOLERANCE);
    assert_eq!(
        compared.matches,
        compared.normalised == expected,
        "lines that match have the text's own words, and no others have"
    );
    let plain = |line: &String| !line.contains("[..]") && line != "..." && !line.starts_with("[+");
    if expected.iter().all(plain) {
        assert_eq!(compared.matches, expected == printed);
    }
}

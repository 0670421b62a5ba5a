//! Expected screens: files below `tests/with_kernel/screens`.
//!
//! `SNAPSHOTS=overwrite cargo test --test with_kernel` writes them anew; review
//! them with `git diff`.

use std::fmt::Write as _;
use std::path::Path;

use snapbox::Data;

use super::TestClone;

/// Asserts that `screen` is the text of the file `screens/NAME.txt`, in which
/// `CLONE` stands for the clone's folder, `CACHE` for the cache's, and `N` for
/// each number with a decimal point.
pub fn assert_screen(name: &str, clone: &TestClone, screen: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/with_kernel/screens")
        .join(format!("{name}.txt"));
    snapbox::assert_data_eq!(stable(clone, screen), Data::read_from(&file, None).raw());
}

/// Replaces the parts of a screen that differ from run to run.
fn stable(clone: &TestClone, screen: &str) -> String {
    let cache = xtask::cache::Cache::from_env();
    let cache = cache.map_or_else(
        |_| "CACHE".to_owned(),
        |cache| cache.root().display().to_string(),
    );
    let screen = screen
        .replace(&clone.path("").display().to_string(), "CLONE/")
        .replace(&cache, "CACHE");
    let mut stable = String::new();
    for part in screen.split_inclusive(|letter: char| !letter.is_ascii_digit() && letter != '.') {
        let (number, end) =
            part.split_at(part.len() - part.chars().next_back().map_or(0, char::len_utf8));
        let is_decimal = number.split_once('.').is_some_and(|(whole, fraction)| {
            [whole, fraction].iter().all(|digits| {
                !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
            })
        });
        // `write!` to a String cannot fail.
        let _ = write!(stable, "{}{end}", if is_decimal { "N" } else { number });
    }
    stable
}

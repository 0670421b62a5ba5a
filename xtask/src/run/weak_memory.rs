//! The stores of a test case's module that schedules may hold back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::plan::TestCase;
use super::scheduled::symbols_of;
use crate::lesson::Lesson;
use crate::modules::{Language, Module, SourceFile, source_files};
use crate::pipeline::Built;
use crate::schedule::{self, HeldStore};
use crate::session::Session;
use crate::symbols::Symbols;

/// The file of rustc's library in which the functions of atomics name an order on a line for each.
const ATOMICS: &str = "core/src/sync/atomic.rs";

/// Words by which a source orders stores in a way that leaves no trace in the module.
const OWN_ORDERS: [&str; 7] = [
    "asm",
    "__asm",
    "__asm__",
    "global_asm",
    "naked_asm",
    "fence",
    "compiler_fence",
];

/// Beginnings of such words: the compiler's own atomics.
const OWN_ATOMICS: [&str; 3] = ["__atomic_", "__c11_atomic_", "__sync_"];

/// Returns the stores of a test case's module that may be held back; `None` if a source of the module
/// orders stores in its own way, which a note says.
///
/// # Errors
///
/// If the module or a source cannot be read.
pub(super) fn held_stores(
    session: &Session,
    built: &Built,
    case: &TestCase<'_>,
    module: &Module,
) -> Result<Option<Vec<HeldStore>>> {
    let TestCase { lesson, language } = *case;
    if let Some((file, word)) = own_order(lesson, language)? {
        session.ui.note(format!(
            "--weak-memory: {} holds back no store, because {} contains `{word}`, whose effect on the order \
             of stores kmodlab cannot see",
            case.name(),
            file.display()
        ));
        return Ok(None);
    }
    let origin = lesson.origin();
    let mut orders = StoreOrders {
        symbols: symbols_of(session, built, &origin, language),
        module: &module.name,
        library: &built.toolchain.rust_lib_src,
        texts: HashMap::new(),
    };
    let held = schedule::held_stores(&module.path, |function, offset| {
        orders.is_ordered(function, offset)
    })?;
    let is_own = |held: &HeldStore| {
        let mut points = [&held.store, &held.passed].into_iter();
        let symbols = &mut orders.symbols;
        points.all(|point| {
            let location = symbols.source_location(&module.name, &point.function, point.offset);
            location.is_some()
        })
    };
    Ok(Some(held.into_iter().filter(is_own).collect()))
}

/// Returns a source that orders stores in its own way, and the word by which it does.
fn own_order(lesson: &Lesson, language: Language) -> Result<Option<(PathBuf, String)>> {
    for SourceFile { path: file, .. } in source_files(lesson, language)? {
        // Any other file may be included by a source.
        let extension = file.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| ["md", "toml"].contains(&extension)) {
            continue;
        }
        let bytes =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        if let Some(word) = ordering_word(&String::from_utf8_lossy(&bytes)) {
            return Ok(Some((file, word.to_owned())));
        }
    }
    Ok(None)
}

fn ordering_word(text: &str) -> Option<&str> {
    let is_include = |line: &&str| {
        let line = line.trim_start().strip_prefix('#');
        line.is_some_and(|rest| rest.trim_start().starts_with("include"))
    };
    let lines = text.lines().filter(|line| !is_include(line));
    let mut words = lines.flat_map(|line| {
        line.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric())
    });
    words.find(|word| {
        OWN_ORDERS.contains(word) || OWN_ATOMICS.iter().any(|begin| word.starts_with(begin))
    })
}

/// The orders of a module's stores, by the lines that its instructions were compiled from.
struct StoreOrders<'a> {
    symbols: Symbols<'a>,
    module: &'a str,
    /// The sources of rustc's library.
    library: &'a Path,
    /// Lines of files of that library.
    texts: HashMap<String, Vec<String>>,
}

impl StoreOrders<'_> {
    /// Reports whether the store of an instruction follows all earlier ones, or may do so.
    fn is_ordered(&mut self, function: &str, offset: u32) -> bool {
        let line = self.symbols.innermost_line(self.module, function, offset);
        let Some((file, line)) = line else {
            return true;
        };
        file.ends_with(ATOMICS) && !self.is_relaxed(&file, line)
    }

    /// Reports whether a line of the library is that of a relaxed store: one of the lines
    /// `Relaxed => intrinsics::atomic_store_relaxed(dst, val)`.
    fn is_relaxed(&mut self, file: &str, line: u32) -> bool {
        let library = self.library;
        let lines = self.texts.entry(file.to_owned()).or_insert_with(|| {
            let text = std::fs::read_to_string(library.join(ATOMICS)).unwrap_or_default();
            text.lines().map(ToOwned::to_owned).collect()
        });
        let index = usize::try_from(line)
            .ok()
            .and_then(|line| line.checked_sub(1));
        let text = index.and_then(|index| lines.get(index));
        text.is_some_and(|text| text.trim_start().starts_with("Relaxed =>"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_order_stores_in_their_own_way_are_recognised() {
        let found = [
            "static inline void f(void) { asm volatile(\"\" ::: \"memory\"); }",
            "use core::sync::atomic::{fence, Ordering::Release};",
            "__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);",
        ];
        for text in found {
            assert!(ordering_word(text).is_some(), "{text}");
        }
        let plain = [
            "#include <asm/barrier.h>",
            "# include <asm/io.h>\nsmp_store_release(&ready, true);",
            "let offence = plasma.load(Relaxed);",
        ];
        for text in plain {
            assert_eq!(ordering_word(text), None, "{text}");
        }
    }
}

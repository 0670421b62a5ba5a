//! The lessons of this clone: their texts are transcripts, and show the code
//! that there is.

use anyhow::{Context as _, Result};
use xtask::lesson::{all, excerpts};
use xtask::workspace::Workspace;

#[test]
fn every_lesson_is_a_transcript_and_shows_its_own_code() -> Result<()> {
    let workspace = Workspace::find()?;
    if !workspace.lessons().is_dir() {
        return Ok(());
    }
    for lesson in all(&workspace)? {
        let text = std::fs::read_to_string(lesson.folder.join("README.md"))
            .with_context(|| lesson.readme.display().to_string())?;
        let shown = excerpts::check(&text, &lesson.folder, &lesson.readme)?;
        assert!(
            shown > 0,
            "{}: no excerpt of the module; put `<!-- source: FILE -->` before its Rust blocks",
            lesson.readme.display()
        );
    }
    Ok(())
}

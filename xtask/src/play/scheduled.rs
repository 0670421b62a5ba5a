//! A lesson whose threads are held up: what its guest is given for that.

use anyhow::{Context as _, Result};

use crate::initramfs::GuestFile;
use crate::lesson::Lesson;
use crate::modules::Module;
use crate::pipeline::Prepared;
use crate::schedule::{self, MOST_PLACES, Place, Schedule};
use crate::session::Session;

use super::guest::lesson_files;
use super::plan::Play;
use super::scripted::scripted;

/// The files that a guest needs to hold up the lesson's threads.
pub(super) fn files(
    prepared: &Prepared,
    lesson: &Lesson,
    schedule: &Schedule,
) -> Result<Vec<GuestFile>> {
    let module = module(prepared, |module| module.name == schedule::MODULE)?;
    let perturb = std::fs::read(&module.stripped)
        .with_context(|| format!("cannot read {}", module.stripped.display()))?;
    Ok(schedule.files(&lesson.name, perturb))
}

/// The places in the lesson's module that its lesson comes by: it is played for
/// that, and nobody is held up. Of a module that is never loaded there are none.
pub(super) fn places(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
) -> Result<Vec<Place>> {
    let Play { lesson, language } = *play;
    let module = module(prepared, |module| {
        module.name == lesson.name && module.language == language
    })?;
    let mut met = Vec::new();
    for some in schedule::places(&module.path)?.chunks(MOST_PLACES) {
        let survey = Schedule::survey(some);
        let mut files = lesson_files(prepared, play)?;
        files.extend(self::files(prepared, lesson, &survey)?);
        let (_, run) = scripted(session, prepared, &lesson.transcript, files, &mut |_| ())?;
        met.extend(survey.met(&run.debug));
    }
    Ok(met)
}

fn module(prepared: &Prepared, wanted: impl Fn(&Module) -> bool) -> Result<&Module> {
    let module = prepared.modules.iter().find(|module| wanted(module));
    module.context("a module was not built")
}

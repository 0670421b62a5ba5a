//! The published JSON Schema: generated from the types of the report, and true of
//! the documents.

use anyhow::anyhow;
use boon::{Compiler, Schemas};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use snapbox::{assert_data_eq, file};

use super::formats::{outcomes, report};
use super::*;
use crate::lesson::{self, BadText};
use crate::run::plan::plan;
use crate::workspace::Workspace;

/// A document that `cargo xtask test --json FILE` writes: the results of a run, or
/// the list of test cases with `--list`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is needed")]
enum Document {
    Suite(Box<json::SuiteDocument>),
    List(json::TestCaseList),
}

/// Path of the schema from the crate's folder.
const PUBLISHED: &str = "../docs/report.schema.json";

/// Checks a document against the published schema, or against one of its
/// definitions.
fn validate(document: &str, definition: &str) -> Result<()> {
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(PUBLISHED)?)?;
    let mut compiler = Compiler::new();
    let added = compiler.add_resource("report.schema.json", schema);
    added.map_err(|error| anyhow!("{error}"))?;
    let mut schemas = Schemas::new();
    let location = format!("report.schema.json{definition}");
    let index = compiler.compile(&location, &mut schemas);
    let index = index.map_err(|error| anyhow!("{error:#}"))?;
    let document = serde_json::from_str(document)?;
    let valid = schemas.validate(&document, index);
    valid.map_err(|error| anyhow!("{error:#}"))
}

#[test]
fn the_published_schema_is_current() -> Result<()> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<Document>();
    assert_data_eq!(
        json::pretty(&schema)?,
        file!["../../../../docs/report.schema.json"].raw()
    );
    Ok(())
}

#[test]
fn a_suite_of_all_verdicts_is_valid() -> Result<()> {
    validate(&json::text(&report(outcomes()))?, "")
}

/// Returns the text of a lesson without a console block.
fn bad_text() -> Result<BadText> {
    let folder = tempfile::tempdir()?;
    let lesson = folder.path().join("modules/lessons/y");
    std::fs::create_dir(folder.path().join("kernel-config"))?;
    std::fs::create_dir_all(&lesson)?;
    std::fs::write(lesson.join("README.md"), "# y\n")?;
    let texts = lesson::select(&Workspace::at(folder.path())?, &[])?;
    let bad = texts.into_iter().find_map(std::result::Result::err);
    bad.context("a bad text")
}

#[test]
fn narrowed_schedules_are_valid() -> Result<()> {
    let races = super::narrowed::results().map(|narrowed| RaceFindings {
        narrowed: Some(narrowed),
        ..super::races::races()
    });
    let report = SuiteReport {
        races: races.into(),
        ..report(outcomes())
    };
    validate(&json::text(&report)?, "")
}

#[test]
fn a_list_is_valid() -> Result<()> {
    let lesson = lesson();
    let lesson = Ok(lesson);
    let bad = Err(bad_text()?);
    let texts = [lesson, bad];
    let cases = plan(&texts, &[Language::Rust, Language::C], None);
    let list = json::list(&cases)?;
    validate(&list, "")?;
    let json::TestCaseList { test_cases, .. } = serde_json::from_str(&list)?;
    let reasons = |case: &json::TestCaseEntry| (case.skipped.is_some(), case.bad_text.clone());
    let reasons: Vec<_> = test_cases.iter().map(reasons).collect();
    let error = "modules/lessons/y/README.md:1: this text has no console block; a lesson shows its \
                 commands in blocks that begin with ```console";
    assert_eq!(
        reasons,
        [
            (false, None),
            (true, None),
            (false, Some(error.to_owned())),
            (true, None)
        ]
    );
    Ok(())
}

#[test]
fn the_entry_among_the_artifacts_is_valid() -> Result<()> {
    for outcome in &outcomes() {
        let entry = json::pretty(&json::RunEntry::from(outcome))?;
        validate(&entry, "#/$defs/RunEntry")?;
    }
    Ok(())
}

#[test]
fn a_wrong_version_name_or_type_is_not_valid() -> Result<()> {
    let document = json::text(&report(outcomes()))?;
    for (right, wrong) in [
        ("\"schema\": 3", "\"schema\": 2"),
        ("\"duration_seconds\"", "\"wall_seconds\""),
        ("\"passed\": 1", "\"passed\": -1"),
        ("\"verdict\": \"pass\"", "\"verdict\": null"),
    ] {
        assert!(document.contains(right), "{right}");
        let wrong = document.replace(right, wrong);
        assert!(validate(&wrong, "").is_err(), "{right}");
    }
    Ok(())
}

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
use crate::run::plan::TestCase;

/// A document that `cargo xtask test --json FILE` writes: the results of a run, or
/// the list of test cases with `--list`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is needed")]
enum Document {
    Suite(json::SuiteDocument),
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

#[test]
fn a_list_is_valid() -> Result<()> {
    let lesson = lesson();
    let case = |language| TestCase {
        lesson: &lesson,
        language,
    };
    validate(&json::list(&[case(Language::Rust), case(Language::C)])?, "")
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
        ("\"schema\": 2", "\"schema\": 1"),
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

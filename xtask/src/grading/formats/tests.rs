use anyhow::{Context as _, anyhow};
use boon::{Compiler, Schemas};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use snapbox::{assert_data_eq, file, str};

use super::*;
use crate::grading::course_file::Visibility;
use crate::grading::course_mark::CourseMark;
use crate::grading::result::{GRADE_SCHEMA, GradeEnvironment, GradeStatus, GradedPart};

fn part(
    number: usize,
    passed: bool,
    hidden: bool,
    points: u32,
    course_points: CourseMark,
) -> GradedPart {
    GradedPart {
        number,
        title: format!("Part {number}"),
        points: if passed { points } else { 0 },
        max_points: points,
        course_mark: match passed {
            true => course_points,
            false => CourseMark::default(),
        },
        course_points,
        passed,
        verdict: if passed { "pass" } else { "hang" }.to_owned(),
        message: if passed {
            ""
        } else {
            "hung: <secret> & \u{ffff}"
        }
        .to_owned(),
        hidden,
        visibility: if hidden {
            Visibility::Hidden
        } else {
            Visibility::Visible
        },
        schedules: None,
        failing_seed: None,
        replay: (!passed).then(|| "kmodlab check b".to_owned()),
    }
}

/// Returns a result for the tests of other modules.
pub(crate) fn graded() -> GradeResult {
    result(GradeStatus::Graded)
}

/// Returns the result of an exercise with three parts of 10 points each, of which the first passed.
fn result(status: GradeStatus) -> GradeResult {
    scaled(status, [10, 10, 10], 30)
}

/// Returns the result of an exercise with parts of these points.
fn scaled(status: GradeStatus, points: [u32; 3], course_points: u32) -> GradeResult {
    let graded = status == GradeStatus::Graded;
    let in_course = CourseMark::scale(&points, course_points);
    let parts = vec![
        part(1, graded, false, points[0], in_course[0]),
        part(2, false, false, points[1], in_course[1]),
        part(3, false, true, points[2], in_course[2]),
    ];
    GradeResult {
        schema: GRADE_SCHEMA,
        course: "Threads".to_owned(),
        exercise: "a/1-b".to_owned(),
        title: "B".to_owned(),
        student: "=s1,\"x\"".to_owned(),
        status,
        message: if graded { "" } else { "a.rs:1: `unsafe`" }.to_owned(),
        language: Some("rust".to_owned()),
        points: parts.iter().map(|part| part.points).sum(),
        max_points: points.iter().sum(),
        course_points,
        course_mark: parts.iter().map(|part| part.course_mark).sum(),
        late: None,
        visibility: Visibility::AfterPublished,
        variant: [("step".to_owned(), "7".to_owned())].into(),
        hidden_variant: [].into(),
        parts,
        submission: "00".to_owned(),
        inputs: "01".to_owned(),
        environment: GradeEnvironment {
            kmodlab: "0.1.0".to_owned(),
            kernel: "6.12".to_owned(),
            kernel_version: "6.12.117".to_owned(),
            kernel_image: "02".to_owned(),
            toolchain: "rustc 1.85".to_owned(),
            qemu: "7.2".to_owned(),
            first_seed: 1,
        },
    }
}

const STATUSES: [GradeStatus; 3] = [
    GradeStatus::Graded,
    GradeStatus::DoesNotCompile,
    GradeStatus::Refused,
];

fn as_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().into_iter().flatten();
    object.map(|(key, _)| &**key).collect()
}

fn classroom50_run() -> Result<Classroom50Run> {
    Classroom50Run::from(|name| match name {
        "SUBMISSION_TAG" => Some("submit/2026-01-01T00-00-00Z-abc".to_owned()),
        "REVIEW_URL" | "MODE" | "OWNER" | "GITHUB_ACTOR" | "SUBMISSION_DATETIME" => None,
        _ => Some(format!("the {name}")),
    })
}

/// A teacher and a student see one mark, wherever they look: 12.5 of 25 for half of the parts' points.
#[test]
fn the_course_scales_the_parts_in_every_format() -> Result<()> {
    let result = scaled(GradeStatus::Graded, [10, 8, 2], 25);
    assert!(result.line().contains(": 12.5 of 25 points, graded"));
    let document = as_json(&result);
    for (field, value) in [
        ("points", json!(10)),
        ("max_points", json!(20)),
        ("course_mark", json!(12.5)),
        ("course_points", json!(25)),
    ] {
        assert_eq!(document[field], value, "{field}");
    }
    assert_eq!(document["parts"][2]["course_points"], json!(2.5));
    let document = as_json(&gradescope::document(&result));
    assert_eq!(document["score"], json!(12.5));
    assert_eq!(document["tests"][1]["max_score"], json!(10));
    let junit = GradeAdapter::Junit.text(&result)?;
    for text in [
        "name=\"points\" value=\"12.5\"",
        "name=\"max-points\" value=\"25\"",
        "<system-out>points: 12.5/12.5<",
        "<system-out>points: 0/2.5<",
    ] {
        assert!(junit.contains(text), "{text}: {junit}");
    }
    let rows = result_table(&result)?;
    assert!(rows.contains(",1,Part 1,12.5,12.5,pass"), "{rows}");
    assert!(rows.contains(",3,Part 3,0,2.5,hang"), "{rows}");
    let marks = marks_table(std::slice::from_ref(&result))?;
    assert!(marks.contains("a/1-b (25)") && marks.ends_with(",12.5,12.5\r\n"));

    // Classroom 50 takes whole numbers alone: hundredths, if a part has a fraction.
    let run = classroom50_run()?;
    for (course_points, score, max_score) in [(25, 1250, 2500), (40, 20, 40)] {
        let result = scaled(GradeStatus::Graded, [10, 8, 2], course_points);
        let document = as_json(&classroom50::document(&result, &run));
        assert_eq!(document["score"], json!(score));
        assert_eq!(document["max-score"], json!(max_score));
    }
    Ok(())
}

/// The rules of `schemas/result-v1.schema.json` of Classroom 50, read on 2026-11-28.
#[test]
fn classroom50_has_the_published_fields() -> Result<()> {
    let run = classroom50_run()?;
    let of_status = |status| [result(status), scaled(status, [10, 10, 10], 20)];
    for result in STATUSES.into_iter().flat_map(of_status) {
        let document = as_json(&classroom50::document(&result, &run));
        assert_eq!(
            keys(&document),
            [
                "assignment",
                "assignment_type",
                "classroom",
                "commit",
                "datetime",
                "max-score",
                "owner",
                "release",
                "review",
                "schema",
                "score",
                "submission",
                "tests"
            ]
        );
        assert_eq!(document["schema"], "classroom50/result/v1");
        assert_eq!(document["assignment_type"], "individual");
        for text in [
            "classroom",
            "assignment",
            "owner",
            "commit",
            "release",
            "review",
        ] {
            assert!(document[text].as_str().is_some_and(|text| !text.is_empty()));
        }
        let tests = document["tests"].as_array().context("tests")?;
        let sum = |field: &str| {
            tests
                .iter()
                .filter_map(|test| test[field].as_u64())
                .sum::<u64>()
        };
        assert_eq!(document["score"], sum("score"));
        assert_eq!(document["max-score"], sum("max-score"));
        for test in tests {
            assert!(test["test-name"].is_string() && test["passed"].is_boolean());
        }
    }
    let error = Classroom50Run::from(|_| None).err().context("an error")?;
    assert!(error.to_string().contains("COMMIT_URL"), "{error}");
    Ok(())
}

#[test]
fn gradescope_has_the_documented_fields() {
    let document = as_json(&gradescope::document(&result(GradeStatus::Graded)));
    let expected = json!({
        "score": 10,
        "output": "",
        "output_format": "text",
        "visibility": "after_published",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "score": 10, "max_score": 10, "status": "passed", "name": "Part 1",
                "number": "1", "output": "", "output_format": "text", "visibility": "visible",
            },
            {
                "score": 0, "max_score": 10, "status": "failed", "name": "Part 2",
                "number": "2", "output": "hung: <secret> & \u{ffff}", "output_format": "text",
                "visibility": "visible",
            },
            {
                "score": 0, "max_score": 10, "status": "failed", "name": "Part 3",
                "number": "3", "output": "", "output_format": "text", "visibility": "hidden",
            },
        ],
    });
    assert_eq!(document, expected);
    let refused = as_json(&gradescope::document(&result(GradeStatus::Refused)));
    let output = "The submission was refused: a.rs:1: `unsafe`.";
    assert_eq!(
        (&refused["output"], &refused["score"]),
        (&json!(output), &json!(0))
    );
}

#[test]
fn exercism_has_a_message_only_with_an_error() {
    for status in STATUSES {
        let document = as_json(&exercism::document(&result(status)));
        assert_eq!(document["version"], 3);
        let graded = status == GradeStatus::Graded;
        let expected = if graded { "fail" } else { "error" };
        assert_eq!(document["status"], expected);
        assert_eq!(document.get("message").is_some(), !graded);
        let tests = document["tests"].as_array().map_or(0, Vec::len);
        assert_eq!(tests, if graded { 3 } else { 0 });
    }
    let document = as_json(&exercism::document(&result(GradeStatus::Graded)));
    let states: Vec<&Value> = (0..3)
        .map(|index| &document["tests"][index]["status"])
        .collect();
    assert_eq!(states, ["pass", "fail", "fail"]);
    let long = GradeResult {
        message: "é".repeat(70_000),
        ..result(GradeStatus::DoesNotCompile)
    };
    let document = as_json(&exercism::document(&long));
    let length = document["message"]
        .as_str()
        .map_or(0, |text| text.chars().count());
    assert_eq!(length, 65_535);
}

#[test]
fn no_format_has_a_hidden_message() -> Result<()> {
    let mut result = result(GradeStatus::Graded);
    result.parts.remove(1);
    let run = classroom50_run()?;
    for text in [
        json::pretty(&classroom50::document(&result, &run))?,
        GradeAdapter::Gradescope.text(&result)?,
        GradeAdapter::Exercism.text(&result)?,
        GradeAdapter::Junit.text(&result)?,
        GradeAdapter::Csv.text(&result)?,
    ] {
        assert!(
            text.contains("Part 3") && !text.contains("secret"),
            "{text}"
        );
    }
    Ok(())
}

#[test]
fn junit_has_a_case_for_each_part() -> Result<()> {
    assert_data_eq!(
        GradeAdapter::Junit.text(&result(GradeStatus::Graded))?,
        str![[r#"
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="kmodlab" tests="3" failures="2" errors="0">
    <testsuite name="a/1-b" tests="3" skipped="0" errors="0" failures="2">
        <properties>
            <property name="student" value="=s1,&quot;x&quot;"/>
            <property name="points" value="10"/>
            <property name="max-points" value="30"/>
            <property name="kernel" value="6.12.117"/>
        </properties>
        <testcase name="Part 1" classname="a/1-b">
            <system-out>points: 10/10</system-out>
        </testcase>
        <testcase name="Part 2" classname="a/1-b">
            <failure message="hung: &lt;secret&gt; &amp; �" type="hang">hung: &lt;secret&gt; &amp; �</failure>
            <system-out>points: 0/10</system-out>
        </testcase>
        <testcase name="Part 3" classname="a/1-b">
            <failure message="" type="hang"></failure>
            <system-out>points: 0/10</system-out>
        </testcase>
    </testsuite>
</testsuites>

"#]]
    );
    Ok(())
}

#[test]
fn tables_quote_and_have_no_formulas() -> Result<()> {
    let one = scaled(GradeStatus::Graded, [10, 10, 10], 20);
    assert_eq!(
        result_table(&one)?.lines().nth(1),
        Some("\"'=s1,\"\"x\"\"\",a/1-b,1,Part 1,6.67,6.67,pass")
    );
    let mut other = one.clone();
    "b/1-c".clone_into(&mut other.exercise);
    "s2".clone_into(&mut other.student);
    assert_eq!(
        marks_table(&[one, other])?,
        "student,a/1-b (20),b/1-c (20),total\r\n\
         \"'=s1,\"\"x\"\"\",6.67,,6.67\r\n\
         s2,,6.67,6.67\r\n"
    );
    Ok(())
}

/// Path of the schema from the crate's folder.
const PUBLISHED: &str = "../docs/result.schema.json";

fn validate(document: &Value) -> Result<()> {
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(PUBLISHED)?)?;
    let mut compiler = Compiler::new();
    let added = compiler.add_resource("result.schema.json", schema);
    added.map_err(|error| anyhow!("{error}"))?;
    let mut schemas = Schemas::new();
    let index = compiler.compile("result.schema.json", &mut schemas);
    let index = index.map_err(|error| anyhow!("{error:#}"))?;
    let valid = schemas.validate(document, index);
    valid.map_err(|error| anyhow!("{error:#}"))
}

#[test]
fn the_published_schema_is_current() -> Result<()> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings
        .into_generator()
        .into_root_schema_for::<GradeResult>();
    assert_data_eq!(
        json::pretty(&schema)?,
        file!["../../../../docs/result.schema.json"].raw()
    );
    Ok(())
}

#[test]
fn results_are_valid_and_others_are_not() -> Result<()> {
    for status in STATUSES {
        validate(&as_json(&result(status)))?;
    }
    let mut wrong = as_json(&result(GradeStatus::Graded));
    wrong["status"] = json!("passed");
    assert!(validate(&wrong).is_err());
    let mut old = as_json(&result(GradeStatus::Graded));
    old["schema"] = json!(0);
    assert!(validate(&old).is_err());
    Ok(())
}

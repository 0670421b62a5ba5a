//! The races that clean schedules may have missed, for a person.

use std::io::{self, Write};

use super::CleanSchedules;
use crate::schedule::miss::LONG_ENOUGH;

/// Probability above which a bound says nothing.
const WORTHLESS: f64 = 0.999;

/// Maximum number of functions that a line names.
const MAX_NAMED: usize = 6;

/// Writes the bounds of one test case, and the functions that no schedule concerns.
pub(super) fn print(out: &mut dyn Write, clean: &CleanSchedules) -> io::Result<()> {
    let (lesson, language) = (&clean.lesson, clean.language);
    let (schedules, random) = (clean.schedules, clean.random);
    write!(
        out,
        "{lesson} ({language}): {random} of {schedules} clean schedules are random; "
    )?;
    let length = f64::from(LONG_ENOUGH) / 1e6;
    match clean.missed_with_one_delay() {
        Some(one) if one > WORTHLESS => write!(
            out,
            "too few for a bound on what they miss: more schedules find more"
        )?,
        Some(one) => write!(
            out,
            "they miss a race that one delay of {length} ms shows with a probability of at most {}",
            percent(one)
        )?,
        None => write!(out, "no bound is known for what they miss")?,
    }
    let two = clean.missed_with_two_delays();
    if let Some(two) = two.filter(|two| *two <= WORTHLESS) {
        write!(out, ", and two delays {}", percent(two))?;
    }
    writeln!(out)?;
    if clean.unreached.is_empty() {
        return Ok(());
    }
    let named = &clean.unreached[..clean.unreached.len().min(MAX_NAMED)];
    let others = match clean.unreached.len() - named.len() {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    let named = named.join(", ");
    writeln!(
        out,
        "{lesson} ({language}): no schedule delays a task in {named}{others}: the commands do not reach it"
    )
}

/// Formats a probability, rounded up: a bound stays one.
fn percent(probability: f64) -> String {
    let permille = (probability * 1000.0).ceil();
    format!("{:.1} %", permille / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::Language;
    use crate::schedule::miss::RaceProbability;

    #[test]
    fn the_bounds_of_a_test_case_are_one_line() {
        let clean = CleanSchedules {
            lesson: "x".to_owned(),
            language: Language::C,
            schedules: 100,
            random: 25,
            probability: Some(RaceProbability {
                one_delay: 0.1,
                two_delays: Some(0.001),
            }),
            unreached: Vec::new(),
        };
        let mut out = Vec::new();
        assert!(print(&mut out, &clean).is_ok());
        let expected = "x (c): 25 of 100 clean schedules are random; they miss a race that one delay of \
                        0.5 ms shows with a probability of at most 7.2 %, and two delays 97.6 %\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        let few = CleanSchedules {
            random: 1,
            probability: Some(RaceProbability {
                one_delay: 0.000_1,
                two_delays: None,
            }),
            ..clean.clone()
        };
        let mut out = Vec::new();
        assert!(print(&mut out, &few).is_ok());
        let expected = "x (c): 1 of 100 clean schedules are random; too few for a bound on what they \
                        miss: more schedules find more\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        let clean = CleanSchedules {
            probability: None,
            unreached: (1..9).map(|number| format!("f{number}")).collect(),
            ..clean
        };
        let mut out = Vec::new();
        assert!(print(&mut out, &clean).is_ok());
        let expected = "x (c): 25 of 100 clean schedules are random; no bound is known for what they \
                        miss\nx (c): no schedule delays a task in f1, f2, f3, f4, \
                        f5, f6 and 2 more: the commands do not reach it\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert_eq!(percent(0.001_01), "0.2 %");
        assert_eq!(percent(1.0), "100.0 %");
    }
}
